//! What can go wrong with the database, by what the caller does next.

use std::path::PathBuf;

/// A database error. Its text covers its own layer; the source carries the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process works on this database.
    #[error("{} is in use by process {pid}, started {started}: stop it first, or use another database", path.display())]
    Held {
        /// The database.
        path: PathBuf,
        /// Its holder.
        pid: u32,
        /// When that process started.
        started: String,
    },
    /// Another process took the database over; this one must stop.
    #[error("the database was taken over by process {pid}; this process stops")]
    LeaseLost {
        /// The new holder.
        pid: i64,
    },
    /// The file cannot be opened or used as it must.
    #[error("cannot open {}: {why}", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// There is no such database. `qabyl run` and `qabyl init` make one; what brings stock makes the first of a folder.
    #[error("there is no database {}", path.display())]
    Absent {
        /// The database.
        path: PathBuf,
    },
    /// A schema change could not be made.
    #[error("the database's schema could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The schema is one from before 0.1.0, which was edited until that release.
    #[error("{} was made before the release of qabyl 0.1.0 and has a schema of that time: keep the file, start \
             with a new database and import the stock again; Kaspi's orders are read again", path.display())]
    PreRelease {
        /// The database.
        path: PathBuf,
    },
    /// A COMMIT failed: it is unknown whether it happened.
    #[error("a write ended without a clear answer")]
    Commit(#[source] sqlx::Error),
    /// A statement failed; nothing was written.
    #[error("the database refused a statement: {0}")]
    Statement(#[from] sqlx::Error),
    /// A stored value that this code never writes.
    #[error("the database holds {what} that is impossible: '{value}'")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// Its text.
        value: String,
    },
    /// An event that is impossible in the row's state: the row was changed from outside, or the code has a fault.
    #[error("the database holds what cannot be: {0}")]
    Impossible(#[from] crate::domain::action::InvalidTransition),
    /// The file is not an undamaged database.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found first.
        what: String,
    },
    /// There is no such order.
    #[error("there is no order {0} in the database")]
    NoOrder(String),
    /// What was asked for does not fit the order's state.
    #[error("{0}")]
    Refused(String),
    /// A manual decision that is not taken.
    #[error(transparent)]
    NotTaken(#[from] crate::domain::people::Refusal),
    /// Used after its end.
    #[error("the write had already ended")]
    Closed,
}

impl StoreError {
    pub(crate) fn corrupt(what: &'static str, value: impl Into<String>) -> Self {
        Self::Corrupt {
            what,
            value: value.into(),
        }
    }

    /// What happened, with the cause where there is one.
    pub fn words(&self) -> String {
        let cause = std::error::Error::source(self).map(ToString::to_string);
        cause.map_or_else(|| self.to_string(), |cause| format!("{self}: {cause}"))
    }

    /// The stable code of this error, a heading in the runbook.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Held { .. } => "D001",
            Self::LeaseLost { .. } => "D002",
            Self::Open { .. } => "D003",
            Self::Migrate(_) => "D004",
            Self::Commit(_) | Self::Statement(_) | Self::Closed => "D005",
            Self::Corrupt { .. } | Self::Impossible(_) | Self::Damaged { .. } => "D006",
            Self::NoOrder(_) => "D007",
            Self::Refused(_) | Self::NotTaken(_) => "D008",
            Self::PreRelease { .. } => "D010",
            Self::Absent { .. } => "D011",
        }
    }

    /// Whether the process must end.
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::LeaseLost { .. }
                | Self::Held { .. }
                | Self::Migrate(_)
                | Self::PreRelease { .. }
                | Self::Damaged { .. }
        )
    }

    /// What to do about it, by the cause that SQLite names.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Absent { .. } => {
                "check database.path in the configuration (`qabyl config dump`); `qabyl init` or `qabyl run` makes a \
                 new one"
            }
            Self::Damaged { .. } | Self::Corrupt { .. } => Cause::Damaged.hint(),
            Self::Commit(error) | Self::Statement(error) => {
                Cause::of(error).map_or(Cause::Other.hint(), Cause::hint)
            }
            Self::Migrate(_) => {
                "the database is from a newer qabyl or from another build: use that one, or restore a backup with \
                 `qabyl restore`"
            }
            _ => "",
        }
    }
}

/// Why SQLite could not do something, by its extended result code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The file is damaged, or no database.
    Damaged,
    /// The disk is full.
    Full,
    /// Another program has it locked.
    Locked,
    /// This user may not write it.
    NotWritable,
    /// The disk answers with an error.
    Disk,
    /// The schema is another one.
    Schema,
    /// Anything else.
    Other,
}

impl Cause {
    fn of(error: &sqlx::Error) -> Option<Self> {
        // SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC and SQLITE_IOERR_TRUNCATE: a full disk more often than a bad one.
        const WRITES: [i32; 3] = [778, 1034, 1546];
        let error = error.as_database_error()?;
        let code: i32 = error.code()?.parse().ok()?;
        Some(match (code & 0xff, code) {
            (11 | 26, _) => Self::Damaged,
            (13, _) => Self::Full,
            (10, code) if WRITES.contains(&code) => Self::Full,
            (5 | 6, _) => Self::Locked,
            (3 | 8 | 14 | 23, _) => Self::NotWritable,
            (10, _) => Self::Disk,
            (1, _) if error.message().starts_with("no such") => Self::Schema,
            _ => Self::Other,
        })
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::Damaged => {
                "the file is damaged: stop qabyl, keep the file, and put the newest backup in its place with \
                 `qabyl restore`"
            }
            Self::Full => {
                "the disk is full or cannot be written: make room; work goes on by itself"
            }
            Self::Locked => {
                "another program keeps the database locked (a browser for SQLite, a copy job): close it"
            }
            Self::NotWritable => {
                "the database, its -wal and -shm files and their folder must belong to the user that qabyl runs as"
            }
            Self::Disk => {
                "the disk reports an error: see `dmesg`, and save the newest backup elsewhere"
            }
            Self::Schema => {
                "the database is from another build of qabyl, or was changed by hand: use that build, or \
                 `qabyl restore`"
            }
            Self::Other => "report this with the lines before it",
        }
    }
}
