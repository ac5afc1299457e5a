//! `qabyl rules test FILE…`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{Format, RulesTest};
use super::{Done, FAILED, Failure, say, shops, table};
use crate::config::{Config, Loaded};
use crate::domain::explanation::words;
use crate::domain::policy::Policy;
use crate::rules_file::scenario::{self, Checked, Scenario};
use crate::runtime::build;

/// One scenario and its result.
struct Row {
    file: PathBuf,
    scenario: Scenario,
    checked: Checked,
}

pub(super) fn run(loaded: &Loaded, args: &RulesTest) -> Done {
    let rows = check_all(loaded, args)?;
    let failed = rows
        .iter()
        .filter(|row| !row.checked.differs.is_empty())
        .count();
    if args.shown.format == Format::Json {
        say(&json!(rows.iter().map(as_json).collect::<Vec<_>>()).to_string());
    } else {
        say(&as_table(&rows).to_string());
        for row in rows.iter().filter(|row| !row.checked.differs.is_empty()) {
            say(&details(row));
        }
        let all = match rows.len() {
            1 => "1 scenario".to_owned(),
            all => format!("{all} scenarios"),
        };
        say(&match failed {
            0 => format!("{all}, all as expected"),
            _ => format!("{all}, {failed} not as expected"),
        });
    }
    Ok(ExitCode::from(if failed == 0 { 0 } else { FAILED }))
}

fn check_all(loaded: &Loaded, args: &RulesTest) -> Result<Vec<Row>, Failure> {
    let mut files = Vec::new();
    for path in &args.files {
        collect_files(path, &mut files)?;
    }
    if files.is_empty() {
        return Err(Failure::usage(anyhow::anyhow!(
            "there are no .toml files in {}",
            names(&args.files)
        )));
    }
    let (mut rows, mut mistakes) = (Vec::new(), Vec::new());
    for file in files {
        // All mistakes are reported together, so that they can be fixed in one go.
        match check_file(loaded, args, &file) {
            Ok(of_file) => rows.extend(of_file),
            Err(failure) => mistakes.push(format!("{:#}", failure.error)),
        }
    }
    if mistakes.is_empty() {
        return Ok(rows);
    }
    Err(Failure::usage(anyhow::anyhow!(mistakes.join("\n"))))
}

fn check_file(loaded: &Loaded, args: &RulesTest, file: &Path) -> Result<Vec<Row>, Failure> {
    let text = crate::files::read_text(file)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", file.display()))?;
    // A directory of scenarios may also hold rules files, which are skipped unless they are named.
    let has = |head: &str| text.lines().any(|line| line.trim_start().starts_with(head));
    if has("[[rule]]") && !has("[[scenario]]") && !args.files.iter().any(|named| named == file) {
        return Ok(Vec::new());
    }
    let read = scenario::read(&text, file).map_err(Failure::usage)?;
    let policy = policy(&loaded.config, args, file, &read)?;
    let row = |scenario: Scenario| Row {
        checked: scenario::check(&scenario, &policy),
        file: file.to_owned(),
        scenario,
    };
    Ok(read.list.into_iter().map(row).collect())
}

/// The policy a file is decided by. Rules: from the command line, else from the file, else the configured
/// ones. Limits: from the file, else the configured ones.
fn policy(
    config: &Config,
    args: &RulesTest,
    file: &Path,
    read: &scenario::ScenarioFile,
) -> Result<Policy, Failure> {
    let beside = |rules: &PathBuf| file.parent().unwrap_or(Path::new("")).join(rules);
    let named = args
        .rules
        .clone()
        .or_else(|| read.rules.as_ref().map(beside));
    let rules = match named {
        // Scenarios may name shops that are not configured.
        Some(rules) => shops::rules_of(
            &Config {
                shops: Vec::new(),
                ..config.clone()
            },
            &rules,
        )?,
        None => shops::rules(config)?,
    };
    let limits = match &read.settings {
        Some(text) => build::limits(&Config::parse(text, file)?.config),
        None => build::limits(config),
    };
    Ok(build::policy(rules, limits))
}

/// Collects the file, or every `.toml` file below the directory in alphabetical order.
fn collect_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error| Failure::usage(anyhow::anyhow!("cannot read {}: {error}", path.display()));
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    for entry in entries {
        let is_toml = entry
            .extension()
            .is_some_and(|extension| extension == "toml");
        if is_toml || entry.is_dir() {
            collect_files(&entry, files)?;
        }
    }
    Ok(())
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}

fn as_table(rows: &[Row]) -> crate::cli::table::Table {
    let mut out = table::table(&["", "scenario", "decision", "rule", "location"]);
    for row in rows {
        let decision = &row.checked.decision;
        let as_expected = row.checked.differs.is_empty();
        // The full path is printed with the differences.
        let name = Path::new(row.file.file_name().unwrap_or(row.file.as_os_str()));
        out.add_row(vec![
            if as_expected { "ok" } else { "NOT" }.to_owned(),
            row.scenario.name.clone(),
            words(&decision.verdict),
            decision.rule.clone(),
            format!("{}:{}", name.display(), row.scenario.line),
        ]);
    }
    out
}

/// The differences, and the explanation of the decision.
fn details(row: &Row) -> String {
    let mut text = format!(
        "\n{}:{}: '{}'\n",
        row.file.display(),
        row.scenario.line,
        row.scenario.name
    );
    for differs in &row.checked.differs {
        let _ = writeln!(text, "  {differs}");
    }
    for line in &row.checked.explanation {
        let _ = writeln!(text, "    {line}");
    }
    text
}

fn as_json(row: &Row) -> Value {
    let (decision, expect) = (&row.checked.decision, &row.scenario.expect);
    json!({
        "file": row.file, "line": row.scenario.line, "scenario": row.scenario.name,
        "ok": row.checked.differs.is_empty(), "differs": row.checked.differs,
        "expected": {
            "verdict": expect.verdict.as_str(), "rule": expect.rule, "interlocks": expect.interlocks,
        },
        "decision": decision, "explanation": row.checked.explanation,
    })
}
