//! The values of every layer with where each was written; later layers win.

use std::collections::BTreeMap;
use std::time::Duration;

use super::env::Env;
use super::problem::{Origin, Problem};
use super::value::{self, Fault, Scalar};
use super::{schema, span, text};

/// Variables that configure a key begin with this: `QABYL__KASPI__BASE_URL`.
pub(super) const PREFIX: &str = "QABYL__";

/// Everything read so far.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// By dotted key.
    pub(super) values: BTreeMap<String, (Scalar, Origin)>,
    /// Variables that set a key: dotted key and text, by name.
    pub(super) variables: BTreeMap<String, (String, String)>,
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    pub(super) fn problem(&mut self, origin: Origin, key: &str, fault: Fault) {
        self.problems.push(Problem::new(origin, key, fault));
    }

    /// Keeps a value, or the problem with it.
    pub(super) fn put(&mut self, key: &schema::Key, found: Scalar, origin: Origin) {
        let path = format!("{}.{}", key.section, key.name);
        match value::check(key.kind, &found) {
            Ok(()) => {
                self.values.insert(path, (found, origin));
            }
            Err(fault) => self.problem(origin, &path, fault),
        }
    }

    /// The variables `QABYL__SECTION__KEY`.
    pub(super) fn read_variables(&mut self, env: &Env) {
        for (name, text) in env.iter() {
            let Some(rest) = name.strip_prefix(PREFIX) else {
                self.suspect(name);
                continue;
            };
            let path = rest.to_lowercase().replacen("__", ".", 1);
            let origin = Origin::Variable(name.to_owned());
            if self.read_plain(&path, text, origin, variable) {
                self.variables
                    .insert(name.to_owned(), (path, text.trim().to_owned()));
            }
        }
    }

    /// Values from the command line, by dotted key.
    pub(super) fn read_flags(&mut self, flags: &[(String, String)]) {
        for (path, text) in flags {
            self.read_plain(path, text, Origin::Flag(path.clone()), |section, name| {
                format!("{section}.{name}")
            });
        }
    }

    fn read_plain(
        &mut self,
        path: &str,
        text: &str,
        origin: Origin,
        spell: fn(&str, &str) -> String,
    ) -> bool {
        let (section, name) = path.split_once('.').unwrap_or((path, ""));
        if schema::is_blocks(section) {
            let fault = Fault::new(format!("{section} are configured in the file only"));
            self.problem(
                origin,
                path,
                fault.hint(format!("add a [[{section}]] block")),
            );
            return false;
        }
        let Some(key) = schema::find(section, name) else {
            let known = schema::KEYS.iter();
            let known: Vec<String> = known
                .map(|key| format!("{}.{}", key.section, key.name))
                .collect();
            let near = schema::nearest(path, known.iter().map(String::as_str));
            let near = near.and_then(|near| near.split_once('.'));
            let mut fault = Fault::new("unknown key");
            fault.hint =
                near.map(|(section, name)| format!("did you mean {}?", spell(section, name)));
            self.problem(origin, path, fault);
            return false;
        };
        self.put(key, Scalar::from_plain(key.kind, text), origin);
        true
    }

    /// `QABYL_KASPI_BASE_URL` would be ignored without a word.
    fn suspect(&mut self, name: &str) {
        if !name.starts_with("QABYL_") {
            return;
        }
        let bare = |name: &str| name.replace('_', "").to_lowercase();
        let known = schema::KEYS
            .iter()
            .map(|key| variable(key.section, key.name));
        if let Some(meant) = known.into_iter().find(|known| bare(known) == bare(name)) {
            let fault = Fault::new("unknown key").hint(format!("did you mean {meant}?"));
            self.problem(Origin::Variable(name.to_owned()), "", fault);
        }
    }

    /// What only shows when the layers are put together.
    pub(super) fn check_together(&mut self) {
        let allowed = self.values.get("kaspi.allow_plain_http");
        let allowed = allowed.is_some_and(|(found, _)| *found == Scalar::Flag(true));
        if let Some((Scalar::Text(url), origin)) = self.values.get("kaspi.base_url")
            && !allowed
            && text::is_plain_and_remote(url)
        {
            let fault = Fault::new("http:// would send the token in the clear");
            let fault = fault.hint("use https://, or set kaspi.allow_plain_http = true");
            self.problem(origin.clone(), "kaspi.base_url", fault);
        }
        self.check_order("actions.retry_base", "actions.retry_cap");
        self.check_order("schedule.last_call", "schedule.deadline");
        // The budget counts orders that are over, and the trail is of orders.
        self.check_order("interlocks.cancel_budget_window", "retention.orders");
        self.check_order("retention.orders", "retention.audit");
    }

    fn check_order(&mut self, lower: &str, upper: &str) {
        let (Some((low, low_origin)), Some((high, high_origin))) =
            (self.span(lower), self.span(upper))
        else {
            return;
        };
        if low > high {
            let (low, high) = (span::show(low), span::show(high));
            let blame_low = low_origin != Origin::Default;
            let (key, origin, what) = if blame_low {
                (
                    lower,
                    low_origin,
                    format!("must be at most {upper}, {high}, found {low}"),
                )
            } else {
                (
                    upper,
                    high_origin,
                    format!("must be at least {lower}, {low}, found {high}"),
                )
            };
            self.problem(origin, key, Fault::new(what));
        }
    }

    fn span(&self, path: &str) -> Option<(Duration, Origin)> {
        match self.values.get(path)? {
            (Scalar::Text(text), origin) => Some((span::parse(text)?, origin.clone())),
            _ => None,
        }
    }
}

/// The variable of a key.
fn variable(section: &str, name: &str) -> String {
    format!(
        "{PREFIX}{}__{}",
        section.to_uppercase(),
        name.to_uppercase()
    )
}
