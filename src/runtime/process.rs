//! What this process keeps from others of the same user.

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
