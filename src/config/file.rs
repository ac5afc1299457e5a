//! A configuration file: its sections as a layer, its blocks as they are, every mistake with its place.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::channel::Channel;
use super::layer::{self, BLOCKS, Layer, dotted};
use super::problem::{Origin, Problem};
use super::shop::Shop;
use super::source::StockSource;
use crate::diagnostics::{self, Document, Location, Mistake, Segment, fields_of, nearest, shown};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct FileLayer {
    pub(super) layer: Layer,
    pub(super) shops: Vec<Shop>,
    pub(super) channels: Vec<Channel>,
    pub(super) sources: Vec<StockSource>,
}

/// A block that could be read, and where it stands.
pub(super) struct Block<T> {
    pub(super) value: T,
    path: Vec<Segment>,
    /// The keys as written, those of unusable values included.
    keys: Vec<String>,
}

/// A file while it is read.
pub(super) struct FileReader<'t> {
    document: Document<'t>,
    problems: Vec<Problem>,
}

/// Reads a file over the defaults; mistakes are added in the order of the file.
pub(super) fn read(
    text: &str,
    file: &Path,
    defaults: &Table,
    problems: &mut Vec<Problem>,
) -> FileLayer {
    let document = match Document::parse(text, file) {
        Ok(document) => document,
        Err(errors) => {
            let syntax =
                |(location, what)| Problem::new(Origin::File(location), String::new(), what);
            problems.extend(errors.into_iter().map(syntax));
            return FileLayer::default();
        }
    };
    let mut reader = FileReader {
        document,
        problems: Vec::new(),
    };
    let read = reader.file(defaults);
    reader
        .problems
        .sort_by_key(|problem| match &problem.origin {
            Origin::File(Location { line, column, .. }) => (*line, *column),
            _ => (0, 0),
        });
    problems.append(&mut reader.problems);
    read
}

impl FileReader<'_> {
    fn file(&mut self, defaults: &Table) -> FileLayer {
        let mut read = FileLayer::default();
        let mut sources = Vec::new();
        for (name, value) in self.document.table() {
            let path = [Segment::Key(name.clone())];
            match value {
                Value::Array(blocks) if name == "shops" => {
                    let shops = self.blocks(&path, &blocks, defaults);
                    self.check_shops(&shops);
                    read.shops = values(shops);
                }
                Value::Array(blocks) if name == "channels" => {
                    let channels = self.blocks(&path, &blocks, defaults);
                    self.check_channels(&channels);
                    read.channels = values(channels);
                }
                found if BLOCKS.contains(&name.as_str()) => self.not_blocks(&path, &found),
                Value::Table(mut keys) if defaults.contains_key(&name) => {
                    if name == "stock"
                        && let Some(found) = keys.remove("sources")
                    {
                        sources = self.sources(&found, defaults);
                    }
                    read.layer.sections.insert(name, Value::Table(keys));
                }
                found if defaults.contains_key(&name) => {
                    let found = shown(&found);
                    let what = format!("expected a section, found {found}; write [{name}]");
                    self.report_key(&path, what);
                }
                _ => self.report_key(&path, unknown_section(&name, defaults)),
            }
        }
        self.check_stocks(&read.shops, &sources);
        read.sources = values(sources);
        let document = &self.document;
        let mut found = Vec::new();
        layer::check(&mut read.layer.sections, defaults, |path, mistake| {
            found.push(problem(document, path, mistake, defaults));
        });
        self.problems.append(&mut found);
        let written = layer::keys(&read.layer.sections).map(|(section, name)| {
            let path = [section, name].map(|key| Segment::Key(key.to_owned()));
            let origin = Origin::File(self.document.locate(&path));
            (dotted(&path), origin)
        });
        read.layer.origins = written.collect();
        read
    }

    fn sources(&mut self, found: &Value, defaults: &Table) -> Vec<Block<StockSource>> {
        let path = ["stock", "sources"].map(|key| Segment::Key(key.to_owned()));
        let Value::Array(blocks) = found else {
            let found = shown(found);
            let what = format!(
                "expected [[stock.sources]] blocks, found {found}; write [[stock.sources]]"
            );
            self.report(&path, what);
            return Vec::new();
        };
        let sources = self.blocks(&path, blocks, defaults);
        self.check_sources(&sources);
        sources
    }

    fn not_blocks(&mut self, path: &[Segment], found: &Value) {
        let (name, found) = (dotted(path), shown(found));
        let what = format!("expected [[{name}]] blocks, found {found}; write [[{name}]]");
        self.report_key(path, what);
    }

    fn blocks<T: DeserializeOwned>(
        &mut self,
        path: &[Segment],
        blocks: &[Value],
        defaults: &Table,
    ) -> Vec<Block<T>> {
        let mut read = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let path = [path, &[Segment::Index(index)]].concat();
            let Value::Table(table) = block else {
                let name = dotted(&path);
                self.report(
                    &path,
                    format!("expected [[{name}]] blocks; write [[{name}]]"),
                );
                continue;
            };
            let (document, problems) = (&self.document, &mut self.problems);
            let value = diagnostics::read(
                table,
                |_| None,
                |within, mistake| {
                    let path = [path.as_slice(), within].concat();
                    problems.push(problem(document, &path, mistake, defaults));
                },
            );
            let keys = table.keys().cloned().collect();
            read.extend(value.map(|value| Block { value, path, keys }));
        }
        read
    }

    /// Whether something is wrong already.
    pub(super) const fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Reports what is wrong with the value at a path.
    pub(super) fn report(&mut self, path: &[Segment], what: impl Into<String>) {
        let origin = Origin::File(self.document.locate(path));
        self.problems
            .push(Problem::new(origin, dotted(path), what.into()));
    }

    fn report_key(&mut self, path: &[Segment], what: impl Into<String>) {
        let origin = Origin::File(self.document.locate_key(path));
        self.problems
            .push(Problem::new(origin, dotted(path), what.into()));
    }

    /// Reports what is wrong with a key of a block, under that key's name.
    pub(super) fn report_in<T>(&mut self, block: &Block<T>, key: &str, what: impl Into<String>) {
        self.report(&block.at(key), what);
    }

    /// Reports what is wrong with a block as a whole, at one of its keys.
    pub(super) fn report_block<T>(
        &mut self,
        block: &Block<T>,
        key: Option<&str>,
        what: impl Into<String>,
    ) {
        let at = key.map_or_else(|| block.path.clone(), |key| block.at(key));
        let origin = Origin::File(self.document.locate(&at));
        self.problems
            .push(Problem::new(origin, dotted(&block.path), what.into()));
    }
}

impl<T> Block<T> {
    /// Whether the key is in the file, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|written| written == key)
    }

    fn at(&self, key: &str) -> Vec<Segment> {
        [self.path.as_slice(), &[Segment::Key(key.to_owned())]].concat()
    }
}

fn values<T>(blocks: Vec<Block<T>>) -> Vec<T> {
    blocks.into_iter().map(|block| block.value).collect()
}

fn problem(
    document: &Document<'_>,
    path: &[Segment],
    mistake: Mistake,
    defaults: &Table,
) -> Problem {
    let key = dotted(path);
    match mistake {
        Mistake::UnknownKey { .. } => {
            let (section, name) = key.rsplit_once('.').unwrap_or(("", &key));
            let what = unknown_key(section, name, &mistake, defaults);
            Problem::new(Origin::File(document.locate_key(path)), key, what)
        }
        Mistake::MissingKey(missing) => {
            let example = match (key.as_str(), missing) {
                ("shops", "name") => "; such as name = \"main\"",
                ("stock.sources", "name") => "; such as name = \"shelf\"",
                _ => "",
            };
            let what = format!("{mistake}{example}");
            Problem::new(Origin::File(document.locate(path)), key, what)
        }
        Mistake::Value { .. } => Problem::new(Origin::File(document.locate(path)), key, mistake),
    }
}

fn unknown_key(section: &str, name: &str, mistake: &Mistake, defaults: &Table) -> String {
    let Mistake::UnknownKey { known, .. } = mistake else {
        return mistake.to_string();
    };
    if (section, name) == ("shops", "token") {
        return "unknown key; put the token in a file of its own and write token_file = \"…\""
            .to_owned();
    }
    let is_near = nearest(name, known.iter().copied()).is_some();
    match home_of(name, defaults).filter(|home| !is_near && home != section) {
        Some(home) => format!("{mistake}; it belongs under {}", header(&home)),
        None => mistake.to_string(),
    }
}

fn unknown_section(name: &str, defaults: &Table) -> String {
    if let Some(home) = home_of(name, defaults) {
        return format!("unknown key; it belongs under {}", header(&home));
    }
    let known = defaults.keys().map(String::as_str).chain(BLOCKS);
    match nearest(name, known) {
        Some(near) => format!("unknown section; did you mean {}?", header(near)),
        None => "unknown section".to_owned(),
    }
}

/// The section that has a key of this name.
fn home_of(name: &str, defaults: &Table) -> Option<String> {
    let in_sections = layer::keys(defaults).find(|(_, key)| *key == name);
    in_sections
        .map(|(section, _)| section)
        .or_else(|| fields_of::<Shop>().contains(&name).then_some("shops"))
        .or_else(|| fields_of::<Channel>().contains(&name).then_some("channels"))
        .map(ToOwned::to_owned)
}

fn header(section: &str) -> String {
    if BLOCKS.contains(&section) {
        format!("[[{section}]]")
    } else {
        format!("[{section}]")
    }
}
