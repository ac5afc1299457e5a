//! What Qabyl knows and decides: pure, without input or output, a clock, or async.
//!
//! Read in this order: [`order`] (what Kaspi shows), [`stock`] (what the merchant has), [`evidence`] (how fresh that
//! is), [`facts`] (all of it at one moment), [`rules`] (what is proposed), [`interlocks`] (what may stop it),
//! [`decision`] (what comes out), [`action`] (how it is carried out), [`reconcile`] (what a reading of an order
//! changes).

pub mod action;
pub mod availability;
pub mod backoff;
pub mod buttons;
pub mod calendar;
pub mod candidate;
pub mod chat_pace;
pub mod collapse;
pub mod counters;
pub mod decision;
pub mod demand;
pub mod denial;
pub mod evidence;
pub mod explanation;
pub mod facts;
pub mod hold;
pub mod identity;
pub mod ids;
pub mod interlocks;
pub mod known_shop;
pub mod limits;
pub mod line_sums;
pub mod lines_reading;
pub mod money;
pub mod near_sku;
pub mod not_found;
pub mod notice;
pub mod order;
pub mod order_version;
pub mod people;
pub mod policy;
pub mod reconcile;
pub mod replay;
pub mod reservation;
pub mod retention;
pub mod reverted;
pub mod rules;
pub mod schedule;
pub mod semantics;
pub mod session;
pub mod stock;
pub mod stock_import;
pub mod stock_ledger;
pub mod stock_sources;
pub mod unaccounted;
pub mod verdict;
