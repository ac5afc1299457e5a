//! A stateful simulation of Kaspi's API, for `qabyl demo`, `qabyl sandbox`, the tests and the benches.
//!
//! [`World`] holds all state and is pure: it has no clock and does no I/O. The same settings and the
//! same requests at the same times always give the same answers. [`Server`] serves one over HTTP/1.1
//! and writes the bytes itself, so that it can also misbehave on the wire. Tests read what happened
//! from the [`Ledger`] and from [`World::orders`].
//!
//! [`BotServer`] serves a [`BotApi`] in the same way: Telegram as a bot sees it.
//!
//! It behaves as KASPI_API §1–9 describes, and is never more lenient.

mod al_style;
mod answer;
mod bot_api;
mod bot_message;
mod bot_server;
mod command_words;
mod commands;
mod control;
mod customer;
mod external;
mod faults;
mod forget;
mod goods;
mod http;
mod ledger;
mod ledger_report;
mod limit;
mod listener;
mod listing;
mod message;
mod order;
mod overrides;
mod products;
mod render;
mod replica;
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
pub use bot_api::{BotApi, BotCall};
pub use bot_message::{BotButton, BotMessage, PressAnswer};
pub use bot_server::BotServer;
pub use commands::{COMMANDS, CommandError};
pub use external::ExternalEvent;
pub use faults::{Fault, FaultParseError, FaultRate, Faults, Scope};
pub use ledger::{Cause, EffectRow, Ledger, Post, RequestRow};
pub use limit::{Limit, LimitParseError, Over};
pub use message::{Method, Reply, Request, Wire};
pub use order::{LineSeed, Order, OrderSeed};
pub use overrides::Part;
pub use replica::Replicas;
pub use route::{EndpointKind, WriteKind};
pub use script::Script;
pub use seed::{Seeded, StockRow, seed_orders, stock_csv};
pub use server::{Clock, Server};
pub use settings::{EntriesForm, IncludeSupport, ListOrder, Settings, SuccessForm};
pub use terms::{DeliveryMode, OfferForm, Payment, State, Status, UnitType};
pub use world::World;
