//! Kaspi's deadline: so much working time of the merchant's schedule after the approval (KASPI_API §3),
//! and what happens to an order that still waits when the deadline is near.

use std::fmt::{self, Write as _};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

use super::calendar::{self, DayTime, Weekday};
use super::order::Order;
use super::verdict::Verdict;

/// Time within which an express order must be packed or cancelled; accepting it is not enough (KASPI_API §3).
const EXPRESS: SignedDuration = SignedDuration::from_mins(60);
/// Days in which a deadline is looked for: with more holidays than that there is no working time.
const DAYS_MAX: usize = 400;

/// What is proposed for an order that a rule still lets wait, or holds, when its deadline is near. The interlocks
/// still apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtDeadline {
    /// A wait becomes a hold: a person is notified.
    Hold,
    /// A wait becomes an accept; a hold stays a hold.
    AcceptWaiting,
    /// A wait or a hold becomes an accept.
    AcceptAll,
}

/// The working hours and the deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Working time an order may wait.
    pub deadline: SignedDuration,
    /// Working hours and holidays.
    pub hours: WorkingHours,
    /// What is proposed for an order that still waits at the last call.
    pub at_deadline: AtDeadline,
    /// Working time before the deadline at which the last call comes.
    pub last_call: SignedDuration,
    /// Working time before the deadline at which people are notified of an order that still waits.
    pub alert_before: SignedDuration,
}

impl Default for Schedule {
    /// The safe one: every hour counts, and nothing is accepted for the deadline.
    fn default() -> Self {
        Self {
            deadline: SignedDuration::from_hours(3),
            hours: WorkingHours::default(),
            at_deadline: AtDeadline::Hold,
            last_call: SignedDuration::from_mins(10),
            alert_before: SignedDuration::from_hours(1),
        }
    }
}

impl Schedule {
    /// When Kaspi cancels the order at the merchant's cost; for an express order, when it must be
    /// packed, should that be sooner.
    pub fn deadline_of(&self, order: &Order) -> Timestamp {
        self.before_deadline(order, SignedDuration::ZERO)
    }

    /// The same of an order that could be handled from `since` on, and is express or not.
    pub fn deadline_since(&self, of: (Timestamp, bool)) -> Timestamp {
        self.deadline_minus(of, SignedDuration::ZERO)
    }

    /// Time left of an order that could be handled from `since` on; negative once it has passed.
    pub fn left_since(
        &self,
        (since, express): (Timestamp, bool),
        now: Timestamp,
    ) -> SignedDuration {
        self.deadline_since((since, express)).duration_since(now)
    }

    /// When people are notified of an order that still waits: shortly before its deadline, and for an express order
    /// not in the first half of its hour.
    pub fn alert_of(&self, order: &Order) -> Timestamp {
        self.before_deadline(order, self.alert_before)
    }

    /// Time left until the deadline; negative once it has passed.
    pub fn left(&self, order: &Order, now: Timestamp) -> SignedDuration {
        self.deadline_of(order).duration_since(now)
    }

    /// What is proposed instead of the rule's proposal where the deadline is near.
    pub fn overrule(&self, order: &Order, proposed: &Verdict, now: Timestamp) -> Option<Verdict> {
        let waits = matches!(proposed, Verdict::Wait { .. });
        if !waits && *proposed != Verdict::Hold || now < self.before_deadline(order, self.last_call)
        {
            return None;
        }
        // A pre-order has no stock, and accepting an express order is not packing it.
        let may_accept = !order.pre_order && !order.express;
        match self.at_deadline {
            AtDeadline::AcceptAll if may_accept => Some(Verdict::Accept),
            AtDeadline::AcceptWaiting if may_accept && waits => Some(Verdict::Accept),
            _ => waits.then_some(Verdict::Hold),
        }
    }

    /// The last moment at which an order that waits is decided by itself.
    pub fn last_moment(&self, order: &Order) -> Timestamp {
        self.before_deadline(order, self.last_call)
    }

    /// The moment at which `before` of the working time is left.
    fn before_deadline(&self, order: &Order, before: SignedDuration) -> Timestamp {
        self.deadline_minus((order.waiting_since(), order.express), before)
    }

    /// The deadline minus `before`, for an order that waits since then and is express or not.
    fn deadline_minus(
        &self,
        (since, express): (Timestamp, bool),
        before: SignedDuration,
    ) -> Timestamp {
        let used = (self.deadline - before).max(SignedDuration::ZERO);
        let at = self.hours.after(since, used);
        if !express {
            return at;
        }
        let packed = EXPRESS - before.min(EXPRESS / 2);
        at.min(since.saturating_add(packed).unwrap_or(since))
    }
}

/// Working hours of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shift {
    open: DayTime,
    close: DayTime,
}

/// The hours of each weekday, without holidays. Where none are given, every hour is a working hour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkingHours {
    /// `None`: around the clock.
    week: Option<[Vec<Shift>; 7]>,
    holidays: Vec<Holidays>,
}

/// Days on which no work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holidays {
    /// From one date to another, both included.
    Once(Date, Date),
    /// The same days of every year: month and day.
    Yearly((i8, i8), (i8, i8)),
}

impl Holidays {
    fn contains(self, date: Date) -> bool {
        let day = (date.month(), date.day());
        match self {
            Self::Once(first, last) => first <= date && date <= last,
            Self::Yearly(first, last) if first <= last => first <= day && day <= last,
            Self::Yearly(first, last) => first <= day || day <= last,
        }
    }
}

impl fmt::Display for Holidays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once(first, last) => write!(f, "{first}..{last}"),
            Self::Yearly(first, last) => {
                write!(
                    f,
                    "{:02}-{:02}..{:02}-{:02}",
                    first.0, first.1, last.0, last.1
                )
            }
        }
    }
}

impl WorkingHours {
    /// Parses `mon-fri 09:00-18:00, sat 10:00-15:00` and `2026-03-21..2026-03-23, 01-01`; either may be
    /// empty.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub fn parse(hours: &str, holidays: &str) -> Result<Self, String> {
        let mut week: [Vec<Shift>; 7] = Default::default();
        for part in parts(hours) {
            let (days, times) = part
                .split_once(' ')
                .ok_or_else(|| format!("'{part}' is not days and hours"))?;
            let shift = shift(times)?;
            for day in self::days(days)? {
                let of_day = &mut week[day as usize];
                if of_day
                    .iter()
                    .any(|other| shift.open < other.close && other.open < shift.close)
                {
                    return Err(format!("{} has hours that overlap", day.as_str()));
                }
                of_day.push(shift);
                of_day.sort_by_key(|shift| shift.open);
            }
        }
        let holidays = parts(holidays).map(holiday).collect::<Result<_, _>>()?;
        let week = week.iter().any(|day| !day.is_empty()).then_some(week);
        Ok(Self { week, holidays })
    }

    /// The first moment at which that much working time has passed since `start`.
    fn after(&self, start: Timestamp, time: SignedDuration) -> Timestamp {
        let plain = start.saturating_add(time).unwrap_or(Timestamp::MAX);
        if self.week.is_none() && self.holidays.is_empty() {
            return plain;
        }
        if !time.is_positive() {
            return start;
        }
        let mut left = time;
        let first = calendar::local(start).date();
        for date in first.series(jiff::Span::new().days(1)).take(DAYS_MAX) {
            for (open, close) in self.shifts(date) {
                let begins = open.max(start);
                let here = close.duration_since(begins);
                if here >= left {
                    return begins.saturating_add(left).unwrap_or(plain);
                }
                left -= here.max(SignedDuration::ZERO);
            }
        }
        // There are no working hours: every hour counts, which is early rather than late.
        plain
    }

    /// The working hours of a date as moments, in order.
    fn shifts(&self, date: Date) -> Vec<(Timestamp, Timestamp)> {
        if self.holidays.iter().any(|days| days.contains(date)) {
            return Vec::new();
        }
        let whole_day = [Shift {
            open: DayTime::of(date.at(0, 0, 0, 0)),
            close: DayTime::from_hour(24).unwrap_or(DayTime::of(date.at(23, 59, 0, 0))),
        }];
        let shifts = match &self.week {
            Some(week) => week[Weekday::of(date) as usize].as_slice(),
            None => &whole_day,
        };
        let midnight = date.at(0, 0, 0, 0);
        let at = |time: DayTime| {
            let minutes = jiff::Span::new().minutes(i64::from(time.minutes()));
            midnight
                .checked_add(minutes)
                .ok()
                .and_then(calendar::moment)
        };
        let both = |shift: &Shift| Some((at(shift.open)?, at(shift.close)?));
        shifts.iter().filter_map(both).collect()
    }
}

impl Serialize for WorkingHours {
    /// As text: the policy's digest must not depend on the representation.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for (day, shifts) in Weekday::ALL.iter().zip(self.week.iter().flatten()) {
            for Shift { open, close } in shifts {
                let _ = write!(text, "{} {open}-{close},", day.as_str());
            }
        }
        for days in &self.holidays {
            let _ = write!(text, "{days},");
        }
        serializer.serialize_str(&text)
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// `mon-fri` or `sat`; over the end of the week where the last comes first.
fn days(text: &str) -> Result<Vec<Weekday>, String> {
    let day = |word: &str| {
        Weekday::parse(word.trim()).ok_or_else(|| {
            format!(
                "'{}' is not a day: write {}",
                word.trim(),
                Weekday::WORDS.join(", ")
            )
        })
    };
    let Some((first, last)) = text.split_once('-') else {
        return Ok(vec![day(text)?]);
    };
    let (first, last) = (day(first)? as usize, day(last)? as usize);
    let count = (last + 7 - first) % 7 + 1;
    Ok(Weekday::ALL
        .iter()
        .cycle()
        .skip(first)
        .take(count)
        .copied()
        .collect())
}

fn shift(text: &str) -> Result<Shift, String> {
    let times = text
        .split_once('-')
        .and_then(|(open, close)| Some((DayTime::parse(open)?, DayTime::parse(close)?)));
    let (open, close) =
        times.ok_or_else(|| format!("'{}' is not hours such as 09:00-18:00", text.trim()))?;
    if open >= close {
        return Err(format!(
            "{open}-{close} ends before it begins: hours over midnight are written as two, to 24:00 and \
             from 00:00 of the next day"
        ));
    }
    Ok(Shift { open, close })
}

fn holiday(text: &str) -> Result<Holidays, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let wrong = || format!("'{text}' is not a date such as 2026-03-22, 03-22 or 03-21..03-23");
    if let (Ok(first), Ok(last)) = (first.trim().parse::<Date>(), last.trim().parse::<Date>()) {
        if first > last {
            return Err(format!("'{text}' ends before it begins"));
        }
        return Ok(Holidays::Once(first, last));
    }
    // A leap year has every day that there is.
    let yearly = |text: &str| {
        let date: Date = format!("2024-{}", text.trim()).parse().ok()?;
        Some((date.month(), date.day()))
    };
    match (yearly(first), yearly(last)) {
        (Some(first), Some(last)) => Ok(Holidays::Yearly(first, last)),
        _ => Err(wrong()),
    }
}
