//! Everything the crate and its libraries log, searched for secrets as it is written.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

static LINES: AtomicUsize = AtomicUsize::new(0);
static LEAKS: AtomicUsize = AtomicUsize::new(0);

struct Search;

impl io::Write for Search {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.fetch_add(1, Ordering::Relaxed);
        if String::from_utf8_lossy(bytes).contains("canary-7f3a") {
            LEAKS.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens to the whole process at the loudest level, libraries included.
pub(crate) fn listen() {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(|| Search)
        .try_init()
        .unwrap();
}

/// Lines heard, and lines that held a secret.
pub(crate) fn heard() -> (usize, usize) {
    (LINES.load(Ordering::Relaxed), LEAKS.load(Ordering::Relaxed))
}
