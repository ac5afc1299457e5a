//! Databases that are there, and those that are not.

use std::path::Path;

use jiff::Timestamp;

use super::{Access, Store, StoreError};

impl Store {
    /// Whether there is a database at this path. An empty file is none.
    pub fn exists(path: &Path) -> bool {
        path.metadata().is_ok_and(|file| file.len() > 0)
    }

    /// Opens a database that is there. A mistyped path must not make a new one in which everything looks well.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when it is not there; otherwise as [`Store::open`].
    pub async fn open_existing(
        path: &Path,
        access: Access,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        if !Self::exists(path) {
            let path = path.to_owned();
            return Err(StoreError::Absent { path });
        }
        Self::open(path, access, now).await
    }

    /// Opens the database that stock is first put into. It is made where it can only be the first one: in a folder
    /// that is there and holds no other database, so that the path is not a mistyped one.
    ///
    /// # Errors
    /// As [`Store::open_existing`].
    pub async fn open_or_begin(
        path: &Path,
        access: Access,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        if Self::exists(path) || has_other_database(path) {
            return Self::open_existing(path, access, now).await;
        }
        Self::open(path, access, now).await
    }
}

/// What every SQLite file begins with.
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// Whether the folder of this path holds another database, or cannot be looked into.
fn has_other_database(path: &Path) -> bool {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = folder.read_dir() else {
        return true;
    };
    entries.filter_map(Result::ok).any(|entry| {
        entry.file_type().is_ok_and(|kind| kind.is_file()) && is_database(&entry.path())
    })
}

fn is_database(path: &Path) -> bool {
    crate::files::first_bytes(path).is_some_and(|first| first == *SQLITE)
}
