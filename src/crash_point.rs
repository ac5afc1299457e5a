//! Places where a test ends the process as `kill -9` would: at once, nothing unwound, nothing flushed.
//!
//! Without the feature `failpoints` they compile to nothing. With it, the variable `FAILPOINTS` of the crate `fail`
//! names the place: `FAILPOINTS="attempt.after_commit=3*off->return"` ends the process the fourth time it gets there.
//! `tests/kill/` does so at every place.

/// Every place, by name. A death before a commit loses all of its transaction, one after it loses nothing.
pub const NAMES: [&str; 53] = [
    // Start: the lock, the schema, the lease, what the last process left open.
    "lock.taken",
    "migrate.before",
    "migrate.after",
    "lease.taken",
    "recover.before_commit",
    "recover.after_commit",
    "repair.before_commit",
    "repair.after_commit",
    // Reading new orders and their lines.
    "list.page_read",
    "poll.listed",
    "order.inserted",
    "scan.before_commit",
    "scan.after_commit",
    "lines.read",
    "lines.before_commit",
    "lines.after_commit",
    // Deciding.
    "decision.inserted",
    "reservation.inserted",
    "action.inserted",
    "deciding.before_commit",
    "deciding.after_commit",
    // Acting: the order read again, the attempt, its POST, its outcome.
    "order.read_again",
    "attempt.before_commit",
    "attempt.after_commit",
    "post.leaving",
    "post.in_flight",
    "post.answered",
    "outcome.known",
    "outcome.before_commit",
    "outcome.after_commit",
    // Reading back what became of it.
    "action_end.before_commit",
    "action_end.after_commit",
    "reservation.released",
    "reservation.consumed",
    "sweep.read",
    "sweep.before_commit",
    "sweep.after_commit",
    // Notifying a person.
    "alert.before_commit",
    "alert.after_commit",
    "notify.before_packed",
    "notify.after_packed",
    "notify.before_delivered",
    "notify.after_delivered",
    // Commands.
    "person.before_commit",
    "person.after_commit",
    "stock.row_put",
    "stock.before_commit",
    "stock.after_commit",
    "backup.begun",
    "backup.copied",
    "restore.copied",
    "restore.before_commit",
    "restore.after_commit",
];

/// Ends the process here, where `FAILPOINTS` says so.
///
/// # Panics
/// Where the name is not in [`NAMES`].
#[cfg(feature = "failpoints")]
pub fn crash_point(name: &'static str) {
    use std::io::Write as _;
    static LISTEN: std::sync::Once = std::sync::Once::new();
    // What is configured stays so for the whole life of the process.
    LISTEN.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    assert!(NAMES.contains(&name), "{name} is not in the list of places");
    if fail::eval(name, |_| ()).is_some() {
        // Standard error is not buffered: this is on its way before the end.
        let _ = writeln!(std::io::stderr(), "crash point {name}");
        std::process::abort();
    }
}

/// Ends the process here, where `FAILPOINTS` says so.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub const fn crash_point(_: &'static str) {}

/// How long a request is in flight before the process may end: by then it is written to the connection.
#[cfg(feature = "failpoints")]
const IN_FLIGHT: std::time::Duration = std::time::Duration::from_millis(10);

/// Waits for an answer; the process may end while it is still to come.
#[cfg(feature = "failpoints")]
pub async fn in_flight<F: Future>(name: &'static str, answer: F) -> F::Output {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        () = tokio::time::sleep(IN_FLIGHT) => crash_point(name),
    }
    answer.await
}

/// Waits for an answer; the process may end while it is still to come.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn in_flight<F: Future>(_: &'static str, answer: F) -> F {
    answer
}
