//! Whose turn it is to make a new database.

use std::path::Path;
use std::time::Duration;

use super::open::{BUSY, BUSY_PAUSE};
use crate::files::folder_of;

/// A file of at most so many bytes may still have to be made: its first page alone.
const NEW_BYTES_MAX: u64 = 4096;

/// The turn to make a new database. Processes that do so at once would otherwise fail each other's change to WAL and
/// first migration again and again, as SQLite refuses both at once, without waiting: on a loaded machine for longer
/// than anybody waits. The lock is one on the folder, so nothing is left behind. Whoever keeps it, as any reader of the
/// folder may, delays the others by [`BUSY`] only.
pub(super) async fn to_make(path: &Path) -> Option<std::fs::File> {
    let is_new = path.metadata().map_or(0, |file| file.len()) <= NEW_BYTES_MAX;
    if !is_new {
        return None;
    }
    let folder = crate::files::open_unchecked(folder_of(path)).ok()?;
    let mut waited = Duration::ZERO;
    while waited < BUSY {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(std::fs::TryLockError::WouldBlock) => {}
            Err(std::fs::TryLockError::Error(_)) => return None,
        }
        tokio::time::sleep(BUSY_PAUSE).await;
        waited += BUSY_PAUSE;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_new_database_is_made_by_one_at_a_time_and_an_old_one_waits_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qabyl.db");
        let first = to_make(&path).await;
        assert!(first.is_some(), "the first");
        let second = tokio::time::timeout(Duration::from_millis(200), to_make(&path));
        assert!(second.await.is_err(), "another one waits");
        drop(first);
        assert!(to_make(&path).await.is_some(), "free again");
        std::fs::write(&path, [0; 8192]).unwrap();
        assert!(to_make(&path).await.is_none(), "nothing is to be made");
    }
}
