//! A marker file beside the database while an import is being sent. A run that was killed during the
//! POST, or got no answer, leaves it behind, and the next run finds it. Kaspi cannot tell a repeated
//! import from a new one.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::files::{folder_of, replace};

/// The marker of one file of products for one shop.
pub struct UnfinishedImport(PathBuf);

impl UnfinishedImport {
    /// Named after a digest of shop and file.
    pub fn of(database: &Path, shop: &str, body: &[u8]) -> Self {
        let digest = Sha256::new()
            .chain_update(shop)
            .chain_update([0])
            .chain_update(body);
        let mut name = "qabyl-import-".to_owned();
        for byte in digest.finalize().iter().take(8) {
            let _ = write!(name, "{byte:02x}");
        }
        name.push_str(".sent");
        Self(database.with_file_name(name))
    }

    /// Whether the outcome of an earlier import of this file is unknown.
    pub fn exists(&self) -> bool {
        self.0.exists()
    }

    /// Writes the marker to the disk, before the import is sent.
    ///
    /// # Errors
    /// When it cannot be written: then nothing may be sent.
    pub fn write(&self, text: &str) -> Result<(), MarkerError> {
        let write = || {
            replace(&self.0, format!("{text}\n").as_bytes())?;
            File::open(folder_of(&self.0))?.sync_all()
        };
        write().map_err(|source| MarkerError {
            file: self.0.clone(),
            source,
        })
    }

    /// Removes the marker: the outcome is known.
    pub fn remove(&self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The marker could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}, which marks the import as unfinished: {source}; nothing was sent", file.display())]
pub struct MarkerError {
    file: PathBuf,
    source: std::io::Error,
}
