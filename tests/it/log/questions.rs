//! Every command of `docs/LOG_QUESTIONS.md`, as it stands there, asked of the recorded log.

use std::fmt::Write as _;
use std::process::Command;

const DOCUMENT: &str = include_str!("../../../docs/LOG_QUESTIONS.md");

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

#[test]
fn every_question_has_its_answer() {
    let questions = questions();
    assert!(questions.len() >= 20, "{}", questions.len());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/log");
    let mut answers = String::new();
    for (question, command) in questions {
        let output = Command::new("sh")
            .args(["-ec", command])
            .current_dir(folder)
            .env("DAY", "2026-11-24")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let wrong = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && wrong.is_empty(),
            "{question}: is jq there? {wrong}"
        );
        assert!(!said.trim().is_empty(), "{question} has no answer");
        writeln!(answers, "{question}\n{said}").unwrap();
    }
    insta::assert_snapshot!("answers", answers);
}
