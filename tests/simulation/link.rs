//! The wire between the client and the world: no sockets, and everything that can go wrong on one.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use qabyl::clock::{Clock, SimulatedTime};
use qabyl::kaspi::{Method, Transport, TransportError, WireRequest, WireResponse};
use qabyl_sandbox::{Reply, Request, Wire, World};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::plan::start;

pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// How far a replica may lag behind, in requests and in seconds.
const SNAPSHOTS: usize = 4;
const LAG_S_MAX: i64 = 60;

type Answer = Result<WireResponse, TransportError>;

/// Where the process dies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crash {
    /// At this many requests from now.
    pub(crate) after: u32,
    /// Once Kaspi has handled that request, or before.
    pub(crate) handled: bool,
}

/// How often an answer is not what the world holds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Untruth {
    /// Wrong in some way.
    pub(crate) lies: f64,
    /// Of a moment ago.
    pub(crate) stale: f64,
    /// An order without lines, asked for them alone.
    pub(crate) lineless: f64,
}

struct State {
    world: World,
    rng: Rng,
    crash: Option<Crash>,
    /// At this many requests from now the process falls asleep.
    sleep: Option<u32>,
    /// Nothing leaves a dead process.
    dead: bool,
    untruth: Untruth,
    /// Of its own, so that a story is what it would be without.
    lineless_rng: Rng,
    /// The world as it was at earlier requests, and when.
    past: VecDeque<(Timestamp, World)>,
}

/// One world and everything between it and us.
pub(crate) struct Link {
    state: Mutex<State>,
    time: Arc<SimulatedTime>,
    pub(crate) crashed: Notify,
    /// The process sleeps at a request, as one that was stopped does.
    pub(crate) asleep: Notify,
    awake: Notify,
}

impl Link {
    pub(crate) fn new(
        world: World,
        time: Arc<SimulatedTime>,
        seed: u64,
        untruth: Untruth,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                world,
                rng: Rng::with_seed(seed ^ 0x11AC),
                crash: None,
                sleep: None,
                dead: false,
                untruth,
                lineless_rng: Rng::with_seed(seed ^ 0x11e6),
                past: VecDeque::new(),
            }),
            time,
            crashed: Notify::new(),
            asleep: Notify::new(),
            awake: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Does something with the world, brought up to the true time.
    pub(crate) fn world<T>(&self, act: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let now = self.true_now();
        let mut state = self.state();
        state.world.advance(now);
        act(&mut state.world, now)
    }

    /// Kaspi's clock: ours without the jumps.
    pub(crate) fn true_now(&self) -> Timestamp {
        start() + Clock::Simulated(Arc::clone(&self.time)).ticks()
    }

    pub(crate) fn crash_at(&self, crash: Crash) {
        self.state().crash = Some(crash);
    }

    pub(crate) fn sleep_at(&self, requests: u32) {
        self.state().sleep = Some(requests);
    }

    /// Nothing else is to befall it as it wakes.
    pub(crate) fn wake(&self) {
        let mut state = self.state();
        (state.sleep, state.crash) = (None, None);
        drop(state);
        self.awake.notify_waiters();
    }

    /// Sleeps here if it is time to, until somebody wakes it.
    async fn maybe_sleep(&self) {
        let awake = self.awake.notified();
        match &mut self.state().sleep {
            None => return,
            Some(0) => {}
            Some(left) => {
                *left -= 1;
                return;
            }
        }
        {
            // One that is stopped does not die, whatever else of it is under way.
            let mut state = self.state();
            (state.sleep, state.crash) = (None, None);
        }
        self.asleep.notify_one();
        awake.await;
    }

    /// Another process starts.
    pub(crate) fn revive(&self) {
        self.state().dead = false;
        // Its last words fall asleep no more.
        let _ = self.asleep.notified().now_or_never();
    }

    pub(crate) fn honest(&self) {
        let mut state = self.state();
        state.untruth = Untruth::default();
        (state.crash, state.sleep) = (None, None);
    }

    /// Whether the process dies at this point of this request.
    fn dies(&self, handled: bool) -> bool {
        let mut state = self.state();
        if state.dead {
            return true;
        }
        let Some(crash) = &mut state.crash else {
            return false;
        };
        if crash.handled != handled {
            return false;
        }
        if crash.after > 0 {
            crash.after -= 1;
            return false;
        }
        state.crash = None;
        state.dead = true;
        drop(state);
        self.crashed.notify_one();
        true
    }

    fn handle(&self, request: &Request) -> Reply {
        let now = self.true_now();
        let mut state = self.state();
        let state = &mut *state;
        let reply = state.world.handle(now, request);
        let is_whole = reply.wire == Wire::Whole && reply.status == 200;
        let is_done = (200..300).contains(&reply.status) && reply.wire == Wire::Whole;
        let reply = if is_done
            && request.method == qabyl_sandbox::Method::Post
            && state.rng.f64() < state.untruth.lies
        {
            // Done all the same.
            Reply {
                status: 400,
                body: br#"{"errors":[{"title":"Order status can not be changed"}]}"#.to_vec(),
                ..reply
            }
        } else if is_whole
            && request.method == qabyl_sandbox::Method::Get
            && state.rng.f64() < state.untruth.stale
        {
            // A replica that lags: asked for its answer, whatever it records is thrown away.
            let near = |at: &Timestamp| now.duration_since(*at).as_secs() <= LAG_S_MAX;
            let past = state.past.iter_mut().find(|(at, _)| near(at));
            let past = past.map(|(_, past)| past.handle(now, request));
            past.filter(|past| past.wire == Wire::Whole && past.status == 200)
                .unwrap_or(reply)
        } else if is_whole
            && request.path.ends_with("/entries")
            && state.lineless_rng.f64() < state.untruth.lineless
        {
            // Not written there yet, as it may be of an order that is quite new.
            let is_known = state.lineless_rng.bool();
            Reply {
                status: if is_known { 200 } else { 404 },
                body: br#"{"data":[]}"#.to_vec(),
                ..reply
            }
        } else if is_whole
            && request.method == qabyl_sandbox::Method::Get
            && request.path.contains("/v2/orders")
            && !request.path.ends_with("/entries")
            && state.rng.f64() < state.untruth.lies
        {
            lie(reply, &mut state.rng)
        } else {
            reply
        };
        if state.untruth.stale > 0.0 {
            // Without its faults, and never brought forward: it shows that moment.
            let mut snapshot = state.world.clone();
            snapshot.set_faults(qabyl_sandbox::Faults::default());
            state.past.push_back((now, snapshot));
            if state.past.len() > SNAPSHOTS {
                state.past.pop_front();
            }
        }
        reply
    }

    async fn exchange(&self, request: &WireRequest) -> Answer {
        let clock = Clock::Simulated(Arc::clone(&self.time));
        self.maybe_sleep().await;
        if request.send_by.is_some_and(|until| clock.ticks() > until) {
            return Err(TransportError::NotSent(
                "its order was read too long ago".to_owned(),
            ));
        }
        if self.dies(false) {
            return std::future::pending().await;
        }
        let latency = Duration::from_millis(self.state().rng.u64(5..300));
        self.time.advance(latency);
        let reply = self.handle(&as_sandbox(request));
        if self.dies(true) {
            return std::future::pending().await;
        }
        if reply.wire == Wire::Hang || reply.delay > REQUEST_TIMEOUT {
            self.time.advance(REQUEST_TIMEOUT);
            return Err(TransportError::Timeout);
        }
        self.time.advance(reply.delay);
        match reply.wire {
            Wire::Whole => Ok(self.response(reply)),
            Wire::Truncate => Err(TransportError::Broken("the body ends too soon".to_owned())),
            _ => Err(TransportError::Broken("connection closed".to_owned())),
        }
    }

    fn response(&self, reply: Reply) -> WireResponse {
        let header = |name: &str| {
            let found = reply
                .headers
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        let date = jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&self.true_now())
            .unwrap();
        WireResponse {
            status: reply.status,
            retry_after: header("retry-after"),
            date: Some(date),
            body: reply.body,
        }
    }
}

impl Transport for Link {
    fn send<'a>(
        &'a self,
        request: &'a WireRequest,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(self.exchange(request))
    }
}

fn as_sandbox(request: &WireRequest) -> Request {
    let token = (
        "x-auth-token".to_owned(),
        request.token.expose_secret().to_owned(),
    );
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()));
    Request {
        method: match request.method {
            Method::Get => qabyl_sandbox::Method::Get,
            Method::Post => qabyl_sandbox::Method::Post,
        },
        path: format!("/shop/api{}", request.path),
        query: request.query.clone(),
        headers: headers.chain([token]).collect(),
        body: request.body.clone().unwrap_or_default(),
    }
}

/// A list that says more than it shows, shows an order twice, or leaves one out; another order than the
/// one asked for; an unknown word.
fn lie(mut reply: Reply, rng: &mut Rng) -> Reply {
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else {
        return reply;
    };
    if let Some(order) = body["data"].as_object_mut() {
        match rng.u8(..3) {
            0 => order["id"] = json!("T1RIRVI="),
            // A finished order is not asked about again, and its word is taken for good.
            1 if order["attributes"]["state"] != "ARCHIVE" => {
                order["attributes"]["status"] = json!("NOBODY_KNOWS_THIS");
            }
            _ => order["attributes"]["status"] = Value::Null,
        }
        reply.body = body.to_string().into_bytes();
        return reply;
    }
    let Some(data) = body["data"].as_array_mut() else {
        return reply;
    };
    match rng.u8(..4) {
        3 if !data.is_empty() => {
            let place = rng.usize(..data.len());
            if data[place]["attributes"]["state"] == "ARCHIVE" {
                return reply;
            }
            data[place]["attributes"]["state"] = json!("NOBODY_KNOWS_THIS");
        }
        0 if !data.is_empty() => {
            let place = rng.usize(..data.len());
            data.remove(place);
        }
        1 if !data.is_empty() => {
            let twice = data[rng.usize(..data.len())].clone();
            data.push(twice);
        }
        _ => {
            let total = body["meta"]["totalCount"].as_u64().unwrap_or(0);
            body["meta"]["totalCount"] = json!(total + rng.u64(1..5));
        }
    }
    reply.body = body.to_string().into_bytes();
    reply
}
