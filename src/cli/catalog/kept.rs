//! Categories kept beside the database: there are some 4300, and they hardly ever change.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cli::complain;
use crate::config::Config;
use crate::kaspi::Named;

/// Kaspi adds a category now and then; one that is a week too old costs an import a mistake that is
/// told, and `--refresh` mends it.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

#[derive(Serialize, Deserialize)]
struct Kept {
    base_url: String,
    read_at: Timestamp,
    categories: Vec<Named>,
}

fn path(config: &Config) -> PathBuf {
    config.database.path.with_file_name("qabyl-categories.json")
}

/// What is kept of this Kaspi, if it is young enough. A file that is not whole is none.
pub(super) fn read(config: &Config, now: Timestamp) -> Option<Vec<Named>> {
    let kept: Kept = serde_json::from_slice(&std::fs::read(path(config)).ok()?).ok()?;
    let age = now.duration_since(kept.read_at);
    let is_young = !age.is_negative() && age < AGE_MAX;
    (is_young && kept.base_url == config.kaspi.base_url).then_some(kept.categories)
}

/// Keeps them; without, the next command asks Kaspi again.
pub(super) fn write(config: &Config, categories: &[Named], now: Timestamp) {
    let kept = Kept {
        base_url: config.kaspi.base_url.clone(),
        read_at: now,
        categories: categories.to_vec(),
    };
    let path = path(config);
    let written = serde_json::to_vec(&kept)
        .map_err(std::io::Error::from)
        .and_then(|text| crate::files::replace(&path, &text));
    if let Err(error) = written {
        complain(&format!(
            "categories are not kept in {}: {error}",
            path.display()
        ));
    }
}
