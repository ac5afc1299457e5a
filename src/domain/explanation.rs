//! A decision in words: the rule that matched and its conditions, what the deadline made of it, and every
//! interlock that objected.

use jiff::Timestamp;

use super::calendar::{left_words, stamp};
use super::decision::Decision;
use super::facts::Facts;
use super::policy::Policy;
use super::rules::{self, NO_RULE, Rule};
use super::verdict::Verdict;

/// Explains a decision, one reason a line. `policy` is the policy it was decided under; `None` where that is no longer
/// stored.
pub fn of_decision(
    decision: &Decision,
    facts: &Facts,
    policy: Option<&Policy>,
    now: Timestamp,
) -> Vec<String> {
    let by_rule = decision.overruled.as_ref().unwrap_or(&decision.proposed);
    let mut lines = vec![if decision.rule == NO_RULE {
        format!("no rule matched, which is to {}", by_rule.word())
    } else if policy.is_none() && decision.rule.ends_with(" said so") {
        format!("{}: {}", decision.rule, words(by_rule))
    } else {
        format!("rule '{}' said {}", decision.rule, words(by_rule))
    }];
    if let Some(policy) = policy {
        let mut all = policy.rules.list.iter();
        if let Some(rule) = all.find(|rule| rule.name == decision.rule) {
            lines.extend(of_rule(rule, facts, policy, now).map(|line| format!("  {line}")));
        }
    }
    if decision.overruled.is_some() {
        lines.push(format!(
            "the deadline is near: {} instead (schedule.at_deadline)",
            decision.proposed.word()
        ));
    }
    if decision.objections.is_empty() {
        lines.push("no interlock objected".to_owned());
    }
    for objection in &decision.objections {
        lines.push(format!(
            "interlock {} asks to {} for {}: {}",
            objection.interlock.as_str(),
            objection.effect.word(),
            objection.remedy.words(),
            objection.why
        ));
    }
    if let Some(policy) = policy
        && matches!(decision.verdict, Verdict::Hold | Verdict::Wait { .. })
    {
        let schedule = &policy.limits.schedule;
        let (at, left) = (
            schedule.deadline_of(&facts.order),
            schedule.left(&facts.order, facts.by_kaspi(now)),
        );
        lines.push(format!("deadline {}, {}", stamp(at), left_words(left)));
    }
    lines
}

/// The conditions of one rule with their answers, each sum before its parts.
pub fn of_rule<'a>(
    rule: &Rule,
    facts: &'a Facts,
    policy: &'a Policy,
    now: Timestamp,
) -> impl Iterator<Item = String> + use<'a> {
    rules::explain(rule, facts, &policy.limits.schedule, now)
        .into_iter()
        .map(|answer| format!("{:indent$}{}", "", answer.text, indent = answer.depth * 2))
}

/// A verdict in words.
pub fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept | Verdict::Hold => verdict.word().to_owned(),
        Verdict::Cancel { reason, .. } => format!("cancel for {}", reason.as_str()),
        Verdict::Wait { until } => format!("wait until {}", stamp(*until)),
    }
}
