//! Every scenario file through the command a merchant runs: what is decided is what the file expects, and
//! why is what the snapshot says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use qabyl::domain::interlocks;
use qabyl::rules_file::scenario;
use serde_json::Value;

use crate::binary;
use crate::cli::said;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The names of the `.toml` files in a folder.
fn stems(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    files
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// What the command says of a file or folder in an empty working directory.
fn tested(path: &Path, more: &[&str]) -> crate::cli::Said {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::qabyl(folder.path());
    command.args(["rules", "test"]).arg(path).args(more);
    said(&command.output().unwrap())
}

/// A scenario as its snapshot shows it.
fn page(row: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let verdict = &row["decision"]["verdict"];
    let verdict = verdict
        .as_str()
        .map_or_else(|| verdict.to_string(), str::to_owned);
    let mut page = format!("{}\n  => {verdict}\n", text(&row["scenario"]));
    for line in row["explanation"].as_array().unwrap() {
        let _ = writeln!(page, "  {}", text(line));
    }
    page
}

#[test]
fn every_scenario_is_decided_as_it_says_and_explained() {
    let output = tested(&root().join("tests/scenarios"), &["--format", "json"]);
    let rows: Vec<Value> = serde_json::from_str(&output.out).expect(&output.err);
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for row in &rows {
        assert!(row["ok"].as_bool().unwrap(), "{row:#}");
        let file = Path::new(row["file"].as_str().unwrap());
        let folder = file
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let of_file = pages.entry(format!("{folder}-{stem}")).or_default();
        *of_file += &page(row);
        of_file.push('\n');
    }
    output.ok();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join("tests/snapshots/scenarios"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, page) in &pages {
            insta::assert_snapshot!(name.as_str(), page);
        }
    });
}

#[test]
fn each_interlock_and_each_example_of_rules_has_its_scenarios() {
    let files = stems("tests/scenarios/interlocks");
    for name in interlocks::Name::ALL {
        let file = root().join(format!("tests/scenarios/interlocks/{}.toml", name.as_str()));
        let text = std::fs::read_to_string(&file);
        let text = text.unwrap_or_else(|_| panic!("{} has no scenarios", name.as_str()));
        let read = scenario::read(&text, &file).unwrap();
        let named = |names: &Vec<interlocks::Name>| names.contains(&name);
        let shown = read
            .list
            .iter()
            .any(|s| s.expect.interlocks.as_ref().is_some_and(named));
        assert!(shown && files.contains(name.as_str()), "{}", name.as_str());
    }
    let examples = stems("config/rules");
    let mut used = BTreeSet::new();
    for stem in stems("tests/scenarios/cookbook") {
        let file = root().join(format!("tests/scenarios/cookbook/{stem}.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let rules = scenario::read(&text, &file).unwrap().rules.unwrap();
        used.insert(rules.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    assert_eq!(used, examples);
}

const RULES: &str = "[[rule]]\nname = \"night\"\nwhen = { hour = { from = 22, to = 8 } }\nthen = \"hold\"\n\
                     [[rule]]\nname = \"rest\"\nthen = \"accept\"\n";

#[test]
fn a_scenario_that_differs_fails_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules"), RULES).unwrap();
    let file = folder.path().join("night.toml");
    let text = "rules = \"rules\"\n\n[[scenario]]\nname = \"late\"\nnow = \"2026-03-02 21:59\"\n\
                expect = { verdict = \"hold\", rule = \"night\", interlocks = [\"paused\"] }\n\n\
                [[scenario]]\nname = \"later\"\nnow = \"2026-03-02 22:00\"\n\
                expect = { verdict = \"hold\", rule = \"nigth\" }\n";
    std::fs::write(&file, text).unwrap();
    let output = tested(&file, &[]);
    assert_eq!(output.code, 1, "{}", output.err);
    for line in [
        "night.toml:4: 'late'",
        "  expected hold, came accept",
        "  expected rule 'night', 'rest' applied",
        "  expected paused to object, no interlock did",
        "    rule 'rest' said accept",
        "    rule 'night' does not match",
        "      hour 21:59 from 22:00 to 08:00: no",
        "  expected rule 'nigth', 'night' applied, and there is none of that name: did you mean 'night'?",
        "2 scenarios, 2 not as expected",
    ] {
        assert!(output.out.contains(line), "{line}\n{}", output.out);
    }
    // Other rules than those the file names.
    std::fs::write(
        folder.path().join("all"),
        "[[rule]]\nname = \"night\"\nthen = \"hold\"\n",
    )
    .unwrap();
    let all = folder.path().join("all");
    let output = tested(
        &file,
        &["--rules", all.to_str().unwrap(), "--format", "json"],
    );
    assert_eq!(output.code, 1);
    let rows: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(
        rows[0]["differs"],
        serde_json::json!(["expected paused to object, no interlock did"])
    );
}

/// What is said of a scenario file.
fn problems(text: &str) -> String {
    match scenario::read(text, Path::new("s.toml")) {
        Ok(read) => panic!("nothing was refused: {read:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn mistakes_in_scenarios_are_told_with_their_place() {
    let scenario = |lines: &str| format!("[[scenario]]\nname = \"s\"\n{lines}\n");
    let expect = "expect = { verdict = \"accept\" }";
    for (text, said) in [
        (
            "",
            "s.toml:1:1: there are no scenarios; write at least one [[scenario]]",
        ),
        (
            "[[scenarios]]\nname = \"s\"\n",
            "s.toml:1:3: scenarios: unknown key; did you mean scenario?",
        ),
        (
            &scenario(""),
            "s.toml:2:8: scenario 's': expect is missing; add expect = { verdict = \"accept\" }",
        ),
        (
            &scenario("expect = { verdict = \"acept\" }"),
            "s.toml:3:22: scenario 's': expect.verdict: expected \"accept\", \"cancel\", \"hold\" or \"wait\", \
             found \"acept\"; did you mean \"accept\"?",
        ),
        (
            &scenario("expect = { verdict = \"hold\", interlocks = [\"pausd\"] }"),
            "s.toml:3:44: scenario 's': expect.interlocks[0]: expected \"",
        ),
        (
            &scenario(&format!("order = {{ totl = 5 }}\n{expect}")),
            "s.toml:3:11: scenario 's': order.totl: unknown key; did you mean total?",
        ),
        (
            &scenario(&format!("order = {{ total = \"5000\" }}\n{expect}")),
            "s.toml:3:19: scenario 's': order.total: expected a whole number of tenge, found \"5000\"; \
             write 5000, without quotes",
        ),
        (
            &scenario(&format!("lines = [{{ on_hand = -1 }}]\n{expect}")),
            "s.toml:3:22: scenario 's': lines[0].on_hand: -1 is below zero",
        ),
        (
            &scenario(&format!("now = \"yesterday\"\n{expect}")),
            "s.toml:3:7: scenario 's': now: \"yesterday\" is no moment; write one such as \
             \"2026-03-02 23:10\": Almaty's time",
        ),
        (
            &scenario(&format!(
                "world = {{ collapse = {{ fell = 3 }} }}\n{expect}"
            )),
            "s.toml:3:22: scenario 's': world.collapse: had is missing",
        ),
        (
            &scenario(&format!(
                "facts = {{ around = {{ paussed = \"me\" }} }}\n{expect}"
            )),
            "s.toml:3:32: scenario 's': facts.around.paussed: there is no such fact; did you mean paused?",
        ),
        (
            &scenario(&format!(
                "facts = {{ order = {{ express = 3 }} }}\n{expect}"
            )),
            "s.toml:3:31: scenario 's': facts.order.express: invalid type: integer `3`, expected a boolean",
        ),
    ] {
        assert!(problems(text).starts_with(said), "{}", problems(text));
    }
}

/// Facts that no other key of a scenario speaks of, and those that are added later.
#[test]
fn every_fact_can_be_written_in_a_scenario() {
    let read = |facts: &str| {
        let text = format!(
            "[[scenario]]\nname = \"s\"\nnow = \"2026-03-02 12:00\"\nexpect = {{ verdict = \"accept\" }}\n{facts}"
        );
        let read = scenario::read(&text, Path::new("s.toml"));
        let read = read.unwrap_or_else(|error| panic!("{error}"));
        serde_json::to_value(&read.list[0].facts).unwrap()
    };
    let plain = read("");
    let tables = [
        ("", &plain),
        ("around.", &plain["around"]),
        (
            "around.evidence.accepted.",
            &plain["around"]["evidence"]["accepted"],
        ),
        (
            "around.evidence.archive.",
            &plain["around"]["evidence"]["archive"],
        ),
        ("order.", &plain["order"]),
    ];
    let (mut written, mut moments) = (String::new(), 0);
    for (table, facts) in tables {
        for (name, value) in facts.as_object().unwrap() {
            if name.ends_with("_at") || ["start", "end"].contains(&name.as_str()) {
                writeln!(written, "facts.{table}{name} = \"7m ago\"").unwrap();
                moments += 1;
            } else if let Some(count) = value.as_i64() {
                writeln!(written, "facts.{table}{name} = {}", count + 1).unwrap();
            }
        }
    }
    assert!(moments > 6, "{written}");
    let changed = read(&written);
    for line in written.lines() {
        let (path, value) = line.split_once(" = ").unwrap();
        let pointer = path.replacen("facts", "", 1).replace('.', "/");
        let said = changed.pointer(&pointer).unwrap();
        let expected = if value.ends_with("ago\"") {
            Value::from("2026-03-02T06:53:00Z")
        } else {
            serde_json::from_str(value).unwrap()
        };
        assert_eq!(*said, expected, "{path}");
    }
}

#[test]
fn settings_in_a_scenario_file_are_read_as_the_configuration_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.toml");
    let text = "[[scenario]]\nname = \"ё\"\nexpect = { verdict = \"accept\" }\n\n\
                [schedule]\nat_deadline = \"acept_all\"\nhours = \"mon 9-18\"\n";
    std::fs::write(&file, text).unwrap();
    let output = tested(&file, &[]);
    assert_eq!(output.code, 2, "{}", output.err);
    assert!(
        output.err.contains("s.toml:6:15") && output.err.contains("accept_all"),
        "{}",
        output.err
    );
    assert!(output.err.contains("s.toml:7:9"), "{}", output.err);
}
