//! Signals, on a thread of their own: they are heeded while every worker of the runtime is busy or stuck.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{FAILED, complain};

/// How long the end waits at most for the last log line to be written, where nothing reads the output.
const LAST_WORD_MAX: Duration = Duration::from_millis(200);

/// What the signals of this process ask for.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    /// Cancelled at SIGTERM or SIGINT, so that requests under way can end. A second one ends the process at once.
    pub(super) stop: CancellationToken,
    /// Notified at SIGHUP: rules and limits are to be read again.
    pub(super) reload: Arc<Notify>,
}

impl Signals {
    /// Listens from now on. Without SIGHUP where nothing can be read again: it ends the process then.
    ///
    /// # Errors
    /// The thread or its runtime could not be started.
    pub(super) fn listen(with_reload: bool) -> std::io::Result<Self> {
        let signals = Self::default();
        let heard = signals.clone();
        let (ready, is_ready) = sync_channel(1);
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || heard.hear(with_reload, &ready))?;
        is_ready.recv().map_err(std::io::Error::other)??;
        Ok(signals)
    }

    fn hear(&self, with_reload: bool, ready: &SyncSender<std::io::Result<()>>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build();
        let ended = runtime.and_then(|runtime| runtime.block_on(self.run(with_reload, ready)));
        if let Err(error) = ended {
            // Whoever listens waits for this.
            let _ = ready.send(Err(error));
        }
    }

    async fn run(
        &self,
        with_reload: bool,
        ready: &SyncSender<std::io::Result<()>>,
    ) -> std::io::Result<()> {
        let mut hangup = if with_reload {
            Some(signal(SignalKind::hangup())?)
        } else {
            None
        };
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let _ = ready.send(Ok(()));
        let mut is_stopping = false;
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
                () = next(hangup.as_mut()) => {
                    self.reload.notify_one();
                    continue;
                }
            }
            if is_stopping {
                exit();
            }
            is_stopping = true;
            self.stop.cancel();
        }
    }
}

fn exit() -> ! {
    let (said, is_said) = sync_channel(1);
    std::thread::spawn(move || {
        complain(
            "stopped at once: orders with a request in flight are read back at the next start",
        );
        // The process ends either way.
        let _ = said.send(());
    });
    let _ = is_said.recv_timeout(LAST_WORD_MAX);
    std::process::exit(i32::from(FAILED));
}

async fn next(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
