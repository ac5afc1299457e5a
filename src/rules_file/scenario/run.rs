//! A scenario decided by the very function that decides orders, and what differs from what was expected.

use super::Scenario;
use crate::diagnostics::nearest;
use crate::domain::decision::{Decision, decide};
use crate::domain::explanation::{of_decision, of_rule, words};
use crate::domain::policy::Policy;
use crate::domain::verdict::Verdict;

/// What came of a scenario.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The decision.
    pub decision: Decision,
    /// Every difference from what was expected; empty when there is none.
    pub differs: Vec<String>,
    /// Why it was decided so.
    pub explanation: Vec<String>,
}

/// Decides a scenario under a policy.
pub fn check(scenario: &Scenario, policy: &Policy) -> Checked {
    let (facts, now) = (&scenario.facts, scenario.now);
    let decision = decide(facts, policy, now);
    let mut explanation = of_decision(&decision, facts, Some(policy), now);
    let differs = differs(scenario, &decision, policy);
    let expected = scenario
        .expect
        .rule
        .as_ref()
        .filter(|rule| **rule != decision.rule);
    let rules = &policy.rules.list;
    if let Some(rule) = expected.and_then(|name| rules.iter().find(|rule| rule.name == *name)) {
        let matched = rule.when.holds(&mut |question| {
            question.holds(facts, rule.bound(), &policy.limits.schedule, now)
        });
        explanation.push(
            match (rule.enabled, rule.is_for(facts.shop.as_ref()), matched) {
                (false, _, _) => format!("rule '{}' is switched off", rule.name),
                (_, false, _) => format!("rule '{}' is for other shops", rule.name),
                (_, _, true) => format!("rule '{}' would match, and comes later", rule.name),
                (_, _, false) => format!("rule '{}' does not match", rule.name),
            },
        );
        explanation.extend(of_rule(rule, facts, policy, now).map(|line| format!("  {line}")));
    }
    Checked {
        decision,
        differs,
        explanation,
    }
}

fn differs(scenario: &Scenario, decision: &Decision, policy: &Policy) -> Vec<String> {
    let expect = &scenario.expect;
    let mut differs = Vec::new();
    let verdict = &decision.verdict;
    if verdict.word() != expect.verdict.as_str() {
        differs.push(format!(
            "expected {}, came {}",
            expect.verdict.as_str(),
            words(verdict)
        ));
    }
    if let Some(rule) = expect.rule.as_ref().filter(|rule| **rule != decision.rule) {
        let names: Vec<&str> = policy
            .rules
            .list
            .iter()
            .map(|rule| rule.name.as_str())
            .collect();
        let unknown = match (
            names.contains(&rule.as_str()),
            nearest(rule, names.iter().copied()),
        ) {
            (true, _) => String::new(),
            (false, Some(near)) => {
                format!(", and there is none of that name: did you mean '{near}'?")
            }
            (false, None) => format!(", and there is none of that name: {}", names.join(", ")),
        };
        differs.push(format!(
            "expected rule '{rule}', '{}' applied{unknown}",
            decision.rule
        ));
    }
    if let Some(expected) = &expect.interlocks {
        let mut came: Vec<_> = decision
            .objections
            .iter()
            .map(|o| o.interlock.as_str())
            .collect();
        let mut wanted: Vec<_> = expected.iter().map(|name| name.as_str()).collect();
        came.sort_unstable();
        wanted.sort_unstable();
        if came != wanted {
            let list = |names: &[&str]| match names {
                [] => "no interlock".to_owned(),
                names => names.join(", "),
            };
            differs.push(format!(
                "expected {} to object, {} did",
                list(&wanted),
                list(&came)
            ));
        }
    }
    if let (Some(reason), Verdict::Cancel { reason: came, .. }) = (expect.reason, verdict)
        && reason != *came
    {
        differs.push(format!(
            "expected a cancel for {}, came {}",
            reason.as_str(),
            came.as_str()
        ));
    }
    if let (Some(wait), Verdict::Wait { until }) = (expect.wait(), verdict) {
        let came = until.duration_since(scenario.now);
        if came != wait {
            differs.push(format!("expected to wait {wait:#}, came {came:#}"));
        }
    }
    if let Some(expected) = expect.overruled
        && expected != decision.overruled.is_some()
    {
        let came = if expected {
            "expected the deadline to overrule the rule, it did not"
        } else {
            "expected the rule to have its way, the deadline overruled it"
        };
        differs.push(came.to_owned());
    }
    differs
}
