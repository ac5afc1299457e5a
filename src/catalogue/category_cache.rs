//! Categories cached in a file: there are about 4300, and they hardly ever change.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Named;
use crate::files;

/// Kaspi adds a category now and then. An outdated cache costs an import one reported mistake, and
/// `qabyl catalog categories --refresh` renews it.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Some ten times the cache of all categories.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Cached {
    base_url: String,
    read_at: Timestamp,
    categories: Vec<Named>,
}

/// The cached categories of the Kaspi at `base_url`, if they are recent enough. A damaged file counts
/// as none.
pub fn read(file: &Path, base_url: &str, now: Timestamp) -> Option<Vec<Named>> {
    let cached: Cached = serde_json::from_slice(&files::read_given(file, BYTES_MAX).ok()?).ok()?;
    let age = now.duration_since(cached.read_at);
    let is_recent = !age.is_negative() && age < AGE_MAX;
    (is_recent && cached.base_url == base_url).then_some(cached.categories)
}

/// Replaces the cache. The file is written whole or not at all.
///
/// # Errors
/// When it cannot be written; then the next command asks Kaspi again.
pub fn write(
    file: &Path,
    base_url: &str,
    categories: &[Named],
    now: Timestamp,
) -> std::io::Result<()> {
    let cached = Cached {
        base_url: base_url.to_owned(),
        read_at: now,
        categories: categories.to_vec(),
    };
    files::replace(file, &serde_json::to_vec(&cached)?)
}
