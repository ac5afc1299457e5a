//! `qabyl explain CODE`: one page about an order, its decision and what was sent.

use std::fmt::{self, Write as _};
use std::process::ExitCode;

use super::args::{Explain, Format, OneOrder};
use super::orders::{as_json, find, lines_table, local, outcome, reason, standing, version};
use super::stock::doubt_lines;
use super::{Done, explain_plan, say, say_translated, shops};
use crate::config::Loaded;
use crate::domain::availability::Possible;
use crate::domain::calendar::left_words;
use crate::domain::explanation;
use crate::domain::facts::LineFacts;
use crate::domain::order::Order;
use crate::domain::policy::Policy;
use crate::domain::stock::{Level, LineStock};
use crate::store::{ActionView, DecisionView, OrderView};

pub(super) async fn run(loaded: &Loaded, args: &Explain) -> Done {
    let Some(code) = args.code.clone() else {
        return explain_plan::run(loaded, args).await;
    };
    let order = OneOrder {
        code,
        shop: args.shop.clone(),
        actor: args.actor.clone(),
        shown: args.shown.clone(),
    };
    let (view, deadline) = find(loaded, &order).await?;
    if args.shown.format == Format::Json {
        say(&as_json(&view, &deadline).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let policy = shops::policy(&loaded.config)?;
    let mut text = page(&view, &policy);
    if let Some((at, left)) = deadline.left(&view) {
        let _ = write!(text, "\n  deadline {}: {}", local(at), left_words(left));
    }
    say_translated(&text);
    Ok(ExitCode::SUCCESS)
}

fn page(view: &OrderView, policy: &Policy) -> String {
    let order = &view.order;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Order {} of shop {}, {}, placed {}, version {}\n\nLines",
        one_line(&order.code),
        one_line(&view.shop),
        order.total_words(),
        local(order.created_at),
        version(view)
    );
    for unread in &order.unread {
        let _ = writeln!(out, "  could not be read: {}", one_line(unread));
    }
    match &view.lines_problem {
        Some(problem) => {
            let _ = writeln!(out, "  the lines could not be read: {}", one_line(problem));
        }
        None => _ = writeln!(out, "{}", lines_table(view)),
    }
    match &view.decision {
        None => _ = writeln!(out, "\nNot decided yet: {}", standing(view)),
        Some(decision) => {
            write_decision(&mut out, decision, policy);
            let (then, now) = (
                explanation::in_short(&decision.decision, &decision.facts),
                reason(view),
            );
            if view.held.is_none() && then != now {
                let _ = writeln!(out, "\nAt the last look: {}", one_line(now));
            }
        }
    }
    if let Some((who, why)) = &view.held {
        let _ = writeln!(out, "\nHeld by {}: {}", one_line(who), one_line(why));
    }
    let _ = writeln!(out, "\nActions");
    if view.actions.is_empty() {
        let _ = writeln!(out, "  none");
    }
    for action in &view.actions {
        write_action(&mut out, action, order);
    }
    let _ = write!(
        out,
        "\nStatus at Kaspi (read {})\n  {} {}{}",
        local(view.seen_at),
        one_line(&order.state),
        one_line(&order.status),
        order
            .cancellation_reason
            .as_ref()
            .map_or_else(String::new, |reason| format!(", {}", one_line(reason)))
    );
    out
}

fn write_decision(out: &mut String, view: &DecisionView, policy: &Policy) {
    let _ = writeln!(out, "\nStock when it was decided, {}", local(view.at));
    for line in view.facts.lines() {
        let _ = writeln!(out, "  {}", one_line(stock_text(line)));
        for (_, level, _) in line.levels() {
            for doubt in doubt_lines(&level.doubts) {
                let _ = writeln!(out, "  {}", one_line(doubt));
            }
        }
        for part in &line.parts {
            let stock = level_text(part.sku.as_str(), part.wanted, &part.stock);
            let _ = writeln!(out, "    {} in each: {}", part.each, one_line(stock));
        }
    }
    for order in &view.facts.shop_facts.evidence.unaccounted {
        let _ = writeln!(
            out,
            "    in doubt: unaccounted order: {};\n      closed by {}",
            one_line(order),
            one_line(order.closed_by())
        );
    }
    for shop in &view.facts.shop_facts.evidence.unread_shops {
        let _ = writeln!(
            out,
            "    in doubt: the accepted orders of shop {shop} were never read;\n      closed by its first complete sweep",
        );
    }
    let decision = &view.decision;
    let _ = writeln!(
        out,
        "\nDecision {}: {} (by {}, policy {})",
        view.id,
        decision.verdict.word(),
        one_line(&view.actor),
        view.policy_digest,
    );
    let policy = (view.policy_digest == policy.digest()).then_some(policy);
    if policy.is_none() && view.actor == "qabyl" {
        let _ = writeln!(
            out,
            "  by rules or limits that have changed since; `qabyl rules replay` shows what the current ones would do"
        );
    }
    for line in explanation::of_decision(decision, &view.facts, policy, view.at) {
        let _ = writeln!(out, "  {}", one_line(line));
    }
}

fn stock_text(line: &LineFacts) -> String {
    let sku = line.line.sku.as_ref().map_or("no SKU", |sku| sku.as_str());
    level_text(sku, line.wanted, &line.stock)
}

fn level_text(sku: &str, wanted: i64, stock: &LineStock) -> String {
    match stock {
        LineStock::Unknown(why) => format!("{sku}: wants {wanted}, stock unknown: {why}"),
        LineStock::Known(level) => format!(
            "{sku}: wants {wanted}, available {}{} = on hand {} − reserved {} − safety {} ({}, as of {})",
            level.available(),
            possible_text(level),
            level.on_hand,
            level.reserved(),
            level.safety_stock,
            level.source,
            local(level.as_of)
        ),
    }
}

/// What may be available, where that is not what is for certain and no safety stock alone.
fn possible_text(level: &Level) -> String {
    let possible = level.interval().possible;
    let certain = level.available().saturating_add(level.safety_stock);
    if possible == Possible::Bounded(certain) {
        return String::new();
    }
    format!(" ({possible} possible)")
}

fn write_action(out: &mut String, action: &ActionView, order: &Order) {
    let reason = action.reason();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({})", reason.as_str()));
    let (kind, outcome) = (action.kind.word(), outcome(action, order));
    let _ = writeln!(out, "  {kind}{reason}: {}", one_line(outcome));
    for attempt in &action.attempts {
        let answer = match (attempt.outcome, &attempt.detail) {
            (None, _) => "no answer yet".to_owned(),
            (Some(outcome), None) => outcome.word().to_owned(),
            (Some(outcome), Some(detail)) => format!("{}: {detail}", outcome.word()),
        };
        let _ = writeln!(
            out,
            "    request {} at {}: {}",
            attempt.n,
            local(attempt.begun_at),
            one_line(answer)
        );
    }
    if let Some(why) = &action.why {
        let when = action
            .closed_at
            .map_or_else(String::new, |at| format!(" at {}", local(at)));
        let _ = writeln!(out, "    ended{when}: {}", one_line(why));
    } else if let Some(due) = action.due_at {
        let _ = writeln!(out, "    next check at {}", local(due));
    } else {
        let _ = writeln!(out, "    needs a person: look at the order in the cabinet");
    }
}

/// Text on one line, from outside or not: the page has lines of its own.
fn one_line(text: impl fmt::Display) -> String {
    crate::text::shown(&text.to_string(), usize::MAX)
}
