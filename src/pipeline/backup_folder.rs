//! The backup folder: which files are backups of this database, which are unfinished, when the next backup
//! is due, and which backups may be deleted.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// As in `qabyl-20261124T103000Z.db`.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// The backups of one database in one folder, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BackupFolder {
    folder: PathBuf,
    stem: String,
    made: Vec<Timestamp>,
    /// Files of backups that were not finished.
    pub(super) unfinished: Vec<PathBuf>,
}

impl BackupFolder {
    /// Reads the folder, creating it if necessary. Ignores files it did not name.
    pub(super) fn find(folder: &Path, database: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let stem = database.file_stem().unwrap_or_default();
        let mut found = Self {
            folder: folder.to_owned(),
            stem: stem.to_string_lossy().into_owned(),
            made: Vec::new(),
            unfinished: Vec::new(),
        };
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(at) = found.time_of(name) {
                found.made.push(at);
            } else if let Some((backup, _)) = name.split_once(crate::store::PARTIAL)
                && found.time_of(backup).is_some()
            {
                found.unfinished.push(entry.path());
            }
        }
        found.made.sort_unstable();
        Ok(found)
    }

    /// When the backup of this name was made; `None` if it is not the name of a backup.
    fn time_of(&self, name: &str) -> Option<Timestamp> {
        let time = name.strip_prefix(&self.stem)?.strip_prefix('-')?;
        let time = DateTime::strptime(TIME, time.strip_suffix(".db")?).ok()?;
        let at = time.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp();
        // Only a name exactly as this program writes it: other files are ignored.
        (self.name_of(at) == name).then_some(at)
    }

    fn name_of(&self, at: Timestamp) -> String {
        let time = at
            .to_zoned_datetime(TimeZone::UTC)
            .strftime(TIME)
            .to_string();
        format!("{}-{time}.db", self.stem)
    }

    /// The file of a backup made at this time.
    pub(super) fn file(&self, at: Timestamp) -> PathBuf {
        self.folder.join(self.name_of(at))
    }

    /// Whether a backup is due: the newest was made `every` ago, or there is none. A backup dated in the
    /// future is ignored.
    pub(super) fn is_due(&self, every: SignedDuration, now: Timestamp) -> bool {
        let past = self.made.iter().rev().find(|at| **at <= now);
        past.is_none_or(|newest| now.duration_since(*newest) >= every)
    }

    /// Adds a backup made at this time.
    pub(super) fn add(&mut self, at: Timestamp) {
        self.made.push(at);
        self.made.sort_unstable();
    }

    /// Backups that may be deleted: all except the newest of each of the last `hourly` hours and `daily` days
    /// that have any, and the newest of all.
    pub(super) fn surplus(&self, hourly: usize, daily: usize) -> Vec<Timestamp> {
        let mut kept: BTreeSet<Timestamp> = self.made.last().copied().into_iter().collect();
        kept.extend(newest_of_each(&self.made, "%Y%m%d%H", hourly));
        kept.extend(newest_of_each(&self.made, "%Y%m%d", daily));
        let is_surplus = |at: &&Timestamp| !kept.contains(*at);
        self.made.iter().filter(is_surplus).copied().collect()
    }
}

/// The newest backup of each of the last `count` spans that have one; `span` is the format of a span.
fn newest_of_each(made: &[Timestamp], span: &str, count: usize) -> Vec<Timestamp> {
    let mut seen = BTreeSet::new();
    let mut newest = Vec::new();
    for at in made.iter().rev() {
        let span = at
            .to_zoned_datetime(TimeZone::UTC)
            .strftime(span)
            .to_string();
        if !seen.contains(&span) {
            if seen.len() == count {
                break;
            }
            seen.insert(span);
            newest.push(*at);
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn every(start: &str, step: SignedDuration, count: i32) -> Vec<Timestamp> {
        (0..count).map(|n| at(start) + step * n).collect()
    }

    fn folder(made: Vec<Timestamp>) -> BackupFolder {
        BackupFolder {
            folder: PathBuf::from("/backups"),
            stem: "qabyl".to_owned(),
            made,
            unfinished: Vec::new(),
        }
    }

    #[test]
    fn names_say_their_time_and_others_are_none() {
        let none = folder(Vec::new());
        let made = at("2026-11-24T10:30:00Z");
        assert_eq!(
            none.file(made),
            Path::new("/backups/qabyl-20261124T103000Z.db")
        );
        assert_eq!(none.time_of("qabyl-20261124T103000Z.db"), Some(made));
        for other in [
            "qabyl.db",
            "qabyl-20261124T103000Z.db.partial",
            "qabyl-20261124T1030Z.db",
            "qabyl-20261324T103000Z.db",
            "qabyl-020261124T103000Z.db",
            "qabyl-20261124T103000.db",
            "qabyl-+20261124T103000Z.db",
            "qabyl-2026112 T103000Z.db",
            "qabyl-20261124T10300 Z.db",
            "qabyl-20261124T103060Z.db",
            "other-20261124T103000Z.db",
            "qabyl-2-20261124T103000Z.db",
            "qabyl-before-the-upgrade.db",
        ] {
            assert_eq!(none.time_of(other), None, "{other}");
        }
    }

    #[test]
    fn due_by_the_newest_copy_that_is_not_of_the_future() {
        let hour = SignedDuration::from_hours(1);
        let now = at("2026-11-24T10:30:00Z");
        assert!(folder(Vec::new()).is_due(hour, now));
        assert!(!folder(vec![now - hour + SignedDuration::from_secs(1)]).is_due(hour, now));
        assert!(folder(vec![now - hour, at("2036-01-01T00:00:00Z")]).is_due(hour, now));
    }

    #[test]
    fn a_month_of_hourly_copies_thins_out_to_a_day_of_hours_and_a_fortnight_of_days() {
        let step = SignedDuration::from_mins(20);
        let made = every("2026-10-25T00:10:00Z", step, 3 * 24 * 30);
        let folder = folder(made.clone());
        let surplus = folder.surplus(24, 14);
        let kept: Vec<Timestamp> = made
            .iter()
            .filter(|at| !surplus.contains(at))
            .copied()
            .collect();
        // The newest day's backup is one of the hourly ones, and the one before may be.
        assert_eq!(kept.len(), 24 + 13);
        assert_eq!(kept.last(), made.last());
        for at in &kept {
            assert_eq!(
                at.to_zoned_datetime(TimeZone::UTC).minute(),
                50,
                "{at}: the newest of its hour"
            );
        }
    }

    #[test]
    fn gaps_and_a_clock_that_ran_ahead_lose_nothing_old() {
        let old = every("2026-10-01T10:00:00Z", SignedDuration::from_hours(24), 10);
        let ahead = every("2036-01-01T00:00:00Z", SignedDuration::from_mins(5), 100);
        let all: Vec<Timestamp> = old.iter().chain(&ahead).copied().collect();
        let surplus = folder(all).surplus(24, 14);
        assert!(old.iter().all(|at| !surplus.contains(at)), "{surplus:?}");
        assert!(
            folder(old.clone()).surplus(1, 0).len() == 9,
            "the newest stays"
        );
    }
}
