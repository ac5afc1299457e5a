//! The language of what commands print for people.

use std::sync::OnceLock;

use crate::lang::Lang;

/// One process has one reader.
static LANG: OnceLock<Lang> = OnceLock::new();

/// The reader's language; English before it is chosen.
pub(super) fn lang() -> Lang {
    LANG.get().copied().unwrap_or(Lang::En)
}

/// Chooses the language once: the one that was asked for, or that of the first locale variable that is set.
pub(super) fn choose(asked: Option<&str>) {
    let asked = asked.and_then(Lang::of_locale);
    let lang = asked.or_else(|| locale().as_deref().and_then(Lang::of_locale));
    let _ = LANG.set(lang.unwrap_or(Lang::En));
}

fn locale() -> Option<String> {
    let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
    #[expect(
        clippy::disallowed_methods,
        reason = "it says how to write to the terminal, and configures nothing"
    )]
    let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
    values.find(|value| !value.is_empty())
}
