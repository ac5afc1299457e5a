//! Text that came from outside: made safe to store, log and show.

mod answer;
mod encoded;
mod redact;
mod shown;

pub use redact::Secrets;
pub use shown::{html, shown, shown_lines};
