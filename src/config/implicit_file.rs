//! Files that are read without being named: the `.env` beside the configuration, and `./qabyl.toml`.
//!
//! Whoever can write one of them chooses where the token is sent, so one that another user could have written
//! is refused.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::problem::ConfigError;

const ROOT: u32 = 0;
/// The owner that Linux shows for a user who has no number in this user namespace, as in a container.
const UNMAPPED: u32 = 65534;
const GROUP_WRITE: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// Whether the group of a file may have the right to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupWrites {
    /// As a usual umask of 002 leaves it.
    Allowed,
    Refused,
}

/// The text of a file; `None` where there is no such file.
///
/// # Errors
/// It cannot be read, or another user could have written it.
pub(super) fn read(file: &Path, group: GroupWrites) -> Result<Option<String>, ConfigError> {
    let failed = |source| ConfigError::Read {
        file: file.to_owned(),
        source,
    };
    // What was opened is checked: the name may lead elsewhere by now.
    let opened = match crate::files::open_unchecked(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    check(file, &opened.metadata().map_err(failed)?, group)?;
    Ok(Some(crate::files::text_of(opened).map_err(failed)?))
}

fn check(file: &Path, meta: &Metadata, group: GroupWrites) -> Result<(), ConfigError> {
    let caller = Caller::of_process();
    let reason = if meta.is_file() {
        objection(meta.uid(), meta.mode(), group, &caller)
    } else {
        Some("it is not a regular file".to_owned())
    };
    reason.map_or(Ok(()), |reason| {
        Err(ConfigError::Untrusted {
            file: file.to_owned(),
            reason,
        })
    })
}

/// Who runs this.
struct Caller {
    uid: u32,
    /// Who became root with sudo to run it: the command, and so the working directory, is theirs.
    by_sudo: Option<u32>,
}

impl Caller {
    fn of_process() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let sudo = std::env::var_os("SUDO_UID").and_then(|uid| uid.to_str()?.parse().ok());
        Self {
            uid,
            // Anybody may set the variable; whoever is root needs no trick.
            by_sudo: sudo.filter(|_| uid == ROOT),
        }
    }
}

/// Why a file is not to be trusted, and what to do about it.
fn objection(owner: u32, mode: u32, group: GroupWrites, caller: &Caller) -> Option<String> {
    let uid = caller.uid;
    if ![Some(ROOT), Some(uid), caller.by_sudo].contains(&Some(owner)) {
        if owner == UNMAPPED {
            return Some(format!(
                "its owner has no number in this user namespace (shown as {UNMAPPED}), so it is unknown who wrote it; \
                 map its owner into the container, or copy the file inside as the user who runs this ({uid})"
            ));
        }
        return Some(format!(
            "it belongs to user {owner}, who is neither root nor the user who runs this ({uid}); \
             remove it, or make it yours with chown"
        ));
    }
    let refused = match group {
        GroupWrites::Allowed => OTHERS_WRITE,
        GroupWrites::Refused => OTHERS_WRITE | GROUP_WRITE,
    };
    (mode & refused != 0).then(|| {
        let mode = mode & 0o7777;
        format!("other users can write it (mode {mode:04o}); look at what it says, then run chmod go-w on it")
    })
}

#[cfg(test)]
mod tests {
    use super::{Caller, GroupWrites, ROOT, UNMAPPED, objection};

    const CALLER: u32 = 1000;

    fn caller(uid: u32, by_sudo: Option<u32>) -> Caller {
        Caller { uid, by_sudo }
    }

    #[test]
    fn only_root_and_the_caller_may_have_written_it() {
        let user = caller(CALLER, None);
        let refused = |owner, mode, group| objection(owner, mode, group, &user).is_some();
        let both = [GroupWrites::Allowed, GroupWrites::Refused];
        for group in both {
            assert!(!refused(0, 0o100_644, group) && !refused(CALLER, 0o100_600, group));
            assert!(refused(1001, 0o100_600, group), "another user's");
            assert!(refused(CALLER, 0o100_646, group), "written by anybody");
        }
        assert!(refused(0, 0o100_664, GroupWrites::Refused));
        assert!(!refused(0, 0o100_664, GroupWrites::Allowed));
    }

    #[test]
    fn root_trusts_the_user_who_became_root_and_no_other() {
        let refused = |owner, by_sudo| {
            objection(owner, 0o600, GroupWrites::Refused, &caller(ROOT, by_sudo)).is_some()
        };
        assert!(
            !refused(CALLER, Some(CALLER)),
            "sudo qabyl in one's own folder"
        );
        assert!(refused(CALLER, None), "root itself, in somebody's folder");
        assert!(refused(1001, Some(CALLER)), "another user's");
    }

    #[test]
    fn an_owner_without_a_number_here_is_explained() {
        let why = objection(UNMAPPED, 0o600, GroupWrites::Refused, &caller(CALLER, None)).unwrap();
        assert!(
            why.contains("user namespace") && !why.contains("chown"),
            "{why}"
        );
    }
}
