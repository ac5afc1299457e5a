//! Every command of `docs/LOG_QUESTIONS.md`, as it stands there, asked of the recorded log. The commands
//! are jq's; jaq, which reads the same language, answers them here, so that the test needs nothing but Rust.

use std::fmt::Write as _;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read};

const DOCUMENT: &str = include_str!("../../../docs/LOG_QUESTIONS.md");
const LOG: &str = include_str!("../../fixtures/log/qabyl.log");

/// What jq has built in and jaq leaves to its caller. The log has no tabs and backslashes to be escaped.
const BUILT_IN: &str = r#"
    def @tsv: map(if . == null then "" else tostring end) | join("\t");
    def IN(values): any(values == .; .);
"#;

/// The day of the recorded log, which the commands call `$DAY`.
const DAY: &str = "2026-11-24";

/// Question and command.
fn questions() -> Vec<(&'static str, &'static str)> {
    let parts = DOCUMENT.split("\n## ").skip(1);
    parts
        .map(|part| {
            let (question, rest) = part.split_once('\n').unwrap();
            let (_, command) = rest.split_once("```sh\n").expect(question);
            let (command, after) = command.split_once("\n```").expect(question);
            assert!(
                !command.contains('\n') && !after.contains("```sh"),
                "one command: {question}"
            );
            (question, command)
        })
        .collect()
}

/// What `jq` would print for `jq -r[s] [--arg day "$DAY"] 'FILTER' qabyl.log`.
fn answer(command: &str) -> String {
    let mut parts = command.split('\'');
    let (Some(options), Some(filter), Some(" qabyl.log"), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        panic!("it is not of the form jq OPTIONS 'FILTER' qabyl.log: {command}");
    };
    let slurps = match options.trim_end() {
        "jq -rs" => true,
        "jq -r" | "jq -r --arg day \"$DAY\"" => false,
        other => panic!("unknown options: {other}"),
    };
    let lines: Vec<Val> = LOG
        .lines()
        .map(|line| read::parse_single(line.as_bytes()).unwrap())
        .collect();
    let inputs = if slurps {
        vec![lines.into_iter().collect()]
    } else {
        lines
    };

    let defs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    let funs = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let arena = Arena::default();
    let code = format!("{BUILT_IN} {filter}");
    let code = File {
        code: code.as_str(),
        path: (),
    };
    let modules = Loader::new(defs)
        .load(&arena, code)
        .unwrap_or_else(|errors| panic!("{filter}: {errors:?}"));
    let filter = Compiler::default()
        .with_funs(funs)
        .with_global_vars(["$day"])
        .compile(modules)
        .unwrap_or_else(|errors| panic!("{filter}: {errors:?}"));
    let mut answer = String::new();
    for input in inputs {
        let day = Val::from(DAY.to_owned());
        let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([day]));
        for value in filter.id.run((context, input)).map(unwrap_valr) {
            match value.unwrap_or_else(|error| panic!("{command}: {error}")) {
                Val::TStr(text) => writeln!(answer, "{}", String::from_utf8_lossy(&text)).unwrap(),
                other => writeln!(answer, "{other}").unwrap(),
            }
        }
    }
    answer
}

#[test]
fn every_question_has_its_answer() {
    let questions = questions();
    assert!(questions.len() >= 20, "{}", questions.len());
    let mut answers = String::new();
    for (question, command) in questions {
        let said = answer(command);
        assert!(!said.trim().is_empty(), "{question} has no answer");
        writeln!(answers, "{question}\n{said}").unwrap();
    }
    insta::assert_snapshot!("answers", answers);
}
