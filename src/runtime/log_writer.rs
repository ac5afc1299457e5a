//! Log lines leave through a thread of their own: an output that nobody reads delays no order and no stop. What waits
//! is bounded; lines beyond that are dropped, and their number is logged once lines leave again.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Bytes that wait for a reader, at most: some ten thousand lines.
const WAITING_MAX: usize = 4 * 1024 * 1024;

/// The end of the process waits for its last lines to leave, but no longer than this.
const LAST_LINES_MAX: Duration = Duration::from_secs(1);

/// Takes lines without ever waiting.
#[derive(Debug, Clone, Default)]
pub(super) struct LogWriter(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// The thread is writing what it took.
    is_writing: bool,
    dropped: u64,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, and takes them together with the number of those dropped before.
    fn take(&self) -> (Vec<u8>, u64) {
        let mut state = self.state();
        while state.waiting.is_empty() && state.dropped == 0 {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.is_writing = true;
        (
            std::mem::take(&mut state.waiting),
            std::mem::take(&mut state.dropped),
        )
    }
}

impl LogWriter {
    /// Writes to this output from now on; `report` logs the number of lines that were dropped.
    ///
    /// # Errors
    /// The thread could not be started.
    pub(super) fn to(
        mut output: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let writer = Self::default();
        let queue = Arc::clone(&writer.0);
        let write = move || loop {
            let (lines, dropped) = queue.take();
            // An output that was closed has no reader that could miss them.
            let _ = output.write_all(&lines).and_then(|()| output.flush());
            queue.state().is_writing = false;
            queue.changed.notify_all();
            if dropped > 0 {
                report(dropped);
            }
        };
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(write)?;
        Ok(writer)
    }

    /// Waits until what was logged has left, for a second at most.
    pub(super) fn wait_until_left(&self) {
        let state = self.0.state();
        let is_under_way = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        drop(
            self.0
                .changed
                .wait_timeout_while(state, LAST_LINES_MAX, is_under_way),
        );
    }
}

impl Write for LogWriter {
    /// One line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        if state.waiting.len() + line.len() > WAITING_MAX {
            state.dropped += 1;
        } else {
            state.waiting.extend_from_slice(line);
        }
        self.0.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Writes nothing before somebody reads; reports when it begins to wait for that.
    struct Unread {
        asked: Sender<()>,
        reads: Receiver<()>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Unread {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.send(()).map_err(io::Error::other)?;
            self.reads.recv().map_err(io::Error::other)?;
            self.read.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_nobody_reads_are_dropped_and_counted() {
        let (asked, asks) = channel();
        let (reader, reads) = channel();
        let (dropped, reported) = channel();
        let read = Arc::<Mutex<Vec<u8>>>::default();
        let output = Unread {
            asked,
            reads,
            read: Arc::clone(&read),
        };
        let report = move |lines| dropped.send(lines).unwrap();
        let mut log = LogWriter::to(output, report).unwrap();
        let line = [b'x'; 1024];
        let full = WAITING_MAX / line.len();
        // The thread holds the first line until somebody reads: all that follows waits in the queue.
        log.write_all(&line).unwrap();
        asks.recv().unwrap();
        for _ in 0..3 * full {
            log.write_all(&line).unwrap();
        }
        for _ in 0..3 {
            reader.send(()).unwrap();
        }
        let lost = usize::try_from(reported.recv().unwrap()).unwrap();
        assert_eq!(lost, 2 * full);
        log.write_all(b"goes on").unwrap();
        log.wait_until_left();
        let read = read.lock().unwrap();
        assert!(read.ends_with(b"goes on"));
        assert_eq!((read.len() - 7) / line.len(), 1 + full);
    }
}
