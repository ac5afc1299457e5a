//! One entry point for each kind of input from outside. Each takes any bytes and fails if the result breaks
//! an invariant, which is stronger than "no panic". The fuzz targets call these,
//! and so does `tests/it/corpus.rs`, which compiles this file as a module of its own.

mod answers;
mod facts;
mod money;
mod rules;
mod settings;
mod stock;
mod workbook;

pub use answers::{entries, headers, order, page};
pub use money::money;
pub use rules::rules;
pub use settings::config;
pub use stock::{price_list, stock_csv, stock_dialects, stock_xlsx};

/// A target's name, which is also the name of its corpus directory, and its entry point.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 11] = [
    ("config", config),
    ("entries", entries),
    ("headers", headers),
    ("money", money),
    ("order", order),
    ("page", page),
    ("price_list", price_list),
    ("rules", rules),
    ("stock_csv", stock_csv),
    ("stock_dialects", stock_dialects),
    ("stock_xlsx", stock_xlsx),
];
