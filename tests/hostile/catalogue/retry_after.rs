//! 429 with every form of `Retry-After`, and what `Date` may do to it.

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use qabyl::clock::Clock;

use crate::behaviour::{Behaviour, Class, Step};
use crate::honest::{answer, errors, html, raw, says};

const TOO_MANY: &str = "429 Too Many Requests";

fn date(at: Timestamp) -> String {
    let printer = rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&at).unwrap()
}

/// An HTTP date so many seconds from now.
fn in_s(seconds: i64) -> String {
    date(Clock::System.now() + SignedDuration::from_secs(seconds))
}

fn snooze(
    name: &str,
    pause_s: u64,
    headers: impl Fn() -> String + Send + Sync + 'static,
) -> Behaviour {
    Behaviour::by_call(name, move |_, _| {
        says(answer(TOO_MANY, &headers(), &errors("Too Many Requests")))
    })
    .reads(Class::Snooze)
    .post(Class::Snoozed)
    .pause_s(pause_s)
}

fn retry_after(name: &str, pause_s: u64, value: &'static str) -> Behaviour {
    snooze(&format!("429, Retry-After {name}"), pause_s, move || {
        format!("Retry-After: {value}\r\n")
    })
}

pub(super) fn all() -> Vec<Behaviour> {
    let absent = 5;
    let longest = 15 * 60;
    vec![
        snooze("429, no Retry-After", absent, String::new),
        retry_after("in seconds", 40, "40"),
        retry_after("of 0", 1, "0"),
        retry_after("negative", absent, "-30"),
        retry_after("of a day", longest, "86400"),
        retry_after("of 2^64", longest, "18446744073709551616"),
        retry_after(
            "of a thousand nines",
            longest,
            concat!("99999999999999999999", "99999999999999999999"),
        ),
        retry_after("with a fraction", absent, "1.5"),
        retry_after("of words", absent, "soon"),
        retry_after("empty", absent, ""),
        retry_after("with a plus", absent, "+7"),
        retry_after("of a date long past", 1, "Thu, 01 Jan 1970 00:00:00 GMT"),
        retry_after(
            "of a date far ahead",
            longest,
            "Thu, 01 Jan 2099 00:00:00 GMT",
        ),
        retry_after("of the last date", absent, "Fri, 31 Dec 9999 23:59:59 GMT"),
        retry_after(
            "of a date there never was",
            absent,
            "Tue, 31 Feb 2026 25:61:61 GMT",
        ),
        snooze("429, Retry-After a date", 30, || {
            format!("Retry-After: {}\r\n", in_s(30))
        }),
        snooze("429, Retry-After in the old date forms", 30, || {
            let at = Clock::System.now() + SignedDuration::from_secs(30);
            format!(
                "Retry-After: {}\r\n",
                at.strftime("%A, %d-%b-%y %H:%M:%S GMT")
            )
        }),
        snooze("429, Retry-After twice: the first counts", 45, || {
            format!("Retry-After: 45\r\nRetry-After: {}\r\n", in_s(600))
        }),
        snooze("429, dates by a clock of 2099", 120, || {
            "Date: Fri, 09 Jan 2099 00:00:00 GMT\r\nRetry-After: Fri, 09 Jan 2099 00:02:00 GMT\r\n"
                .to_owned()
        }),
        snooze("429, dates by a clock of 1970", 90, || {
            "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nRetry-After: Thu, 01 Jan 1970 00:01:30 GMT\r\n"
                .to_owned()
        }),
        Behaviour::new(
            "429 with a page",
            says(answer(TOO_MANY, "Retry-After: 40\r\n", &html("slow down"))),
        )
        .reads(Class::Snooze)
        .post(Class::Snoozed)
        .pause_s(40),
        Behaviour::new(
            "429, its body without end",
            vec![
                Step::Read,
                Step::Write(raw(TOO_MANY, "Retry-After: 40\r\n", b"")),
                Step::Flood(vec![b' '; 8192]),
            ],
        )
        .reads(Class::Snooze)
        .post(Class::Snoozed)
        .pause_s(40),
    ]
}
