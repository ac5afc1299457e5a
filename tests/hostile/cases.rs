//! Every behaviour against every call, and what must hold of each.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::SignedDuration;
use qabyl::clock::Clock;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::behaviour::{Behaviour, Call, Class, Port};
use crate::calls::{Answer, Limits, TOKEN, client, perform};
use crate::wire::{Hostile, header};

/// For answers that come at once: never reached, however loaded the machine.
const PATIENT: Limits = Limits {
    connect: Duration::from_mins(1),
    request: Duration::from_mins(1),
};

/// For servers that never end.
const BRIEF: Limits = Limits {
    connect: Duration::from_millis(700),
    request: Duration::from_secs(4),
};

/// For servers that let nobody connect.
const BRIEF_CONNECT: Limits = Limits {
    connect: BRIEF.connect,
    request: PATIENT.request,
};

/// What a loaded machine may take beyond the limits.
const MARGIN: Duration = Duration::from_secs(10);

/// A read waits this long within one call where Kaspi asks to, and so often.
const WAITS: Duration = Duration::from_secs(2 * 5);

/// `kaspi.body_max_bytes` with room for the largest of them.
const BODY_BYTES_LARGE: u64 = 8 << 20;

/// Less is enough for most, and reads an endless body in less time.
const BODY_BYTES_SMALL: u64 = 1 << 20;

/// Cases at once.
const AT_ONCE: usize = 64;

/// What went wrong in one case.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) unbounded: Vec<String>,
    pub(crate) wrong: Vec<String>,
    pub(crate) leaks: Vec<String>,
}

impl Verdict {
    fn add(&mut self, other: Self) {
        self.unbounded.extend(other.unbounded);
        self.wrong.extend(other.wrong);
        self.leaks.extend(other.leaks);
    }
}

/// Runs every case and gives what went wrong in all of them.
pub(crate) async fn run(behaviours: Vec<Behaviour>, elsewhere: SocketAddr) -> Verdict {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut cases = JoinSet::new();
    for behaviour in behaviours.into_iter().map(Arc::new) {
        for call in Call::ALL {
            let (behaviour, slots) = (Arc::clone(&behaviour), Arc::clone(&slots));
            cases.spawn(async move {
                // Waiting for a time limit takes nobody's place.
                let _slot = if behaviour.waits {
                    None
                } else {
                    Some(slots.acquire().await.unwrap())
                };
                let case = AssertUnwindSafe(case(&behaviour, call, elsewhere));
                case.catch_unwind().await.unwrap_or_else(|_| Verdict {
                    wrong: vec![format!("{} / {call:?}: a panic", behaviour.name)],
                    ..Verdict::default()
                })
            });
        }
    }
    let mut all = Verdict::default();
    while let Some(verdict) = cases.join_next().await {
        all.add(verdict.unwrap());
    }
    all
}

async fn case(behaviour: &Behaviour, call: Call, elsewhere: SocketAddr) -> Verdict {
    let name = format!("{} / {call:?}", behaviour.name);
    let server = Hostile::open(behaviour.port, behaviour.plan(call, elsewhere)).await;
    let limits = match (behaviour.waits, behaviour.port) {
        (false, _) => PATIENT,
        (true, Port::Full | Port::Https) => BRIEF_CONNECT,
        (true, _) => BRIEF,
    };
    let scheme = if behaviour.port == Port::Https {
        "https"
    } else {
        "http"
    };
    let base_url = format!("{scheme}://{}/shop/api", server.address);
    let body_max_bytes = if behaviour.large {
        BODY_BYTES_LARGE
    } else {
        BODY_BYTES_SMALL
    };
    let client = client(base_url, limits, body_max_bytes);
    let mut verdict = Verdict::default();
    for round in 0..=usize::from(behaviour.again_after.is_some()) {
        if let (1, Some(gap)) = (round, behaviour.again_after) {
            tokio::time::sleep(gap).await;
        }
        let name = format!("{name} ({})", round + 1);
        let started = Clock::System.ticks();
        let bound = limits.connect + limits.request + WAITS + MARGIN;
        let Ok(answer) = tokio::time::timeout(bound, perform(&client, call)).await else {
            verdict.unbounded.push(name);
            break;
        };
        let took = Clock::System.ticks().saturating_sub(started);
        judge(&mut verdict, behaviour, call, &name, &answer);
        judge_time(&mut verdict, behaviour, &name, took, limits);
        if answer.class == Class::NotSent && !server.seen.all().is_empty() {
            verdict
                .wrong
                .push(format!("{name}: reported as not sent, and it arrived"));
        }
    }
    let requests = server.seen.all();
    judge_requests(&mut verdict, behaviour, call, &name, &server, &requests);
    verdict
}

fn judge(verdict: &mut Verdict, behaviour: &Behaviour, call: Call, name: &str, answer: &Answer) {
    let allowed = behaviour.allowed(call);
    if !allowed.contains(&answer.class) {
        let shown: String = answer.text.chars().take(300).collect();
        let class = match &answer.class {
            Class::Wrong(_) => "something wrong".to_owned(),
            class => format!("{class:?}"),
        };
        verdict
            .wrong
            .push(format!("{name}: {class} in place of {allowed:?}: {shown}"));
    }
    for secret in [TOKEN, crate::honest::PERSON, "canary"] {
        if answer.text.contains(secret) {
            verdict
                .leaks
                .push(format!("{name}: {secret} in {}", answer.text));
        }
    }
    if let (Some(pause), Some(until)) = (behaviour.pause_s, answer.until) {
        let pause = SignedDuration::from_secs(pause.cast_signed());
        let left = until.duration_since(Clock::System.now());
        let slack = SignedDuration::from_secs(8);
        if left > pause + SignedDuration::from_secs(2) || left < pause - slack {
            verdict
                .wrong
                .push(format!("{name}: a pause of {left:?} in place of {pause:?}"));
        }
    }
}

/// Within the time limits; and a server that ends by itself ends the call, not the clock.
fn judge_time(
    verdict: &mut Verdict,
    behaviour: &Behaviour,
    name: &str,
    took: Duration,
    limits: Limits,
) {
    let waits = if behaviour.pause_s.is_some() {
        WAITS
    } else {
        Duration::ZERO
    };
    let limit = if behaviour.waits {
        BRIEF.connect + BRIEF.request + waits + MARGIN
    } else {
        // The limits here are long, and nothing may come near them.
        limits.request.min(limits.connect) / 2 + waits + MARGIN
    };
    if took > limit {
        verdict.unbounded.push(format!("{name}: {took:?}"));
    }
}

fn judge_requests(
    verdict: &mut Verdict,
    behaviour: &Behaviour,
    call: Call,
    name: &str,
    server: &Hostile,
    requests: &[Vec<u8>],
) {
    let rounds = if behaviour.again_after.is_some() {
        2
    } else {
        1
    };
    // A read that was asked to wait may ask twice more; a POST is never repeated.
    let most = match call {
        Call::Post => rounds,
        _ if behaviour.pause_s.is_some() => 3,
        _ => 2 * rounds,
    };
    if requests.len() > most {
        verdict
            .wrong
            .push(format!("{name}: {} requests", requests.len()));
    }
    for request in requests {
        let host = header(request, "host");
        if header(request, "x-auth-token").as_deref() != Some(TOKEN)
            || host != Some(server.address.to_string())
        {
            verdict
                .wrong
                .push(format!("{name}: sent to {host:?} without the token"));
        }
        if header(request, "cookie").is_some() || header(request, "authorization").is_some() {
            verdict
                .leaks
                .push(format!("{name}: a server's secret was sent back"));
        }
    }
}
