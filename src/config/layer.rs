//! One layer of settings: sections of keys, and where each key was written. Later layers win.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::env::Env;
use super::problem::{ConfigError, Origin, Problem};
use super::sections::Config;
use crate::diagnostics::{self, CONTROL_CHARACTERS, Mistake, Segment, has_control, nearest};

/// Variables that configure a key begin with this: `QABYL__KASPI__BASE_URL`.
const PREFIX: &str = "QABYL__";
/// Sections that are written as blocks, one for each shop or channel, and in the file only.
pub(super) const BLOCKS: [&str; 2] = ["shops", "channels"];

/// Settings by section and key.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) sections: Table,
    /// By dotted key.
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Layer {
    fn insert(&mut self, section: &str, name: &str, value: Value, origin: Origin) {
        let table = self
            .sections
            .entry(section)
            .or_insert(Value::Table(Table::new()));
        if let Value::Table(table) = table {
            table.insert(name.to_owned(), value);
        }
        self.origins.insert(format!("{section}.{name}"), origin);
    }
}

/// What is wrong with sections of a layer, read over the defaults; wrong keys are taken out of it.
pub(super) fn check(
    sections: &mut Table,
    defaults: &Table,
    mut report: impl FnMut(&[Segment], Mistake),
) {
    let default = |path: &[Segment]| match path {
        [Segment::Key(section), Segment::Key(name)] => value(defaults, section, name).cloned(),
        _ => None,
    };
    let mut wrong = Vec::new();
    let merged = overlaid(defaults, sections);
    diagnostics::read::<Config>(&merged, default, |path, mistake| {
        report(path, mistake);
        wrong.push(path.to_vec());
    });
    for path in wrong {
        if let [Segment::Key(section), Segment::Key(name), ..] = path.as_slice()
            && let Some(Value::Table(table)) = sections.get_mut(section)
        {
            table.remove(name);
        }
    }
}

fn overlaid(defaults: &Table, sections: &Table) -> Table {
    let mut merged = defaults.clone();
    for (section, keys) in sections {
        if let (Some(Value::Table(merged)), Value::Table(keys)) = (merged.get_mut(section), keys) {
            merged.extend(keys.clone());
        }
    }
    merged
}

/// The defaults and all layers over them, put together by the `config` crate: later ones win.
pub(super) fn merge(defaults: &Table, layers: &[&Table]) -> Result<Config, ConfigError> {
    // The causes are left out: they quote values, which may be secret.
    let internal = |path: String| ConfigError::Internal { path };
    let root = |_| internal("the root".to_owned());
    let mut builder = ::config::Config::builder();
    for layer in [defaults].iter().chain(layers) {
        builder = builder.add_source(::config::Config::try_from(*layer).map_err(root)?);
    }
    let merged = builder.build().map_err(root)?;
    let merged: Table = merged.try_deserialize().map_err(root)?;
    let mut wrong = None;
    let read = diagnostics::read(&merged, |_| None, |path, _| wrong = Some(dotted(path)));
    match (read, wrong) {
        (Some(config), None) => Ok(config),
        (_, wrong) => Err(internal(wrong.unwrap_or_default())),
    }
}

/// The settings in variables `QABYL__SECTION__KEY`.
pub(super) fn of_variables(env: &Env, defaults: &Table, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    for (name, text) in env.iter() {
        let origin = Origin::Variable(name.to_owned());
        if let Some(rest) = name.strip_prefix(PREFIX) {
            if has_control(name) || has_control(text.trim()) {
                problems.push(Problem::new(origin, "", CONTROL_CHARACTERS));
                continue;
            }
            let path = rest.to_lowercase().replacen("__", ".", 1);
            put_text(&mut layer, defaults, &path, text, &origin, problems);
        } else if let Some(meant) = meant_variable(name, defaults) {
            let what = format!("unknown key; did you mean {meant}?");
            problems.push(Problem::new(origin, "", what));
        }
    }
    layer
}

/// The settings of the command line, by dotted key.
pub(super) fn of_flags(
    flags: &[(String, String)],
    defaults: &Table,
    problems: &mut Vec<Problem>,
) -> Layer {
    let mut layer = Layer::default();
    for (path, text) in flags {
        let origin = Origin::Flag(path.clone());
        put_text(&mut layer, defaults, path, text, &origin, problems);
    }
    layer
}

/// Keeps the value that a text stands for, or reports what is wrong with it.
fn put_text(
    layer: &mut Layer,
    defaults: &Table,
    path: &str,
    text: &str,
    origin: &Origin,
    problems: &mut Vec<Problem>,
) {
    let (section, name) = path.split_once('.').unwrap_or((path, ""));
    if BLOCKS.contains(&section) {
        let what = format!("{section} are configured in the file only; add a [[{section}]] block");
        return problems.push(Problem::new(origin.clone(), path, what));
    }
    let Some(default) = value(defaults, section, name) else {
        let what = unknown(path, origin, defaults);
        return problems.push(Problem::new(origin.clone(), path, what));
    };
    let mut first = None;
    for candidate in candidates(text.trim(), default) {
        let mut mistake = None;
        let mut alone = Table::new();
        alone.insert(name.to_owned(), candidate.clone());
        let mut alone = Table::from_iter([(section.to_owned(), Value::Table(alone))]);
        check(&mut alone, defaults, |_, wrong| mistake = Some(wrong));
        let Some(mistake) = mistake else {
            return layer.insert(section, name, candidate, origin.clone());
        };
        first.get_or_insert(mistake);
    }
    if let Some(mistake) = first {
        problems.push(Problem::new(origin.clone(), path, mistake));
    }
}

/// What a text may stand for, the likeliest first: a variable and a flag do not say of which type they are.
fn candidates(text: &str, default: &Value) -> Vec<Value> {
    let number = text.parse().map(Value::Integer).ok();
    let number = number.or_else(|| text.parse().map(Value::Float).ok());
    let typed = number.or_else(|| text.parse().map(Value::Boolean).ok());
    let plain = Some(Value::String(text.to_owned()));
    let order = if default.is_str() {
        [plain, typed]
    } else {
        [typed, plain]
    };
    order.into_iter().flatten().collect()
}

fn unknown(path: &str, origin: &Origin, defaults: &Table) -> String {
    let known = keys(defaults);
    let known: Vec<String> = known
        .map(|(section, name)| format!("{section}.{name}"))
        .collect();
    let near = nearest(path, known.iter().map(String::as_str));
    let Some((section, name)) = near.and_then(|near| near.split_once('.')) else {
        return "unknown key".to_owned();
    };
    let meant = match origin {
        Origin::Variable(_) => variable(section, name),
        _ => format!("{section}.{name}"),
    };
    format!("unknown key; did you mean {meant}?")
}

/// `QABYL_KASPI_BASE_URL` would be ignored in silence.
fn meant_variable(name: &str, defaults: &Table) -> Option<String> {
    let bare = |name: &str| name.replace('_', "").to_lowercase();
    name.strip_prefix("QABYL_")?;
    keys(defaults)
        .map(|(section, key)| variable(section, key))
        .find(|known| bare(known) == bare(name))
}

/// The variable of a key.
fn variable(section: &str, name: &str) -> String {
    format!(
        "{PREFIX}{}__{}",
        section.to_uppercase(),
        name.to_uppercase()
    )
}

/// Every key with its section.
pub(super) fn keys(sections: &Table) -> impl Iterator<Item = (&str, &str)> {
    sections.iter().flat_map(|(section, keys)| {
        let keys = keys.as_table().into_iter().flat_map(Table::keys);
        keys.map(move |key| (section.as_str(), key.as_str()))
    })
}

pub(super) fn value<'a>(sections: &'a Table, section: &str, name: &str) -> Option<&'a Value> {
    sections.get(section)?.as_table()?.get(name)
}

/// A path as it is written in messages: `shops.name`, whichever shop it is.
pub(super) fn dotted(path: &[Segment]) -> String {
    let keys = path.iter().filter_map(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    });
    keys.collect::<Vec<_>>().join(".")
}
