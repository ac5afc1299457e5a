//! What must be the case for a crash point to be passed, and in which process.

/// No place of the program: a moment.
pub(crate) const RANDOM: &str = "random";
/// A moment, and another one within the first 300 ms of the next start.
pub(crate) const DOUBLE: &str = "double";

/// How the process comes to pass the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// The daemon at its work; it may pass the point so often before it dies.
    Work { spared: u32 },
    /// Any process on a database that is not there yet, or, the last time, on the one in use.
    NewDatabase,
    /// The daemon after one that died with a POST under way.
    LostPost,
    /// The daemon after one whose clock ran ahead.
    ClockAhead,
    /// The daemon with an order whose deadline is near.
    Deadline,
    /// `qabyl stock import` beside the daemon.
    Import { spared: u32 },
    /// `qabyl backup` beside the daemon.
    Backup,
    /// `qabyl restore` in the place of the database.
    Restore,
    /// `qabyl accept`, `hold` or `release` beside the daemon.
    Person,
    /// At a random moment.
    Moment { again: bool },
}

impl Scene {
    pub(crate) fn of(point: &str) -> Self {
        let (part, _) = point.split_once('.').unwrap_or((point, ""));
        match part {
            "migrate" => Self::NewDatabase,
            "recover" => Self::LostPost,
            "repair" => Self::ClockAhead,
            "alert" | "notify" => Self::Deadline,
            "stock" if point == "stock.row_put" => Self::Import { spared: 40 },
            "stock" => Self::Import { spared: 0 },
            "backup" => Self::Backup,
            "restore" => Self::Restore,
            "person" => Self::Person,
            RANDOM => Self::Moment { again: false },
            DOUBLE => Self::Moment { again: true },
            _ => Self::Work {
                spared: spared(point),
            },
        }
    }
}

/// How often the daemon passes a point within a moment or two.
fn spared(point: &str) -> u32 {
    match point {
        "list.page_read" => 6,
        "order.inserted" | "decision.inserted" | "action.inserted" | "post.leaving"
        | "post.in_flight" | "post.answered" | "outcome.known" => 4,
        "reservation.inserted" => 3,
        "attempt.before_commit"
        | "attempt.after_commit"
        | "outcome.before_commit"
        | "outcome.after_commit"
        | "order.read_again" => 2,
        "lock.taken" | "lease.taken" | "reservation.released" | "reservation.consumed" => 0,
        _ => 1,
    }
}
