//! Text that came from outside: made safe to store, log and show.

mod answer;
mod encoded;
mod redact;
mod shown;

pub use redact::Secrets;
pub use shown::{html, shown, shown_lines};

/// "1 shop", "2 shops".
pub fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
