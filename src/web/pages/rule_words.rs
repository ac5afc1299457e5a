//! Rules in words of the visitor's language.

use jiff::SignedDuration;

use super::card::{grouped, money, named_rule};
use crate::domain::calendar::Weekday;
use crate::domain::rules::{
    Condition, Criterion, LineCriterion, Outcome, Range, Rule, ShopCount, StockWord,
};
use crate::lang::Lang;
use crate::text::shown;

/// Words of a list that are shown; a rule may name thousands of SKUs.
const LISTED_MAX: usize = 12;
/// Classes of the stylesheet for how deep a line lies.
const DEPTHS: [&str; 4] = ["d0", "d1", "d2", "d3"];

/// A line of a condition: how deep it lies, and what it says.
pub(super) struct Line {
    pub(super) depth: &'static str,
    pub(super) text: String,
}

/// What people call a rule.
pub(super) fn name(lang: Lang, rule: &Rule) -> String {
    let title = rule.title.get(lang.code());
    title.map_or_else(|| named_rule(lang, &rule.name), |title| shown(title, 120))
}

/// When a rule matches, in lines.
pub(super) fn when(lang: Lang, rule: &Rule) -> Vec<Line> {
    let mut lines = Lines {
        lang,
        written: Vec::new(),
        depth: 0,
    };
    if rule.when.is_always() {
        lines.say(lang.word("web-if-always"));
    } else if let Condition::All(parts) = &rule.when {
        for part in parts {
            lines.condition(part, &|question, lines| lines.of_order(question));
        }
    } else {
        lines.condition(&rule.when, &|question, lines| lines.of_order(question));
    }
    lines.written
}

/// What a rule proposes.
pub(super) fn then(lang: Lang, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accept => lang.word("web-verdict-accept"),
        Outcome::Hold => lang.word("web-verdict-hold"),
        Outcome::Cancel { reason, .. } => {
            let key = format!("web-cancel-{}", reason.as_str().to_lowercase());
            let reason = lang.word(&key).to_lowercase();
            lang.text("web-then-cancel", &[("reason", reason.into())])
        }
        Outcome::Wait(time) => {
            let span = span(lang, *time);
            lang.text("web-then-wait", &[("span", span.into())])
        }
    }
}

/// A length of time; seconds where it is that short.
fn span(lang: Lang, time: SignedDuration) -> String {
    if time.as_secs().abs() >= 60 {
        return lang.span(time);
    }
    let values = [("minutes", 0.into()), ("seconds", time.as_secs().into())];
    lang.text("web-seconds", &values)
}

/// A range in words.
fn range<T: Copy>(lang: Lang, range: &Range<T>, show: impl Fn(T) -> String) -> String {
    let bound = |key: &str, value: T| lang.text(key, &[("value", show(value).into())]);
    match range {
        Range::Exactly(value) => bound("web-range-exactly", *value),
        Range::Between { over, under } => {
            let over = over.map(|value| bound("web-range-over", value));
            let under = under.map(|value| bound("web-range-under", value));
            let words: Vec<String> = over.into_iter().chain(under).collect();
            words.join(&format!(" {} ", lang.word("web-range-and")))
        }
    }
}

fn listed(lang: Lang, words: &[String]) -> String {
    let mut text: Vec<String> = words
        .iter()
        .take(LISTED_MAX)
        .map(|word| shown(word, 60))
        .collect();
    let more = words.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        text.push(lang.text("web-list-more", &[("count", more.into())]));
    }
    text.join(", ")
}

struct Lines {
    lang: Lang,
    written: Vec<Line>,
    depth: usize,
}

impl Lines {
    fn say(&mut self, text: String) {
        let depth = DEPTHS[self.depth.min(DEPTHS.len() - 1)];
        self.written.push(Line { depth, text });
    }

    fn deeper(&mut self, title: &str, write: impl FnOnce(&mut Self)) {
        self.say(self.lang.word(title));
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    fn condition<T>(&mut self, condition: &Condition<T>, leaf: &impl Fn(&T, &mut Self)) {
        let of = |lines: &mut Self, parts: &[Condition<T>]| {
            for part in parts {
                lines.condition(part, leaf);
            }
        };
        match condition {
            Condition::All(parts) => self.deeper("web-if-all", |lines| of(lines, parts)),
            Condition::Any(parts) => self.deeper("web-if-any", |lines| of(lines, parts)),
            Condition::Not(part) => {
                self.deeper("web-if-not", |lines| lines.condition(part, leaf));
            }
            Condition::Test(question) => leaf(question, self),
        }
    }

    fn yes(&mut self, keys: [&str; 2], wanted: bool) {
        let [yes, no] = keys;
        self.say(self.lang.word(if wanted { yes } else { no }));
    }

    fn value(&mut self, key: &str, value: String) {
        self.say(self.lang.text(key, &[("value", value.into())]));
    }

    /// Words of Kaspi's API, each in the visitor's language where there is a text.
    fn known(&mut self, key: &str, prefix: &str, words: &[String]) {
        let words = words.iter().map(|word| {
            let text = self
                .lang
                .find(&format!("{prefix}{}", word.to_lowercase()), &[]);
            text.unwrap_or_else(|| shown(word, 60))
        });
        let words: Vec<String> = words.collect();
        self.value(key, listed(self.lang, &words));
    }

    fn units(&mut self, key: &str, of: &Range<i64>) {
        self.value(key, range(self.lang, of, grouped));
    }

    fn of_order(&mut self, question: &Criterion) {
        let lang = self.lang;
        match question {
            Criterion::Express(wanted) => {
                self.yes(["web-if-express", "web-if-express-not"], *wanted);
            }
            Criterion::Preorder(wanted) => {
                self.yes(["web-if-preorder", "web-if-preorder-not"], *wanted);
            }
            Criterion::Signature(wanted) => {
                self.yes(["web-if-signature", "web-if-signature-not"], *wanted);
            }
            Criterion::KaspiDelivery(wanted) => self.yes(
                ["web-if-kaspi-delivery", "web-if-kaspi-delivery-not"],
                *wanted,
            ),
            Criterion::Age(of) => {
                self.value("web-if-age", range(lang, of, |time| span(lang, time)));
            }
            Criterion::DeadlineIn(of) => {
                self.value("web-if-deadline", range(lang, of, |time| span(lang, time)));
            }
            Criterion::Weekday(days) => {
                let words = days.iter().copied().map(Weekday::as_str);
                let words: Vec<String> = words
                    .map(|day| lang.word(&format!("web-day-{day}")))
                    .collect();
                self.value("web-if-weekday", words.join(", "));
            }
            Criterion::Hour(span) => {
                let values = [
                    ("from", span.from.to_string().into()),
                    ("to", span.to.to_string().into()),
                ];
                self.say(lang.text("web-if-hour", &values));
            }
            Criterion::Total(of) => {
                self.value("web-if-total", range(lang, of, |sum| money(Some(sum))));
            }
            Criterion::Quantity(of) => self.units("web-if-quantity", of),
            Criterion::Lines(of) => self.units("web-if-lines", of),
            Criterion::DeliveryMode(words) => {
                self.known("web-if-delivery", "web-delivery-", words);
            }
            Criterion::PaymentMode(words) => self.known("web-if-payment", "web-payment-", words),
            Criterion::PickupPoint(points) => self.value("web-if-point", listed(lang, points)),
            Criterion::Shop(count, of) => {
                let key = match count {
                    ShopCount::Decided => "web-if-shop-decided",
                    ShopCount::Accepted => "web-if-shop-accepted",
                    ShopCount::Cancelled => "web-if-shop-cancelled",
                    ShopCount::AcceptedLastHour => "web-if-hour-accepted",
                    ShopCount::CancelledLastHour => "web-if-hour-cancelled",
                };
                self.units(key, of);
            }
            Criterion::ShopCancelledShare(of) => {
                let percent = |share: f64| {
                    let text = format!("{}\u{a0}%", (share * 1000.0).round() / 10.0);
                    if lang == Lang::En {
                        text
                    } else {
                        text.replace('.', ",")
                    }
                };
                self.value("web-if-share", range(lang, of, percent));
            }
            Criterion::AnyLine(condition) => self.lines_of("web-if-any-line", condition),
            Criterion::AllLines(condition) => self.lines_of("web-if-every-line", condition),
        }
    }

    /// A condition on lines: what holds of one line stands below it.
    fn lines_of(&mut self, title: &str, condition: &Condition<LineCriterion>) {
        self.deeper(title, |lines| match condition {
            Condition::All(parts) => {
                for part in parts {
                    lines.condition(part, &|question, lines| lines.of_line(question));
                }
            }
            other => lines.condition(other, &|question, lines| lines.of_line(question)),
        });
    }

    fn of_line(&mut self, question: &LineCriterion) {
        let lang = self.lang;
        match question {
            LineCriterion::Sku(skus) => self.value("web-if-sku", listed(lang, skus)),
            LineCriterion::Category(codes) => self.value("web-if-category", listed(lang, codes)),
            LineCriterion::Quantity(of) => self.units("web-if-line-quantity", of),
            LineCriterion::Measured(wanted) => {
                self.yes(["web-if-measured", "web-if-measured-not"], *wanted);
            }
            LineCriterion::Stock(word) => self.say(lang.word(match word {
                StockWord::Known => "web-if-stock-known",
                StockWord::Unknown => "web-if-stock-unknown",
                StockWord::Doubtful => "web-if-stock-doubtful",
            })),
            LineCriterion::OnHand(of) => self.units("web-if-on-hand", of),
            LineCriterion::Reserved(of) => self.units("web-if-reserved", of),
            LineCriterion::Available(of) => self.units("web-if-available", of),
            LineCriterion::Shortage(of) => self.units("web-if-shortage", of),
        }
    }
}
