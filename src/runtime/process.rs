//! What this process asks of the system: its memory kept from others of the same user, and enough descriptors.

/// From now on no other process of this user may read this one's memory, and no core is dumped: both hold tokens.
/// Where the system does not allow it, everything else is the same.
pub fn hide_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{
            DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit,
        };
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = setrlimit(Resource::Core, none);
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Files, sockets and the like of a daemon without shops, stock files being read and people who look at its pages included.
const DESCRIPTORS_BESIDE: u64 = 100;

/// Descriptors that so many shops need at most: each has its claim, and its requests in flight.
pub fn descriptors_needed(shops: usize, max_in_flight: usize) -> u64 {
    let each = u64::try_from(max_in_flight)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let shops = u64::try_from(shops).unwrap_or(u64::MAX);
    shops
        .saturating_mul(each)
        .saturating_add(DESCRIPTORS_BESIDE)
}

/// Raises this process's limit of descriptors to what it needs, as far as the system allows. Returns the limit then.
pub fn raise_descriptors(needed: u64) -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let now = limit.current.unwrap_or(u64::MAX);
        let wanted = needed.min(limit.maximum.unwrap_or(u64::MAX));
        if now >= wanted {
            return now;
        }
        let raised = Rlimit {
            current: Some(wanted),
            ..limit
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => wanted,
            Err(_) => now,
        }
    }
    #[cfg(not(unix))]
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_is_needed_and_no_further_than_allowed() {
        assert_eq!(descriptors_needed(1_000, 4), 5_100);
        let before = raise_descriptors(0);
        assert_eq!(raise_descriptors(before), before, "it is never lowered");
        assert!(raise_descriptors(u64::MAX) >= before);
    }
}
