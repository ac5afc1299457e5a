//! Scenario files: an order, its stock, the shop and a moment, and what is to be decided of them. Text
//! in, scenarios or every mistake out; what is left out has a plain default, so that a scenario
//! says only what it is about. The grammar is in `docs/RULES.md`.

mod facts;
mod input;
mod run;
mod settings;
mod value;

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use toml::Value;

pub use input::{Expect, ExpectedVerdict};
pub use run::{Checked, check};

use self::input::Input;
use super::{Problem, RulesError};
use crate::diagnostics::{self, Document, Location, Mistake, Segment, nearest, shown};
use crate::domain::facts::Facts;

/// A file of scenarios.
#[derive(Debug, Clone)]
pub struct ScenarioFile {
    /// The rules they are for, as written: relative to the file.
    pub rules: Option<PathBuf>,
    /// Its sections of a configuration, each where it stands in the file; `None` where it has none.
    pub settings: Option<String>,
    /// The scenarios in the order of the file.
    pub list: Vec<Scenario>,
}

/// One scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// Its line in the file, from 1.
    pub line: usize,
    /// All that is decided on.
    pub facts: Facts,
    /// The moment of the decision.
    pub now: Timestamp,
    /// What is to come out.
    pub expect: Expect,
}

impl Expect {
    /// How long the order is to wait.
    pub fn wait(&self) -> Option<SignedDuration> {
        self.wait.map(|wait| wait.0)
    }
}

/// Sections of `qabyl.toml` that have a say in a decision.
const SECTIONS: [&str; 4] = ["schedule", "interlocks", "actions", "confirm"];
const RULES: &str = "rules";
const SCENARIO: &str = "scenario";

/// Reads scenarios; `file` only names the text in problems.
///
/// # Errors
/// Every mistake at once.
pub fn read(text: &str, file: &Path) -> Result<ScenarioFile, RulesError> {
    let document = Document::parse(text, file).map_err(|errors| {
        let syntax = |(at, what)| Problem {
            at,
            what: format!("not TOML: {what}"),
            hint: None,
        };
        let problems = errors.into_iter().map(syntax).collect();
        RulesError { problems }
    })?;
    let mut reader = FileReader {
        document,
        problems: Vec::new(),
    };
    let mut read = ScenarioFile {
        rules: None,
        settings: settings::of(text, &reader.document),
        list: Vec::new(),
    };
    reader.file(&mut read, text, file);
    let mut problems = reader.problems;
    if problems.is_empty() {
        return Ok(read);
    }
    problems.sort_by_key(|problem| (problem.at.line, problem.at.column));
    Err(RulesError { problems })
}

struct FileReader<'t> {
    document: Document<'t>,
    problems: Vec<Problem>,
}

impl FileReader<'_> {
    fn file(&mut self, read: &mut ScenarioFile, text: &str, file: &Path) {
        let table = self.document.table();
        let has_others = table.keys().any(|key| {
            let key = key.as_str();
            key != RULES && !SECTIONS.contains(&key)
        });
        if !has_others {
            let at = Location::of(text, file, 0);
            let hint = "write at least one [[scenario]]".to_owned();
            self.report(at, "there are no scenarios", Some(hint));
        }
        for (key, value) in table {
            let path = [Segment::Key(key.clone())];
            match (key.as_str(), value) {
                (RULES, Value::String(rules)) => read.rules = Some(PathBuf::from(rules.trim())),
                (RULES, found) => {
                    let what = format!("rules: expected text in quotes, found {}", shown(&found));
                    self.report(self.document.locate(&path), what, None);
                }
                (SCENARIO, Value::Array(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        let path = [path.as_slice(), &[Segment::Index(index)]].concat();
                        read.list.extend(self.scenario(&path, item));
                    }
                }
                (SCENARIO, found) => {
                    let what = format!("expected a list of scenarios, found {}", shown(&found));
                    let hint = "begin each one with [[scenario]], in double brackets".to_owned();
                    self.report(self.document.locate_key(&path), what, Some(hint));
                }
                (section, _) if SECTIONS.contains(&section) => {}
                (other, _) => {
                    let known = [RULES, SCENARIO].into_iter().chain(SECTIONS);
                    let hint = nearest(other, known).map(|near| format!("did you mean {near}?"));
                    let what = format!("{other}: unknown key");
                    self.report(self.document.locate_key(&path), what, hint);
                }
            }
        }
    }

    fn scenario(&mut self, path: &[Segment], value: &Value) -> Option<Scenario> {
        let Value::Table(table) = value else {
            let what = format!("expected a table such as {{ … }}, found {}", shown(value));
            self.report(self.document.locate(path), what, None);
            return None;
        };
        let number = path.iter().find_map(|segment| match segment {
            Segment::Index(index) => Some(index + 1),
            Segment::Key(_) => None,
        });
        let called = match table.get("name").and_then(Value::as_str) {
            Some(name) => format!("scenario '{}'", name.trim()),
            None => format!("scenario {}", number.unwrap_or_default()),
        };
        let mut found = Vec::new();
        let input: Option<Input> = diagnostics::read(
            table,
            |_| None,
            |within, mistake| found.push((within.to_vec(), mistake)),
        );
        let is_whole = found.is_empty();
        for (within, mistake) in found {
            self.report_in(path, &called, &within, &mistake);
        }
        let input = input.filter(|_| is_whole)?;
        let now = input.now.0;
        let facts = facts::of(&input, now)
            .map_err(|error| (Vec::new(), Mistake::new(error.to_string())))
            .and_then(|facts| {
                facts::put_over(facts, &input.facts, now).map_err(|(mut within, mistake)| {
                    within.insert(0, Segment::Key("facts".to_owned()));
                    (within, mistake)
                })
            });
        match facts {
            Ok(facts) => Some(Scenario {
                name: input.name.0,
                line: self.head(path).line,
                facts,
                now,
                expect: input.expect,
            }),
            Err((within, mistake)) => {
                self.report_in(path, &called, &within, &mistake);
                None
            }
        }
    }

    /// Where a scenario's name stands, or the scenario itself where it has none.
    fn head(&self, path: &[Segment]) -> Location {
        let name = Segment::Key("name".to_owned());
        self.document.locate(&[path, &[name]].concat())
    }

    /// Reports what is wrong at a path within a scenario.
    fn report_in(&mut self, path: &[Segment], called: &str, within: &[Segment], mistake: &Mistake) {
        let whole = [path, within].concat();
        let at = match mistake {
            Mistake::UnknownKey { .. } => self.document.locate_key(&whole),
            Mistake::MissingKey(_) if within.is_empty() => self.head(path),
            _ => self.document.locate(&whole),
        };
        let key: String = within
            .iter()
            .map(|segment| match segment {
                Segment::Key(key) => format!(".{key}"),
                Segment::Index(index) => format!("[{index}]"),
            })
            .collect();
        let key = key.trim_start_matches('.');
        let example = match mistake {
            Mistake::MissingKey("expect") => {
                Some("add expect = { verdict = \"accept\" }".to_owned())
            }
            _ => None,
        };
        let what = if key.is_empty() {
            format!("{called}: {mistake}")
        } else {
            format!("{called}: {key}: {mistake}")
        };
        self.report(at, what, example);
    }

    fn report(&mut self, at: Location, what: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem {
            at,
            what: what.into(),
            hint,
        });
    }
}
