//! A note beside the database while an import is under way: whoever is killed in mid-POST, or hears no
//! answer, finds it at the next try. Kaspi cannot tell the same import from another.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::files::{folder_of, replace};

/// The note of one file for one shop.
pub(super) struct Note(PathBuf);

impl Note {
    pub(super) fn of(database: &Path, shop: &str, body: &[u8]) -> Self {
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

    /// Whether a sending before had no clear end.
    pub(super) fn is_there(&self) -> bool {
        self.0.exists()
    }

    /// Writes it to the disk, before anything is sent.
    pub(super) fn write(&self, what: &str) -> anyhow::Result<()> {
        let write = || {
            replace(&self.0, format!("{what}\n").as_bytes())?;
            File::open(folder_of(&self.0))?.sync_all()
        };
        write().map_err(|error: std::io::Error| {
            anyhow::anyhow!(
                "cannot note the import in {}: {error}; nothing was sent",
                self.0.display()
            )
        })
    }

    /// Takes it away: the end is clear.
    pub(super) fn remove(&self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
