//! Pages stay up to date: a browser keeps one stream open, and is sent a word when something was written.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::super::Shared;
use super::door::Visit;
use crate::net::Peer;

/// Streams of one session: one for each of a few open pages.
const STREAMS_MAX: usize = 4;
/// How often a stream looks whether something was written.
const EVERY: Duration = Duration::from_secs(1);
/// A page is refreshed at least so often, so that it shows how old its lists are.
const QUIET_MAX: Duration = Duration::from_secs(30);

/// The open streams of each session.
#[derive(Default)]
pub(crate) struct Live(Arc<Mutex<HashMap<i64, usize>>>);

/// An open stream.
struct Open {
    all: Arc<Mutex<HashMap<i64, usize>>>,
    session: i64,
}

impl Live {
    fn open(&self, session: i64) -> Option<Open> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(session).or_default();
        if *count >= STREAMS_MAX {
            return None;
        }
        *count += 1;
        Some(Open {
            all: Arc::clone(&self.0),
            session,
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.session);
            }
        }
    }
}

/// A stream under way.
struct Stream {
    shared: Shared,
    session: i64,
    peer: Peer,
    seen: Option<i64>,
    quiet: Duration,
    _open: Open,
}

/// `GET /events`
pub(super) async fn events(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Response {
    let Some(session) = visit.visitor.as_ref().map(|visitor| visitor.session.id) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Some(open) = shared.live.open(session) else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    let state = Stream {
        shared,
        session,
        peer,
        seen: None,
        quiet: Duration::ZERO,
        _open: open,
    };
    Sse::new(stream::unfold(state, next)).into_response()
}

/// Waits until something was written. The stream ends with the session, and when the daemon stops.
async fn next(mut state: Stream) -> Option<(Result<Event, Infallible>, Stream)> {
    let shared = state.shared.clone();
    loop {
        if state.seen.is_some() {
            tokio::select! {
                () = shared.stop.cancelled() => return None,
                // By the browser's time: a test's would fly.
                () = tokio::time::sleep(EVERY) => state.quiet += EVERY,
            }
        }
        // Nothing more is expected from the browser.
        state.peer.has_asked();
        let newest = shared.store.newest_audit_row().await.ok()?;
        let event = |name: &str| Ok(Event::default().event(name).data(newest.to_string()));
        match state.seen.replace(newest) {
            None => return Some((event("ready"), state)),
            Some(before) if before != newest || state.quiet >= QUIET_MAX => {
                let lets_in = shared
                    .store
                    .session_lets_in(state.session, shared.clock.now());
                if !lets_in.await.ok()? {
                    return None;
                }
                state.quiet = Duration::ZERO;
                return Some((event("changed"), state));
            }
            Some(_) => {}
        }
    }
}
