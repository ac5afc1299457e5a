//! What the loader reads, and what it says of files and rules as a whole, word for word.

use std::path::Path;

use jiff::SignedDuration;
use qabyl::domain::money::Money;
use qabyl::domain::rules::{Condition, Criterion, Outcome, Range};
use qabyl::domain::verdict::CancelReason;
use qabyl::rules_file;

use crate::rules::facts::load;

pub(crate) fn problems(text: &str) -> String {
    match rules_file::load(text, Path::new("rules.toml")) {
        Ok(rules) => panic!("nothing was refused: {rules:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_embedded_rules_are_whole() {
    let rules =
        rules_file::load(rules_file::DEFAULT_RULES, Path::new("config/rules.toml")).unwrap();
    assert_eq!(rules, rules_file::default_rules());
    let names: Vec<_> = rules.list.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "express",
            "pre-order",
            "signature",
            "weighed goods",
            "unknown stock",
            "short",
            "everything else"
        ]
    );
    assert_eq!(
        rules.list[5].then,
        Outcome::Cancel {
            reason: CancelReason::MerchantOutOfStock,
            comment: "Нет в наличии".to_owned()
        }
    );
}

#[test]
fn the_examples_are_whole() {
    for entry in std::fs::read_dir("config/rules").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if let Err(error) = rules_file::load(&text, &path) {
            panic!("{error}");
        }
    }
}

#[test]
fn reads_every_part_of_a_rule() {
    let rules = load(
        "[[rule]]\nname = \" late \"\nnote = \"why\"\nenabled = false\n\
         when = { total = { over = 5_000 }, age = { under = \"1h 30m\" } }\n\
         then = { wait = \"5m\" }\n",
    );
    let rule = &rules.list[0];
    assert_eq!(rule.name, "late");
    assert_eq!(rule.note.as_deref(), Some("why"));
    assert!(!rule.enabled);
    assert_eq!(rule.then, Outcome::Wait(SignedDuration::from_mins(5)));
    let total = Range::Between {
        over: Some(Money::from_tenge(5000)),
        under: None,
    };
    let age = Range::Between {
        over: None,
        under: Some(SignedDuration::from_mins(90)),
    };
    assert_eq!(
        rule.when,
        Condition::All(vec![
            Condition::Test(Criterion::Total(total)),
            Condition::Test(Criterion::Age(age)),
        ])
    );
}

#[test]
fn an_out_of_stock_cancel_has_a_comment_of_its_own() {
    let rules = load("[[rule]]\nname = \"r\"\nthen = { cancel = \"MERCHANT_OUT_OF_STOCK\" }\n");
    assert!(matches!(
        &rules.list[0].then,
        Outcome::Cancel { comment, .. } if comment == "Нет в наличии"
    ));
}

#[test]
fn names_keys_and_missing_parts() {
    assert_eq!(
        problems("[[rule]]\nthen = \"hold\"\n"),
        "rules.toml:1:1: rule 1: the rule has no name; add name = \"…\": decisions name it"
    );
    assert_eq!(
        problems("[[rule]]\nname = \"r\"\n"),
        "rules.toml:2:8: rule 'r': the rule has no 'then'; add then = \"accept\", \"hold\", \
         { cancel = … } or { wait = … }"
    );
    assert_eq!(
        problems("[[rule]]\nname = \"r\"\nthen = \"hold\"\nenabeld = true\n"),
        "rules.toml:4:1: rule 'r': unknown key 'enabeld'; did you mean 'enabled'?"
    );
    let hold = |name: &str, express: bool| {
        format!("[[rule]]\nname = \"{name}\"\nwhen = {{ express = {express} }}\nthen = \"hold\"\n")
    };
    assert_eq!(
        problems(&format!("{}{}", hold("r", true), hold("r", false))),
        "rules.toml:6:8: two rules are named 'r'; the other one is on line 2"
    );
}

#[test]
fn files_without_rules() {
    assert_eq!(
        problems("# nothing\n"),
        "rules.toml:1:1: there are no rules; write at least one [[rule]]; without a rules file \
         the built-in rules hold"
    );
    assert_eq!(
        problems("[[rules]]\nname = \"r\"\n"),
        "rules.toml:1:3: unknown key 'rules'; did you mean 'rule'?"
    );
    assert_eq!(
        problems("[rule]\nname = \"r\"\n"),
        "rules.toml:1:2: expected a list of rules, found a table; begin each rule with [[rule]], \
         in double brackets"
    );
    assert!(problems("[[rule]]\nname = \"r\nthen = 1\n").starts_with("rules.toml:2:"));
}

#[test]
fn rules_that_can_never_speak() {
    let all = "[[rule]]\nname = \"all\"\nthen = \"accept\"\n";
    let one = "[[rule]]\nname = \"one\"\nwhen = { express = true, lines = 1 }\nthen = \"hold\"\n";
    let two = "[[rule]]\nname = \"two\"\nwhen = { lines = 1, express = true }\nthen = \"accept\"\n";
    assert_eq!(
        problems(&format!("{all}{one}")),
        "rules.toml:5:8: rule 'one' can never apply: rule 'all' on line 2 comes first and \
         matches every order; move it up, or remove one of them"
    );
    assert_eq!(
        problems(&format!("{one}{two}{all}")),
        "rules.toml:6:8: rule 'two' can never apply: rule 'one' on line 2 comes first and \
         asks the same; move it up, or remove one of them"
    );
    let off = all.replace("then", "enabled = false\nthen");
    assert_eq!(load(&format!("{off}{one}")).list.len(), 2);
}

#[test]
fn every_mistake_is_told_at_once_in_order() {
    let text = "[[rule]]\nname = \"ё\"\nwhen = { totl = 1, age = { under = \"x\" } }\n\
                then = \"no\"\n\n[[rule]]\nthen = \"accept\"\nnmae = \"b\"\n";
    let found = problems(text);
    let places: Vec<_> = found
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "rules.toml:3:10",
            "rules.toml:3:36",
            "rules.toml:4:8",
            "rules.toml:6:1",
            "rules.toml:8:1"
        ]
    );
}

#[test]
fn rules_of_one_shop() {
    let rule = |name: &str, shops: &str| {
        format!("[[rule]]\nname = \"{name}\"\nshops = {shops}\nthen = \"hold\"\n")
    };
    let all = "[[rule]]\nname = \"all\"\nthen = \"accept\"\n";
    // A catch-all of one shop leaves the others to what follows, and nothing to its own.
    let text = format!("{}{}{all}", rule("a", "\"a\""), rule("b", "[\"b\", \"c\"]"));
    let rules = load(&text);
    assert_eq!(rules.list[0].shops, Some(vec!["a".to_owned()]));
    assert_eq!(rules.list[2].shops, None);
    assert_eq!(
        problems(&format!(
            "{}{}{all}",
            rule("b", "[\"b\", \"c\"]"),
            rule("c", "\"c\"")
        )),
        "rules.toml:6:8: rule 'c' can never apply: rule 'b' on line 2 comes first and matches \
         every order of its shops; move it up, or remove one of them"
    );
    let known = Some(&["main", "second"][..]);
    let refused = rules_file::load_for(&rule("a", "[\"mian\"]"), Path::new("rules.toml"), known);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "rules.toml:3:10: rule 'a': unknown shops 'mian'; did you mean 'main'?"
    );
}
