//! Stock sources: bytes in, rows or errors with file and line out. A file with a single bad line is refused as
//! a whole.

mod al_style;
pub mod csv_file;
mod fetch;
mod file;
mod findings;
mod parts_file;
#[cfg(feature = "price-list")]
mod price_list;
#[cfg(feature = "price-list")]
mod price_list_out;
mod table;
mod units;
#[cfg(feature = "xlsx")]
mod xlsx;

pub use al_style::{AlStyle, By};
pub use fetch::{ReadError, Web};
pub use file::{Format, Places, read};
pub use findings::{Problem, SourceError};
pub use parts_file::{PartLine, read_parts};
#[cfg(feature = "price-list")]
pub use price_list_out::{Offer, write as write_price_list};
#[cfg(feature = "xlsx")]
pub use xlsx::{CHILD, child};
