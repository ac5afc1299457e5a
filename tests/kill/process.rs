//! One process of the real binary: given a place to die, watched, killed.

use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use qabyl::clock::Clock;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// How closely a process is watched.
const WATCH_EVERY: Duration = Duration::from_millis(2);

/// A machine with much else to do is slow; nothing here takes that long by itself.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) struct Process {
    child: Child,
    started: Duration,
    ready: Option<UnixDatagram>,
    /// What it wrote to standard error.
    errors: PathBuf,
}

impl Process {
    pub(crate) fn start(
        mut command: Command,
        errors: PathBuf,
        ready: Option<UnixDatagram>,
    ) -> Self {
        command.stderr(std::fs::File::create(&errors).unwrap());
        let started = Clock::System.ticks();
        Self {
            child: command.spawn().unwrap(),
            started,
            ready,
            errors,
        }
    }

    pub(crate) fn age(&self) -> Duration {
        Clock::System.ticks().saturating_sub(self.started)
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }

    /// Waits for the end; `while_waiting` is called now and then.
    fn ended(&mut self, mut while_waiting: impl FnMut(Duration)) -> Result<ExitStatus, String> {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Ok(status);
            }
            let age = self.age();
            if age > PATIENCE {
                return Err("it did not end".to_owned());
            }
            while_waiting(age);
            std::thread::sleep(WATCH_EVERY);
        }
    }

    /// Waits until it has died at this point, and nowhere else.
    pub(crate) fn dies_at(
        mut self,
        point: &str,
        while_waiting: impl FnMut(Duration),
    ) -> Result<(), String> {
        let status = self
            .ended(while_waiting)
            .map_err(|why| format!("{point} was not reached: {why}"))?;
        let errors = self.errors();
        let said = format!("crash point {point}\n");
        if status.signal() == Some(SIGABRT) && errors.contains(&said) {
            return Ok(());
        }
        Err(format!(
            "{point} was not where it ended: {status}\n{errors}"
        ))
    }

    /// Waits for a good end.
    pub(crate) fn succeeds(mut self) -> Result<(), String> {
        let status = self.ended(|_| {})?;
        if status.success() {
            return Ok(());
        }
        Err(format!("a command failed: {status}\n{}", self.errors()))
    }

    /// Waits for any end of its own; gives the exit code.
    pub(crate) fn exits(mut self) -> Result<i32, String> {
        let status = self.ended(|_| {})?;
        status
            .code()
            .ok_or_else(|| format!("a command died: {status}\n{}", self.errors()))
    }

    /// kill -9, now.
    pub(crate) fn kill(mut self) -> Result<(), String> {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        if status.signal() == Some(SIGKILL) {
            return Ok(());
        }
        Err(format!("it ended by itself: {status}\n{}", self.errors()))
    }

    /// Asks it to stop, which it does in time and with a good word.
    pub(crate) fn stop(self) -> Result<(), String> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        self.succeeds()
            .map_err(|why| format!("asked to stop: {why}"))
    }

    /// Waits until it notifies the service manager that every stage has run once.
    pub(crate) fn is_ready(&mut self) -> Result<(), String> {
        let socket = self.ready.take().unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let mut buffer = [0_u8; 4096];
        loop {
            if let Ok(length) = socket.recv(&mut buffer)
                && buffer[..length].starts_with(b"READY=1")
            {
                // Further messages find nobody, which is nothing to the daemon.
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!(
                    "it ended at its start: {status}\n{}",
                    self.errors()
                ));
            }
            if self.age() > PATIENCE {
                return Err("it did not get ready".to_owned());
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that failed leaves no process behind; one that ended is no longer there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
