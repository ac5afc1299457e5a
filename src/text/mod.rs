//! Text that came from outside: made safe to store, log and show.

mod redact;

pub use redact::Secrets;
