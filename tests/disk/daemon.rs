//! The daemon as a process.

use std::process::{Child, Command, Stdio};

use super::desk::Desk;

pub(super) struct Daemon {
    child: Child,
    /// Carries its output to the log, where the log must not be its own file.
    carrier: Option<Child>,
}

impl Daemon {
    /// Starts `qabyl run`.
    pub(super) fn start(desk: &Desk) -> Self {
        Self::spawn(desk, desk.command(&["run"]))
    }

    /// Starts a command whose output goes into the desk's log.
    pub(super) fn spawn(desk: &Desk, mut command: Command) -> Self {
        let log = desk.log_file();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        Self {
            child,
            carrier: None,
        }
    }

    /// The same, through a pipe: limits on the process's files are none on its log.
    pub(super) fn spawn_piped(desk: &Desk, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let carrier = Command::new("cat")
            .stdin(Stdio::from(child.stdout.take().unwrap()))
            .stdout(desk.log_file())
            .spawn();
        Self {
            child,
            carrier: Some(carrier.unwrap()),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let status = kill.args([signal, &self.pid().to_string()]).status();
        assert!(status.unwrap().success(), "kill {signal}");
    }

    /// Stops it in mid-air, and gives back once every thread of it stands.
    pub(super) fn freeze(&self) {
        self.signal("-STOP");
        while !self.stands() {
            std::thread::yield_now();
        }
    }

    /// Whether every thread of it is stopped by a signal.
    pub(super) fn stands(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        tasks.into_iter().all(|task| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
            // A thread that has just ended stands still too.
            let Ok(stat) = stat else { return true };
            stat.rsplit(')').next().unwrap().starts_with(" T")
        })
    }

    pub(super) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Its exit code, once it has ended.
    pub(super) fn ended(&mut self) -> Option<i32> {
        let status = self.child.try_wait().unwrap()?;
        Some(status.code().unwrap_or(-1))
    }

    /// Kills it as a power cut of the process alone would.
    pub(super) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(mut carrier) = self.carrier.take() {
            // It ends with the pipe.
            let _ = carrier.wait();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that failed leaves no process behind.
        self.end();
    }
}
