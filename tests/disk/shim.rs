//! The shim of `shim.c` and the plan it shares with a test.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

const ENOSPC: u64 = 28;
const EIO: u64 = 5;

/// What a failing call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errno {
    Io,
    Full,
}

impl Errno {
    pub(super) const ALL: [Self; 2] = [Self::Io, Self::Full];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Io => "EIO",
            Self::Full => "ENOSPC",
        }
    }
}

/// Places of the plan's numbers, as in `shim.c`.
const CALLS: u64 = 0;
const FAILED: u64 = 1;
const FROM: u64 = 2;
const UNTIL: u64 = 3;
const ERROR: u64 = 4;
const STOPS: u64 = 5;

/// Which calls of one process fail.
pub(super) struct Plan {
    path: PathBuf,
    file: File,
}

impl Plan {
    pub(super) fn new(path: &Path) -> Self {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(path).unwrap();
        file.set_len(6 * 8).unwrap();
        Self {
            path: path.to_owned(),
            file,
        }
    }

    /// Loads the shim into a command about to be started; `part` is in the paths of the files meant.
    pub(super) fn load(&self, command: &mut Command, part: &str) {
        command
            .env("LD_PRELOAD", library())
            .env("QABYL_SHIM_PLAN", &self.path)
            .env("QABYL_SHIM_PATH", part);
    }

    /// Fails the `n`-th call from now on, and after it so many more.
    pub(super) fn arm(&self, n: u64, errno: Errno, more: u64) {
        let error = match errno {
            Errno::Io => EIO,
            Errno::Full => ENOSPC,
        };
        let from = self.get(CALLS) + n;
        self.set(ERROR, error);
        self.set(UNTIL, from.saturating_add(1).saturating_add(more));
        self.set(FROM, from);
    }

    pub(super) fn disarm(&self) {
        self.set(UNTIL, 0);
    }

    /// Stops the process at its next connection.
    pub(super) fn stop_at_connect(&self) {
        self.set(STOPS, 1);
    }

    /// Whether it stopped at a connection, as asked.
    pub(super) fn stopped_at_connect(&self) -> bool {
        self.get(STOPS) == 0
    }

    /// Calls that failed so far.
    pub(super) fn failed(&self) -> u64 {
        self.get(FAILED)
    }

    fn get(&self, place: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, place * 8).unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn set(&self, place: u64, value: u64) {
        let bytes = value.to_ne_bytes();
        self.file.write_all_at(&bytes, place * 8).unwrap();
    }
}

/// Compiles the shim, once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shim.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/shim.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-Wall", "-Werror", source, "-ldl", "-o"]);
        let done = cc.arg(&path).status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "the shim needs a C compiler: install gcc and libc6-dev"
        );
        (folder, path)
    });
    path
}
