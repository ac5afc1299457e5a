//! What Qabyl knows and decides, with no I/O, no clock and no async anywhere below this line.
//!
//! Read in this order: [`order`] (what Kaspi tells), [`stock`] (what the merchant has),
//! [`facts`] (both at one moment), [`rules`] (what is proposed), [`interlocks`] (what may stop
//! it), [`decision`] (what comes out), [`action`] (how it is carried out), [`reconcile`] (what a
//! fresh reading of an order means for all of that).

pub mod action;
pub mod availability;
pub mod backoff;
pub mod calendar;
pub mod decision;
pub mod explanation;
pub mod facts;
pub mod ids;
pub mod interlocks;
pub mod ledger;
pub mod limits;
pub mod money;
pub mod notice;
pub mod order;
pub mod policy;
pub mod reconcile;
pub mod replay;
pub mod reservation;
pub mod rules;
pub mod schedule;
pub mod stock;
pub mod unaccounted;
pub mod verdict;
