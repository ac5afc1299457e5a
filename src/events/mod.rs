//! The events of the log, as one typed list: `log_event!` takes no event that is not in it, and for each
//! event exactly the fields that the list gives it. `docs/LOGGING.md` has its tables from here.

mod fields;
mod list;

use tracing::Level;

pub use fields::{FIELDS, Field};
pub use list::*;

/// One event of the log.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// The stable name.
    pub name: &'static str,
    /// An error needs a person and carries a code and a hint.
    pub level: Level,
    /// The codes it may carry: headings of `docs/OPERATIONS.md`.
    pub codes: &'static [&'static str],
    /// The fields, each of [`FIELDS`].
    pub fields: &'static [&'static str],
    /// When it is logged.
    pub when: &'static str,
}

/// The type of a field in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A string.
    Text,
    /// A number.
    Number,
    /// A boolean.
    YesOrNo,
}

impl Type {
    /// The word of `docs/LOGGING.md`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::YesOrNo => "yes or no",
        }
    }
}

/// Every event, in the order of the document.
pub fn all() -> impl Iterator<Item = &'static Event> {
    SECTIONS.iter().flat_map(|(_, events)| *events)
}

const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

impl Event {
    /// Whether these are its fields, in any order. Asked at compile time.
    pub const fn has_fields(&self, given: &[&str]) -> bool {
        let mut at = 0;
        while at < given.len() {
            let mut declared = 0;
            while declared < self.fields.len() && !is_same(given[at], self.fields[declared]) {
                declared += 1;
            }
            if declared == self.fields.len() {
                return false;
            }
            at += 1;
        }
        given.len() == self.fields.len()
    }
}

/// Logs an event of the list: `log_event!(POLL_NEWS, shop = %shop, …, "message")`, with the syntax of
/// `tracing`. It does not compile where the fields are not those of the list.
macro_rules! log_event {
    ($event:ident, $($arguments:tt)+) => {{
        const _: () = assert!(
            $crate::events::$event.has_fields($crate::events::field_names!([] $($arguments)+)),
            concat!("the fields of ", stringify!($event), " are listed in src/events/list.rs")
        );
        tracing::event!(
            $crate::events::$event.level,
            event = $crate::events::$event.name,
            $($arguments)+
        )
    }};
}

/// The names of the fields before the message.
macro_rules! field_names {
    ([$($name:expr,)*] $message:literal $($rest:tt)*) => { &[$($name),*] };
    ([$($name:expr,)*] $first:ident . $second:ident = $($rest:tt)*) => {
        $crate::events::field_names!(@value [$($name,)* concat!(stringify!($first), ".", stringify!($second)),] $($rest)*)
    };
    ([$($name:expr,)*] $first:ident = $($rest:tt)*) => {
        $crate::events::field_names!(@value [$($name,)* stringify!($first),] $($rest)*)
    };
    ([$($name:expr,)*] $first:ident, $($rest:tt)*) => {
        $crate::events::field_names!([$($name,)* stringify!($first),] $($rest)*)
    };
    (@value $names:tt , $($rest:tt)*) => { $crate::events::field_names!($names $($rest)*) };
    (@value $names:tt $token:tt $($rest:tt)*) => { $crate::events::field_names!(@value $names $($rest)*) };
}

pub(crate) use {field_names, log_event};
