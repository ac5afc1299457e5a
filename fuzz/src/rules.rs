//! The merchant's rules.

use std::path::Path;

use qabyl::domain::decision::decide;
use qabyl::domain::limits::Limits;
use qabyl::domain::policy::Policy;
use qabyl::domain::rules::explain;
use qabyl::domain::verdict::{CancelReason, Verdict};
use qabyl::rules_file::{self, RulesError};

use super::facts::{Case, cases, now};

/// A rules file. Accepted rules decide every case, deterministically and never against the interlocks; a
/// refusal names a line.
pub fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let file = Path::new("rules.toml");
    let rules = match rules_file::load(text, file) {
        Ok(rules) => rules,
        Err(refused) => return located(&refused, text),
    };
    assert!(!rules.list.is_empty());
    assert_eq!(rules_file::load(text, file).as_ref(), Ok(&rules));
    let stored = serde_json::to_string(&rules).expect("rules go into the policy's digest");
    assert!(stored.len() <= 64 * text.len(), "{} bytes", stored.len());
    let policy = Policy::new(rules, Limits::default(), "fuzz".to_owned());
    for case in cases() {
        decided(case, &policy);
    }
}

fn decided(case: &Case, policy: &Policy) {
    let facts = &case.facts;
    let decision = decide(facts, policy, now());
    assert_eq!(decision, decide(facts, policy, now()), "{}", case.name);
    let word = word(&decision.verdict);
    let never = case.never.contains(&word);
    assert!(!never, "{}: {word}", case.name);
    if matches!(decision.verdict, Verdict::Accept | Verdict::Cancel { .. }) {
        assert_eq!(decision.verdict, decision.proposed, "{}", case.name);
        assert!(decision.objections.is_empty(), "{}", case.name);
    }
    if let Verdict::Wait { until } = decision.verdict {
        assert!(until >= now(), "{}: a wait into the past", case.name);
    }
    for rule in &policy.rules.list {
        let explanation = explain(rule, facts, &policy.limits.schedule, now());
        assert!(
            !explanation.is_empty(),
            "rule {:?} explains itself",
            rule.name
        );
    }
}

/// A cancel for the buyer's reasons is the merchant's choice and does not depend on stock.
fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Cancel { reason, .. } if *reason != CancelReason::MerchantOutOfStock => "buyer",
        verdict => verdict.word(),
    }
}

fn located(refused: &RulesError, text: &str) {
    assert!(!refused.problems.is_empty());
    let widths: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
    for problem in &refused.problems {
        let width = widths.get(problem.at.line - 1).expect("a line of the file");
        assert!((1..=width + 1).contains(&problem.at.column), "{problem}");
    }
}
