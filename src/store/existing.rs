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
}
