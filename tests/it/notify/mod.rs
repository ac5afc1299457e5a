//! People are notified through channels, whatever happens to those: once each, late rather than never, and
//! never at an order's cost.

mod daemon;
mod holds;
mod kills;
mod overdrawn;
pub(crate) mod queue;
pub(crate) mod receiver;
mod unread_shop;
