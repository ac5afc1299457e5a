//! Stock sources: bytes in, levels with what is doubtful about them out, or why the file is refused as a whole.
//! Each format gives rows of cells; a table is understood by one set of rules. Files are read in a child
//! process with limits.

mod al_style;
mod child;
mod csv_file;
mod decode;
mod fetch;
mod file;
mod findings;
mod gather;
mod google_sheet;
mod header;
mod moment;
mod parts_file;
#[cfg(feature = "price-list")]
mod price_list;
#[cfg(feature = "price-list")]
mod price_list_out;
mod reading;
mod table;
mod units;
#[cfg(feature = "xlsx")]
mod xlsx;

pub use al_style::{AlStyle, By};
pub use child::{CHILD, child, read, read_in_child};
pub use fetch::{ReadError, Web};
pub use file::parse;
pub use findings::{Problem, SourceError};
pub use parts_file::{PartLine, read_parts};
#[cfg(feature = "price-list")]
pub use price_list_out::{Offer, write as write_price_list};
pub use reading::{Column, Format, How, Limits, Moments, Places, Reading};
