//! `[[stock.sources]]` against the schema, and what only shows when a block is read as a whole.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::check::{Check, Value, describe, scalar, text_of};
use super::schema::{self, SOURCES, WAREHOUSES};
use super::text::is_plain_and_remote;
use super::value::{self, Fault};

impl Check<'_> {
    pub(super) fn sources(&mut self, value: &Value<'_>) {
        let blocks = match value.get_ref() {
            DeValue::Array(blocks) => blocks,
            other => {
                let found = describe(other);
                let fault = Fault::new(format!("expected [[stock.sources]] blocks, found {found}"));
                self.problem(
                    &value.span(),
                    SOURCES,
                    fault.hint("write [[stock.sources]]"),
                );
                return;
            }
        };
        let mut names = BTreeSet::new();
        for block in blocks {
            let DeValue::Table(table) = block.get_ref() else {
                let fault = Fault::new("expected [[stock.sources]] blocks");
                self.problem(
                    &block.span(),
                    SOURCES,
                    fault.hint("write [[stock.sources]]"),
                );
                continue;
            };
            self.source_keys(table);
            match text_of(table, "name") {
                None => {
                    let fault = Fault::new("name is missing").hint("such as name = \"shelf\"");
                    self.problem(&block.span(), SOURCES, fault);
                }
                Some((span, name)) => {
                    if !names.insert(name.clone()) {
                        let fault = Fault::new(format!("another source is named {name:?}"));
                        self.problem(&span, "stock.sources.name", fault);
                    }
                }
            }
            self.source_whole(block, table);
        }
    }

    fn source_keys(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let name_text = name.get_ref().as_ref();
            let key = format!("{SOURCES}.{name_text}");
            if name_text == WAREHOUSES {
                self.warehouses(value, &key);
                continue;
            }
            let Some(known) = schema::find(SOURCES, name_text) else {
                self.unknown_key(SOURCES, name_text, &name.span());
                continue;
            };
            if let Err(fault) = value::check(known.kind, &scalar(value.get_ref())) {
                self.problem(&value.span(), &key, fault);
            }
        }
    }

    fn warehouses(&mut self, value: &Value<'_>, key: &str) {
        const EXAMPLE: &str = "such as warehouses = { \"Main store\" = \"PP1\" }";
        let DeValue::Table(table) = value.get_ref() else {
            let found = describe(value.get_ref());
            let fault = Fault::new(format!("expected a table of names, found {found}"));
            self.problem(&value.span(), key, fault.hint(EXAMPLE));
            return;
        };
        for (name, point) in table {
            if point.get_ref().as_str().is_none() {
                let found = describe(point.get_ref());
                let fault = Fault::new(format!(
                    "expected a pickup point for {:?}, found {found}",
                    name.get_ref()
                ));
                self.problem(&point.span(), key, fault.hint(EXAMPLE));
            }
        }
    }

    /// What must be there, and what does not go together.
    fn source_whole(&mut self, block: &Value<'_>, table: &DeTable<'_>) {
        let has = |name: &str| text_of(table, name);
        let is_supplier = has("kind").is_some_and(|(_, kind)| kind == "al-style");
        let place = match (has("file"), has("url")) {
            (Some(_), Some((span, _))) => Some((
                span,
                Fault::new("file is given as well").hint("keep one of the two"),
            )),
            (Some((span, _)), None) if is_supplier => Some((
                span,
                Fault::new("al-style is asked, not read from a file").hint("leave file out"),
            )),
            (None, None) if !is_supplier => Some((
                block.span(),
                Fault::new("neither file nor url is given").hint("such as file = \"stock.csv\""),
            )),
            (None, Some((span, url))) if is_supplier && is_plain_and_remote(&url) => Some((
                span,
                Fault::new("http:// would send the token in the clear").hint("use https://"),
            )),
            _ => None,
        };
        if let Some((span, fault)) = place {
            self.problem(&span, SOURCES, fault);
        }
        let doubled = [("every", "schedule"), ("token_file", "token_env")];
        for (one, other) in doubled {
            if let (Some(_), Some((span, _))) = (has(one), has(other)) {
                let fault = Fault::new(format!("{one} is given as well"));
                self.problem(
                    &span,
                    &format!("{SOURCES}.{other}"),
                    fault.hint("keep one of the two"),
                );
            }
        }
        for name in ["sku", "token_file", "token_env"] {
            if let (Some((span, _)), false) = (has(name), is_supplier) {
                let fault = Fault::new("only al-style has this").hint("leave it out");
                self.problem(&span, &format!("{SOURCES}.{name}"), fault);
            }
        }
    }
}
