//! The merchant's ordered rules: data, not a script. The first rule that matches proposes a verdict.

mod criterion;
mod explain;
mod range;
mod words;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use criterion::{Criterion, LineCriterion, ShopCount, StockWord};
pub use explain::{CriterionAnswer, explain};
pub use range::Range;

use super::availability::Bound;
use super::facts::{Facts, LineFacts};
use super::ids::ShopName;
use super::schedule::Schedule;
use super::verdict::{CancelReason, Verdict};

/// A condition; `T` is one question, about an order or about a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition<T> {
    /// Every part holds; an empty list holds always.
    All(Vec<Condition<T>>),
    /// At least one part holds; an empty list never does.
    Any(Vec<Condition<T>>),
    /// The part does not hold.
    Not(Box<Condition<T>>),
    /// One question.
    Test(T),
}

impl<T> Condition<T> {
    /// The condition that always holds.
    pub const fn always() -> Self {
        Self::All(Vec::new())
    }

    /// Whether it holds for every order.
    pub fn is_always(&self) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(Self::is_always),
            Self::Any(parts) => parts.iter().any(Self::is_always),
            Self::Not(_) | Self::Test(_) => false,
        }
    }

    /// Evaluates it with `ask` answering each question.
    pub fn holds(&self, ask: &mut impl FnMut(&T) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(ask)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(ask)),
            Self::Not(part) => !part.holds(ask),
            Self::Test(question) => ask(question),
        }
    }

    /// Visits every question, for an explanation.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a T)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each(visit)),
            Self::Not(part) => part.each(visit),
            Self::Test(question) => visit(question),
        }
    }
}

/// What a rule proposes when it matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Accept.
    Accept,
    /// Cancel.
    Cancel {
        /// The reason sent to Kaspi.
        reason: CancelReason,
        /// What the buyer reads.
        comment: String,
    },
    /// A person decides.
    Hold,
    /// The order is decided again after this long.
    Wait(SignedDuration),
}

impl Outcome {
    fn verdict(&self, now: Timestamp) -> Verdict {
        match self {
            Self::Accept => Verdict::Accept,
            Self::Cancel { reason, comment } => Verdict::Cancel {
                reason: *reason,
                comment: comment.clone(),
            },
            Self::Hold => Verdict::Hold,
            Self::Wait(time) => Verdict::Wait {
                until: now.saturating_add(*time).unwrap_or(now),
            },
        }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rule {
    /// Unique name, stored with every decision it makes.
    pub name: String,
    /// What people read in place of its name, by the language: `ru`, `kk`, `en`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub title: BTreeMap<String, String>,
    /// When it matches.
    pub when: Condition<Criterion>,
    /// What it proposes.
    pub then: Outcome,
    /// The merchant's note.
    pub note: Option<String>,
    /// A rule that is switched off is skipped.
    pub enabled: bool,
    /// The shops it is for; `None`: all.
    pub shops: Option<Vec<String>>,
}

impl Rule {
    /// Whether it applies to orders of this shop.
    pub fn is_for(&self, shop: Option<&ShopName>) -> bool {
        let named =
            |shops: &Vec<String>| shop.is_some_and(|shop| shops.iter().any(|n| n == shop.as_str()));
        self.enabled && self.shops.as_ref().is_none_or(named)
    }

    /// The bound that its questions about stock are asked of: a cancel needs what is possible to be too little.
    pub const fn bound(&self) -> Bound {
        match self.then {
            Outcome::Cancel { .. } => Bound::Possible,
            Outcome::Accept | Outcome::Hold | Outcome::Wait(_) => Bound::Certain,
        }
    }

    const fn cancels_for_stock(&self) -> bool {
        matches!(
            self.then,
            Outcome::Cancel {
                reason: CancelReason::MerchantOutOfStock,
                ..
            }
        )
    }

    /// Whether its condition holds.
    fn holds(&self, bound: Bound, facts: &Facts, schedule: &Schedule, now: Timestamp) -> bool {
        self.when
            .holds(&mut |question| question.holds(facts, bound, schedule, now))
    }
}

/// The name stored where no rule matched: the order is then held.
pub const NO_RULE: &str = "(no rule matched)";

/// An ordered list of rules.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Rules {
    /// The first that matches counts.
    pub list: Vec<Rule>,
}

impl Rules {
    /// What people read in place of a rule's name in a language, where it has a title.
    pub fn title(&self, name: &str, language: &str) -> Option<&str> {
        let rule = self.list.iter().find(|rule| rule.name == name)?;
        rule.title.get(language).map(String::as_str)
    }

    /// The first matching rule's name and what it proposes; a hold when none matches. Its conditions are asked by
    /// Kaspi's clock.
    pub fn propose<'a>(
        &'a self,
        facts: &Facts,
        schedule: &Schedule,
        now: Timestamp,
    ) -> (&'a str, Verdict) {
        let rules = self
            .list
            .iter()
            .filter(|rule| rule.is_for(facts.shop.as_ref()));
        let by_kaspi = facts.by_kaspi(now);
        let holds = |rule: &&Rule, bound| rule.holds(bound, facts, schedule, by_kaspi);
        let matched = rules.clone().find(|rule| holds(rule, rule.bound()));
        // A cancel that a doubt alone stands against is proposed all the same where nothing else is: the
        // interlocks make it wait for what closes the doubt, and name it.
        let in_doubt = |rule: &&Rule| rule.cancels_for_stock() && holds(rule, Bound::Certain);
        let proposed = matched.or_else(|| rules.clone().find(in_doubt));
        proposed.map_or((NO_RULE, Verdict::Hold), |rule| {
            (rule.name.as_str(), rule.then.verdict(now))
        })
    }
}

/// Whether a line condition holds for one line.
fn line_holds(condition: &Condition<LineCriterion>, line: &LineFacts, bound: Bound) -> bool {
    condition.holds(&mut |question| question.holds(line, bound))
}
