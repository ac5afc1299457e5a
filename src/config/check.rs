//! A file against the schema, every problem with its line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layers::Layers;
use super::problem::Origin;
use super::schema::{self, CHANNELS, SHOPS};
use super::shop::TOKEN_ENV_DEFAULT;
use super::value::{self, Fault, Scalar};

/// Reads one file into the layers; `None` is the embedded default.
pub(super) fn read(text: &str, file: Option<&Path>, layers: &mut Layers) {
    let first = layers.problems.len();
    let mut check = Check { text, file, layers };
    let (tree, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        check.tree(tree.get_ref());
    }
    for error in errors {
        let origin = check.origin(&error.span().unwrap_or_default());
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        check.layers.problem(origin, "", Fault::new(what));
    }
    if let Some(found) = layers.problems.get_mut(first..) {
        found.sort_by_key(|problem| match problem.origin {
            Origin::File { line, column, .. } => (line, column),
            _ => (0, 0),
        });
    }
}

pub(super) struct Check<'a> {
    text: &'a str,
    file: Option<&'a Path>,
    layers: &'a mut Layers,
}

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

impl Check<'_> {
    fn origin(&self, span: &Range<usize>) -> Origin {
        let Some(file) = self.file else {
            return Origin::Default;
        };
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Origin::File {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    pub(super) fn problem(&mut self, span: &Range<usize>, key: &str, fault: Fault) {
        let origin = self.origin(span);
        self.layers.problem(origin, key, fault);
    }

    fn tree(&mut self, tree: &DeTable<'_>) {
        for (name, value) in tree {
            let section = name.get_ref().as_ref();
            let known = !schema::keys_of(section).is_empty();
            match value.get_ref() {
                _ if !known => self.unknown_section(section, &name.span()),
                DeValue::Array(blocks) if section == SHOPS => self.shops(blocks),
                DeValue::Array(blocks) if section == CHANNELS => self.channels(blocks),
                DeValue::Table(table) if !schema::is_blocks(section) => {
                    self.section(section, table);
                }
                other if schema::is_blocks(section) => {
                    let (found, wanted) = (describe(other), header(section));
                    let fault = Fault::new(format!("expected {wanted} blocks, found {found}"));
                    self.problem(&name.span(), section, fault.hint(format!("write {wanted}")));
                }
                other => {
                    let found = describe(other);
                    let fault = Fault::new(format!("expected a section, found {found}"));
                    self.problem(
                        &name.span(),
                        section,
                        fault.hint(format!("write [{section}]")),
                    );
                }
            }
        }
    }

    fn unknown_section(&mut self, section: &str, span: &Range<usize>) {
        let mut fault = Fault::new("unknown section");
        if let Some(home) = schema::elsewhere("", section) {
            fault = Fault::new("unknown key").hint(format!("it belongs under {}", header(home)));
        } else if let Some(near) = schema::nearest(section, schema::sections()) {
            fault = fault.hint(format!("did you mean {}?", header(near)));
        }
        self.problem(span, section, fault);
    }

    pub(super) fn unknown_key(&mut self, section: &str, name: &str, span: &Range<usize>) {
        let names = schema::keys_of(section).into_iter().map(|key| key.name);
        let mut fault = Fault::new("unknown key");
        if section == SHOPS && name == "token" {
            fault = fault.hint("put the token in a file of its own and write token_file = \"…\"");
        } else if let Some(near) = schema::nearest(name, names) {
            fault = fault.hint(format!("did you mean {near}?"));
        } else if let Some(home) = schema::elsewhere(section, name) {
            fault = fault.hint(format!("it belongs under {}", header(home)));
        }
        self.problem(span, &format!("{section}.{name}"), fault);
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            if (section, name.get_ref().as_ref()) == ("stock", "sources") {
                self.sources(value);
                continue;
            }
            let Some(key) = schema::find(section, name.get_ref()) else {
                self.unknown_key(section, name.get_ref(), &name.span());
                continue;
            };
            let origin = self.origin(&value.span());
            self.layers.put(key, scalar(value.get_ref()), origin);
        }
    }

    fn shops(&mut self, blocks: &[Value<'_>]) {
        let mut names = BTreeSet::new();
        let mut tokens = BTreeMap::new();
        for block in blocks {
            let DeValue::Table(table) = block.get_ref() else {
                let fault = Fault::new("expected [[shops]] blocks").hint("write [[shops]]");
                self.problem(&block.span(), SHOPS, fault);
                continue;
            };
            self.block_keys(SHOPS, table);
            let Some((span, name)) = text_of(table, "name") else {
                let fault = Fault::new("name is missing").hint("such as name = \"main\"");
                self.problem(&block.span(), SHOPS, fault);
                continue;
            };
            if !names.insert(name.clone()) {
                let fault = Fault::new(format!("another shop is named {name:?}"));
                self.problem(&span, "shops.name", fault);
            }
            let token = self
                .token(table)
                .unwrap_or_else(|| (span, TOKEN_ENV_DEFAULT.to_owned()));
            if let Some(other) = tokens.insert(token.1, name) {
                let fault = Fault::new(format!("shop {other:?} reads the same token"));
                let hint = "give each shop its own token_file or token_env";
                self.problem(&token.0, SHOPS, fault.hint(hint));
            }
        }
    }

    fn channels(&mut self, blocks: &[Value<'_>]) {
        let mut names = BTreeSet::new();
        for block in blocks {
            let DeValue::Table(table) = block.get_ref() else {
                let fault = Fault::new("expected [[channels]] blocks").hint("write [[channels]]");
                self.problem(&block.span(), CHANNELS, fault);
                continue;
            };
            self.block_keys(CHANNELS, table);
            let kind = text_of(table, "kind").map(|(_, kind)| kind);
            let wanted = match kind.as_deref() {
                Some("telegram") => ["name", "kind", "chat_id"],
                _ => ["name", "kind", "url"],
            };
            for key in wanted.iter().filter(|key| text_of(table, key).is_none()) {
                let fault = Fault::new(format!("{key} is missing"));
                self.problem(&block.span(), CHANNELS, fault);
            }
            let places = ["secret_file", "secret_env"].map(|key| text_of(table, key).is_some());
            if places[0] == places[1] {
                let fault =
                    Fault::new("one of secret_file and secret_env says where its secret is");
                self.problem(&block.span(), CHANNELS, fault);
            }
            if let Some((span, name)) = text_of(table, "name")
                && !names.insert(name.clone())
            {
                let fault = Fault::new(format!("another channel is named {name:?}"));
                self.problem(&span, "channels.name", fault);
            }
        }
    }

    fn block_keys(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let name_text = name.get_ref().as_ref();
            let Some(key) = schema::find(section, name_text) else {
                self.unknown_key(section, name_text, &name.span());
                continue;
            };
            if let Err(fault) = value::check(key.kind, &scalar(value.get_ref())) {
                self.problem(&value.span(), &format!("{section}.{name_text}"), fault);
            }
        }
    }

    /// Where the token comes from, with its place in the file.
    fn token(&mut self, table: &DeTable<'_>) -> Option<(Range<usize>, String)> {
        let file = text_of(table, "token_file");
        let variable = text_of(table, "token_env");
        if let (Some(_), Some((span, _))) = (&file, &variable) {
            let fault = Fault::new("token_file is given as well").hint("keep one of the two");
            self.problem(span, "shops.token_env", fault);
        }
        file.map(|(span, file)| (span, format!("file {file}")))
            .or(variable)
    }
}

fn header(section: &str) -> String {
    if schema::is_blocks(section) {
        format!("[[{section}]]")
    } else {
        format!("[{section}]")
    }
}

pub(super) fn text_of(table: &DeTable<'_>, name: &str) -> Option<(Range<usize>, String)> {
    let (_, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((value.span(), value.get_ref().as_str()?.to_owned()))
}

pub(super) fn describe(value: &DeValue<'_>) -> String {
    scalar(value).to_string()
}

pub(super) fn scalar(value: &DeValue<'_>) -> Scalar {
    match value {
        DeValue::String(text) => Scalar::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Scalar::Other("a number too large"), Scalar::Int),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or(Scalar::Other("no number"), Scalar::Float),
        DeValue::Boolean(value) => Scalar::Flag(*value),
        DeValue::Datetime(_) => Scalar::Other("a date"),
        DeValue::Array(_) => Scalar::Other("a list"),
        DeValue::Table(_) => Scalar::Other("a table"),
    }
}
