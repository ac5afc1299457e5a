//! A rule's condition in words, each question with what was found and its answer.

use jiff::Timestamp;
use serde::Serialize;

use super::words::{listed, ranged, truth};
use super::{Condition, Criterion, LineCriterion, Range, Rule, StockWord, line_holds};
use crate::domain::availability::Bound;
use crate::domain::calendar::{DayTime, Weekday, length, local};
use crate::domain::facts::{Facts, LineFacts};
use crate::domain::ids::{PickupPoint, Sku};
use crate::domain::order::{DeliveryMode, PaymentMode};
use crate::domain::schedule::Schedule;
use crate::domain::stock::{Level, LineStock};

/// One question of a rule and its answer, as in `total 512 000 ₸ over 300 000 ₸: yes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CriterionAnswer {
    /// The question, what was found, and the answer in words.
    pub text: String,
    /// Whether the condition holds.
    pub holds: bool,
    /// How deep it lies: an answer sums up the deeper ones after it. A rule matches when every
    /// answer of depth 0 holds.
    pub depth: usize,
}

/// Every question of a rule, answered for these facts.
pub fn explain(
    rule: &Rule,
    facts: &Facts,
    schedule: &Schedule,
    now: Timestamp,
) -> Vec<CriterionAnswer> {
    let mut page = Page::default();
    if rule.when.is_always() {
        page.line("every order", true);
        return page.answers;
    }
    let asked = Asked {
        facts,
        bound: rule.bound(),
        schedule,
        now: facts.by_kaspi(now),
    };
    asked.condition(&rule.when, &mut page);
    page.answers
}

/// The answers written so far and how deep the next one lies.
#[derive(Default)]
struct Page {
    answers: Vec<CriterionAnswer>,
    depth: usize,
}

impl Page {
    fn line(&mut self, what: &str, holds: bool) {
        let answer = if holds { "yes" } else { "no" };
        self.answers.push(CriterionAnswer {
            text: format!("{what}: {answer}"),
            holds,
            depth: self.depth,
        });
    }

    /// Writes a line that sums up those that `deeper` writes.
    fn block(&mut self, what: &str, holds: bool, deeper: impl FnOnce(&mut Self)) {
        self.line(what, holds);
        self.depth += 1;
        deeper(self);
        self.depth -= 1;
    }

    /// Writes a condition; `ask` answers one question, `leaf` writes one.
    fn condition<T>(
        &mut self,
        condition: &Condition<T>,
        ask: &impl Fn(&T) -> bool,
        leaf: &impl Fn(&T, &mut Self),
    ) {
        let holds = |part: &Condition<T>| part.holds(&mut |question| ask(question));
        match condition {
            Condition::All(parts) if self.depth == 0 => {
                for part in parts {
                    self.condition(part, ask, leaf);
                }
            }
            Condition::All(parts) | Condition::Any(parts) => {
                let all = matches!(condition, Condition::All(_));
                let word = if all { "all" } else { "any" };
                let title = format!("{word} of {}", parts.len());
                self.block(&title, holds(condition), |page| {
                    for part in parts {
                        page.condition(part, ask, leaf);
                    }
                });
            }
            Condition::Not(part) => self.block("not", !holds(part), |page| {
                page.condition(part, ask, leaf);
            }),
            Condition::Test(question) => leaf(question, self),
        }
    }
}

/// What the questions are asked about.
struct Asked<'a> {
    facts: &'a Facts,
    bound: Bound,
    schedule: &'a Schedule,
    now: Timestamp,
}

impl Asked<'_> {
    fn condition(&self, condition: &Condition<Criterion>, page: &mut Page) {
        page.condition(
            condition,
            &|question| question.holds(self.facts, self.bound, self.schedule, self.now),
            &|question, page| self.question(question, page),
        );
    }

    fn question(&self, question: &Criterion, page: &mut Page) {
        let holds = question.holds(self.facts, self.bound, self.schedule, self.now);
        match question {
            Criterion::AnyLine(lines) => self.lines("any line", lines, holds, page),
            Criterion::AllLines(lines) => self.lines("every line", lines, holds, page),
            plain => page.line(&self.asked(plain), holds),
        }
    }

    fn lines(
        &self,
        title: &str,
        condition: &Condition<LineCriterion>,
        holds: bool,
        page: &mut Page,
    ) {
        if self.facts.lines().is_empty() {
            return page.line(&format!("{title} (no lines are known)"), holds);
        }
        page.block(title, holds, |page| {
            for line in self.facts.lines() {
                line_answer(condition, (line, self.bound), page);
            }
        });
    }

    fn asked(&self, question: &Criterion) -> String {
        let order = &self.facts.order;
        let age = self.facts.age(self.now);
        let counters = &self.facts.shop_facts.counters;
        match question {
            Criterion::Express(wanted) => truth("express", Some(order.express), *wanted),
            Criterion::Preorder(wanted) => truth("preorder", Some(order.pre_order), *wanted),
            Criterion::Signature(wanted) => {
                truth("signature", Some(order.signature_required), *wanted)
            }
            Criterion::KaspiDelivery(wanted) => {
                truth("kaspi_delivery", order.kaspi_delivery, *wanted)
            }
            Criterion::Age(range) => ranged("age", &length(age), range, length),
            Criterion::DeadlineIn(range) => {
                let left = self.schedule.left(order, self.now);
                ranged("deadline_in", &length(left), range, length)
            }
            Criterion::Weekday(days) => {
                let today = Weekday::of(local(self.now).date());
                let words: Vec<String> = days.iter().map(|day| day.as_str().to_owned()).collect();
                listed("weekday", Some(today.as_str()), &words)
            }
            Criterion::Hour(span) => format!("hour {} {span}", DayTime::of(local(self.now))),
            Criterion::Shop(count, range) => {
                ranged(count.word(), &count.of(counters), range, |orders| orders)
            }
            Criterion::ShopCancelledShare(range) => {
                let (share, of) = (counters.cancelled_share(), counters.decided);
                let found = format!("{share:.4} ({} of {of})", counters.cancelled);
                ranged("shop_cancelled_share", &found, range, |share| share)
            }
            Criterion::Total(range) => match order.total {
                Some(total) => ranged("total", &total, range, |money| money),
                None => "total: it could not be read".to_owned(),
            },
            Criterion::Quantity(range) => {
                let units: i64 = (self.facts.lines().iter())
                    .map(|line| i64::from(line.line.quantity))
                    .sum();
                ranged("quantity", &units, range, |units| units)
            }
            Criterion::Lines(range) => {
                ranged("lines", &self.facts.lines().len(), range, |lines| lines)
            }
            Criterion::DeliveryMode(words) => {
                let word = order.delivery_mode.as_ref().map(DeliveryMode::as_str);
                listed("delivery_mode", word, words)
            }
            Criterion::PaymentMode(words) => {
                let word = order.payment_mode.as_ref().map(PaymentMode::as_str);
                listed("payment_mode", word, words)
            }
            Criterion::PickupPoint(words) => {
                let word = order.pickup_point.as_ref().map(PickupPoint::as_str);
                listed("pickup_point", word, words)
            }
            Criterion::AnyLine(_) => "any line".to_owned(),
            Criterion::AllLines(_) => "every line".to_owned(),
        }
    }
}

fn line_answer(
    condition: &Condition<LineCriterion>,
    (line, bound): (&LineFacts, Bound),
    page: &mut Page,
) {
    let sku = line.line.sku.as_ref().map_or("no SKU", |sku| sku.as_str());
    let title = format!("line {} ({sku})", line.line.number);
    if let Condition::Test(question) = condition {
        let asked = format!("{title}: {}", line_asked(question, line, bound));
        return page.line(&asked, question.holds(line, bound));
    }
    let parts = match condition {
        Condition::All(parts) => parts.as_slice(),
        other => std::slice::from_ref(other),
    };
    page.block(&title, line_holds(condition, line, bound), |page| {
        for part in parts {
            let holds = |question: &LineCriterion| question.holds(line, bound);
            page.condition(part, &holds, &|question, page| {
                page.line(&line_asked(question, line, bound), holds(question));
            });
        }
    });
}

fn line_asked(question: &LineCriterion, line: &LineFacts, bound: Bound) -> String {
    let level = |name: &str, value: &dyn Fn(&Level) -> i64, range: &Range<i64>| {
        let value = match &line.stock {
            LineStock::Known(level) => value(level).to_string(),
            LineStock::Unknown(_) => "unknown".to_owned(),
        };
        ranged(name, &value, range, |units| units)
    };
    match question {
        LineCriterion::Sku(words) => listed("sku", line.line.sku.as_ref().map(Sku::as_str), words),
        LineCriterion::Category(words) => listed("category", line.line.category.as_deref(), words),
        LineCriterion::Quantity(range) => {
            ranged("quantity", &line.line.quantity, range, |units| units)
        }
        LineCriterion::Measured(wanted) => truth("measured", Some(line.is_measured()), *wanted),
        LineCriterion::Stock(wanted) => {
            let found = StockWord::of(line).word();
            format!("stock {found}, asked for {}", wanted.word())
        }
        LineCriterion::OnHand(range) => level("on_hand", &|level| level.on_hand, range),
        LineCriterion::Reserved(range) => level("reserved", &Level::reserved, range),
        LineCriterion::Available(range) => {
            let interval = line.stock.interval();
            let units = match (bound, &line.stock) {
                (_, LineStock::Unknown(_)) => "unknown".to_owned(),
                (Bound::Certain, _) => interval.certain.to_string(),
                (Bound::Possible, _) => interval.possible.to_string(),
            };
            ranged("available", &units, range, |units| units)
        }
        LineCriterion::Shortage(range) => {
            let units = line
                .shortage_at(bound)
                .map_or_else(|| "unknown".to_owned(), |units| units.to_string());
            ranged("shortage", &units, range, |units| units)
        }
    }
}
