//! A browser in which a user is signed in: how long it stays so, and what ends it.

use jiff::{SignedDuration, Timestamp};

/// How long a link lets its user sign in.
pub const LINK_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// A session that nobody used for so long has ended. Each use begins the time again.
pub const UNUSED_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The user signed out.
    SignedOut,
    /// Somebody ended it from elsewhere.
    Revoked,
    /// The user was disabled.
    Disabled,
    /// The database was restored from a backup, which may not know that it had ended.
    Restored,
}

impl EndedBy {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::SignedOut,
        Self::Revoked,
        Self::Disabled,
        Self::Restored,
    ];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Restored => "restored",
        }
    }
}

/// Whether a session that was last used then is still one.
pub fn is_live(ended_at: Option<Timestamp>, last_used_at: Timestamp, now: Timestamp) -> bool {
    ended_at.is_none() && now.duration_since(last_used_at) < UNUSED_MAX
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{UNUSED_MAX, is_live};

    #[test]
    fn each_use_begins_the_thirty_days_again_and_an_end_is_final() {
        let used: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let last = used + UNUSED_MAX;
        assert!(is_live(None, used, last - SignedDuration::from_secs(1)));
        assert!(!is_live(None, used, last));
        assert!(!is_live(Some(used), used, used));
    }
}
