//! The real binary as a process, and what it leaves behind.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use qabyl::clock::Clock;
use tempfile::TempDir;

use crate::asked;
use crate::binary;
use crate::calls::TOKEN;
use crate::wire::Elsewhere;

/// Pages of code and other files that an idle release has in memory.
const CODE_KB: u64 = 12 * 1024;

/// A daemon, its folder, and the host that its environment would lead it to.
pub(crate) struct Daemon {
    child: Child,
    folder: TempDir,
    pub(crate) log: PathBuf,
}

impl Daemon {
    pub(crate) fn folder(base_url: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[database]\npath = \"qabyl.db\"\n[kaspi]\nbase_url = \"{base_url}\"\nrate_start = 1000\nrate_per_second = 1000\n\
             connect_timeout = \"1s\"\nrequest_timeout = \"2s\"\nretries_max = 1\n[poll]\nschedule = \"* * * * * *\"\n\
             [confirm]\nsweep_every = \"2s\"\n[http]\nlisten = \"\"\n[log]\nfilter = \"trace\"\n\
             [interlocks]\ncancel_confirm_after = \"0s\"\ncancel_budget_share = \"off\"\n\
             cancels_per_hour_max = \"off\"\n[actions]\nsettle = \"1s\"\n[[shops]]\nname = \"main\"\n\
             token_file = \"token\"\nmode = \"act\"\n"
        );
        std::fs::write(folder.path().join("qabyl.toml"), config).unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        folder
    }

    /// `proxy` is where the environment says requests should go, which nobody configured.
    pub(crate) fn start(folder: TempDir, proxy: Option<&Elsewhere>, log: &str) -> Self {
        let log = folder.path().join(log);
        let out = std::fs::File::create(&log).unwrap();
        let mut command = binary::qabyl(folder.path());
        if let Some(proxy) = proxy {
            for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
                command.env(name, format!("http://{}", proxy.address));
            }
        }
        command.arg("run").stdin(Stdio::null());
        let child = command.stderr(out.try_clone().unwrap()).stdout(out).spawn();
        Self {
            child: child.unwrap(),
            folder,
            log,
        }
    }

    /// What is resident now, in kB.
    pub(crate) fn resident(&self) -> u64 {
        self.as_released(self.memory("VmRSS"))
    }

    /// The most that was resident at once, in kB.
    pub(crate) fn peak(&self) -> u64 {
        self.as_released(self.memory("VmHWM"))
    }

    /// Pages of code grow with the size of a binary built without optimisation, which nobody runs: a
    /// release's pages stand in for them.
    fn as_released(&self, kb: u64) -> u64 {
        if cfg!(debug_assertions) {
            kb.saturating_sub(self.memory("RssFile")) + CODE_KB
        } else {
            kb
        }
    }

    /// A figure of `/proc/PID/status`, in kB.
    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let figure = line.unwrap().trim_start_matches(':').trim();
        figure.trim_end_matches(" kB").parse().unwrap()
    }

    /// Asks it to stop; gives its folder and the time it took.
    pub(crate) async fn stop(mut self) -> (TempDir, Duration, String) {
        let started = Clock::System.ticks();
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        let ended = until(Duration::from_mins(1), || {
            self.child.try_wait().unwrap().is_some()
        })
        .await;
        let took = Clock::System.ticks().saturating_sub(started);
        assert!(ended, "it does not stop");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let log = std::fs::read_to_string(&self.log).unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (folder, took, log)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that failed leaves no process behind; one that ended is no longer there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let started = Clock::System.ticks();
    while !done() {
        if Clock::System.ticks().saturating_sub(started) > limit {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

pub(crate) fn stock(folder: &TempDir, text: &str) {
    std::fs::write(folder.path().join("stock.csv"), text).unwrap();
    let made = binary::qabyl(folder.path()).arg("init").output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let imported = binary::qabyl(folder.path())
        .args(["stock", "import", "stock.csv"])
        .output()
        .unwrap();
    assert!(imported.status.success(), "{imported:?}");
}

/// Leaves what was written where a search for secrets looks for it.
pub(crate) fn keep_evidence(folder: &TempDir, suite: &str) {
    let Some(evidence) = asked("QABYL_EVIDENCE") else {
        return;
    };
    let to = PathBuf::from(evidence).join(suite);
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("qabyl.db") || path.extension().is_some_and(|kind| kind == "log") {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}
