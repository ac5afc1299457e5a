//! A decision in words: the rule that matched and its conditions, what the deadline made of it, and every
//! interlock that objected.

use jiff::Timestamp;

use super::calendar::{left_words, stamp};
use super::decision::{Decision, SAID_BY_PERSON};
use super::facts::{Facts, LineFacts, LinesFacts};
use super::policy::Policy;
use super::rules::{self, NO_RULE, Rule};
use super::stock::LineStock;
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
    } else if decision.rule == SAID_BY_PERSON {
        format!("a person decided: {}", words(by_rule))
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

/// The reason of a decision, in short.
pub fn in_short(decision: &Decision, facts: &Facts) -> String {
    let mut why = vec![if decision.rule == SAID_BY_PERSON {
        "a person decided".to_owned()
    } else {
        format!("rule '{}'", decision.rule)
    }];
    if decision.overruled.is_some() {
        why.push("its deadline is near".to_owned());
    }
    if decision.verdict != Verdict::Accept {
        why.extend(stock_problems(facts));
    }
    let objections = decision.objections.iter();
    why.extend(objections.map(|objection| objection.why.clone()));
    why.join("; ")
}

/// Shortages and unknown stock of an order that was not accepted.
fn stock_problems(facts: &Facts) -> Vec<String> {
    if let LinesFacts::Unreadable(why) = &facts.lines {
        return vec![format!("its lines could not be read: {why}")];
    }
    let of_line = |line: &LineFacts| {
        let sku = line.line.sku.as_ref().map_or("?", |sku| sku.as_str());
        match &line.stock {
            LineStock::Unknown(why) => Some(why.to_string()),
            LineStock::Known(level) if line.shortage_for_accept() > Some(0) => Some(format!(
                "{sku}: {} wanted, {} available",
                line.wanted,
                level.available()
            )),
            LineStock::Known(_) => None,
        }
    };
    facts.lines().iter().filter_map(of_line).collect()
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
