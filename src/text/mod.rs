//! Text that came from outside: made safe to store, log and show.

use std::fmt::Write as _;

mod answer;
mod encoded;
mod listed_name;
mod redact;
mod shown;

pub use listed_name::listed_name;
pub use redact::Secrets;
pub use shown::{html, shown, shown_lines};

/// Bytes in lower-case hexadecimal digits, such as those of a digest.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Whether a secret that somebody shows is the right one. Compares every byte, so that the time does not show which one
/// differs.
pub fn is_same_secret(shown: &[u8], right: &[u8]) -> bool {
    let pairs = shown.iter().zip(right);
    let differs = pairs.fold(0, |differs, (a, b)| differs | (a ^ b));
    shown.len() == right.len() && differs == 0
}

/// "1 shop", "2 shops".
pub fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
