//! The stages, one file or folder each, named as the arrows of the picture in `docs/ARCHITECTURE.md`.
//! Each is an idempotent `run_once` that reads its input from the database and stores its results there, so
//! that a run after a crash is like any other run.

pub mod act;
pub mod alert;
mod backup_folder;
mod ctx;
mod daily_watch;
pub mod decide;
mod error;
pub mod housekeep;
mod kaspi_clock;
mod lines;
mod listing;
pub mod meter;
pub mod notify;
pub mod plan;
pub mod poll;
mod present_state;
pub mod sending;
mod short_lists;
pub mod stages;
pub mod sweep;
pub mod sync_stock;
pub mod telegram;
mod unreadable;
mod window;
mod write_access;

pub use ctx::{Ctx, CtxParts, Mode, Settings, other_shops_max_age};
pub use daily_watch::share;
pub use error::StageError;
pub use kaspi_clock::{Clocks, KaspiClock};
pub use window::Window;
pub use write_access::WriteAccess;
