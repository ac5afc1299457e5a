//! What people read, in Russian, Kazakh and English: one catalogue of [Fluent](https://projectfluent.org) messages.
//!
//! `Lang::Ru.text("frame-more", &[("count", 3.into())])`. The texts are in `src/lang/{ru,kk,en}/*.ftl`, one file for each
//! place where they are read; a text in one language is in all three, with the same variables (`tests/it/lang.rs`).
//! Numbers are passed as numbers, so that a text may choose among plural forms. Logs, JSON and the database stay English.

mod sentence;

use std::fmt;
use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A value of a text: made by `into()` of a number or a text.
pub type Arg<'a> = fluent_bundle::FluentValue<'a>;

/// The languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Russian.
    Ru,
    /// Kazakh.
    Kk,
    /// English.
    En,
}

/// The files of one language, embedded.
macro_rules! files {
    ($lang:literal) => {
        [
            include_str!(concat!($lang, "/notices.ftl")),
            include_str!(concat!($lang, "/reasons.ftl")),
            include_str!(concat!($lang, "/sentences.ftl")),
            include_str!(concat!($lang, "/telegram.ftl")),
            include_str!(concat!($lang, "/terminal.ftl")),
            include_str!(concat!($lang, "/web.ftl")),
        ]
    };
}

impl Lang {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ru, Self::Kk, Self::En];

    /// Its code, as in `lang="ru"`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::Kk => "kk",
            Self::En => "en",
        }
    }

    /// The language of a locale or a language tag, such as `ru_RU.UTF-8` or `kk-KZ`; `None` if it is none of ours.
    pub fn of_locale(locale: &str) -> Option<Self> {
        let name = locale.split(['_', '-', '.', '@']).next()?;
        let mut all = Self::ALL.into_iter();
        all.find(|lang| name.eq_ignore_ascii_case(lang.code()))
    }

    /// A text of the catalogue. `"key.name"` is the attribute `.name` of a message. Not in the catalogue: the key itself.
    pub fn text(self, key: &str, args: &[(&str, Arg<'_>)]) -> String {
        self.find(key, args).unwrap_or_else(|| key.to_owned())
    }

    /// A text without values.
    pub fn word(self, key: &str) -> String {
        self.text(key, &[])
    }

    /// As `text`; `None` where the catalogue has no such key.
    pub fn find(self, key: &str, args: &[(&str, Arg<'_>)]) -> Option<String> {
        let (id, attribute) = match key.split_once('.') {
            Some((id, attribute)) => (id, Some(attribute)),
            None => (key, None),
        };
        let bundle = self.bundle();
        let message = bundle.get_message(id)?;
        let pattern = match attribute {
            Some(name) => message.get_attribute(name)?.value(),
            None => message.value()?,
        };
        let args: FluentArgs<'_> = args.iter().cloned().collect();
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&args), &mut errors);
        debug_assert!(errors.is_empty(), "{self}: {key}: {errors:?}");
        Some(text.into_owned())
    }

    /// A length of time in hours and minutes: `2 ч 5 мин`.
    pub fn span(self, span: SignedDuration) -> String {
        let minutes = span.as_mins();
        let values = [
            ("hours", (minutes / 60).into()),
            ("minutes", (minutes % 60).into()),
        ];
        self.text("word-span", &values)
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        static RU: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        static KK: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        static EN: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        match self {
            Self::Ru => RU.get_or_init(|| self.read(files!("ru"))),
            Self::Kk => KK.get_or_init(|| self.read(files!("kk"))),
            Self::En => EN.get_or_init(|| self.read(files!("en"))),
        }
    }

    /// The embedded files are valid, and no key is in two of them: a test reads them.
    fn read(self, files: [&str; 6]) -> FluentBundle<FluentResource> {
        let tag = self.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        // Marks of text direction around values: none of these languages needs them, and people copy the texts.
        bundle.set_use_isolating(false);
        for text in files {
            let parsed = FluentResource::try_new(text.to_owned());
            let parsed = parsed.unwrap_or_else(|(parsed, _)| parsed);
            bundle.add_resource_overriding(parsed);
        }
        bundle
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
