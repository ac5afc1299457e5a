//! A stateful stand-in for Kaspi, for the demo, the tests, the benches and the simulation.
//!
//! [`World`] is the whole of it: pure, without a clock or any I/O. The same settings and the
//! same requests at the same instants always give the same answers. [`Server`] puts a real
//! HTTP/1.1 port in front of one, with every byte in its own hands, so that it can also
//! misbehave. What happened is read from the [`Ledger`] and from [`World::orders`].
//!
//! The behaviour is that of KASPI_API §1–6, and never kinder.

mod account;
mod al_style;
mod answer;
mod catalogue;
mod control;
mod customer;
mod faults;
mod forget;
mod http;
mod ledger;
mod listing;
mod message;
mod order;
mod people;
mod products;
mod render;
mod route;
mod script;
mod seed;
mod server;
mod settings;
mod terms;
mod wire;
mod world;
mod writes;

pub use al_style::{AlStyle, Article};
pub use faults::{Fault, FaultParseError, FaultRate, Faults, Scope};
pub use ledger::{Cause, EffectRow, Ledger, Post, RequestRow};
pub use message::{Method, Reply, Request, Wire};
pub use order::{LineSeed, Order, OrderSeed};
pub use people::ExternalEvent;
pub use route::{EndpointKind, WriteKind};
pub use script::Script;
pub use seed::{Seeded, StockRow, seed_orders, stock_csv};
pub use server::{Clock, Server};
pub use settings::{EntriesForm, IncludeSupport, ListOrder, Settings, SuccessForm};
pub use terms::{DeliveryMode, OfferForm, Payment, State, Status, UnitType};
pub use world::World;
