//! A folder with a configuration and a database, the sandbox it points to, and the processes at work.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::{IncludeSupport, Server, Settings, World};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::binary;
use crate::database::Database;
use crate::process::Process;

/// In every personal field, and in the token: it must be in no log and no database.
const CANARY: &str = "canary-7f3a";
const TOKEN: &str = "kill-token-canary-7f3a";

/// How long the sandbox thinks: longer than a POST is out before its crash point.
const LATENCY: Duration = Duration::from_millis(20);

/// What goes wrong while the process dies and dies.
const TROUBLES: &str = "post:drop_after=0.06,post:drop_before=0.04,post:no_effect=0.04,\
                        post:http_500_after=0.04,post:http_500=0.03,post:truncated=0.03,\
                        post:late_effect=0.02";

/// How late a late effect is: Qabyl must wait for longer before it sends again.
const LATE_BY: Duration = Duration::from_millis(500);

const CONFIG: &str = "[database]\npath = \"qabyl.db\"\n[kaspi]\nbase_url = \"BASE\"\n\
    rate_start = 1000\nrate_per_second = 1000\nmax_in_flight = 2\nconnect_timeout = \"1s\"\nrequest_timeout = \"2s\"\n\
    [poll]\nschedule = \"* * * * * *\"\n[confirm]\nsweep_every = \"2s\"\n[http]\nlisten = \"\"\n\
    [log]\nfilter = \"trace\"\n[interlocks]\ncancel_confirm_after = \"0s\"\ncancel_budget_share = \"off\"\n\
    cancels_per_hour_max = \"off\"\n[actions]\nsettle = \"1s\"\nretry_base = \"100ms\"\n[[shops]]\nname = \"main\"\n\
    token_file = \"token\"\nmode = \"act\"\n\
    [[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://HOOK/\"\nsecret_file = \"hook\"\n";

/// What the channel's messages are signed with.
const HOOK_SECRET: &str = "whsec_a2lsbC1hbmQta2lsbC1hbmQta2lsbC1hZ2Fpbi0xMjM=";

pub(crate) struct Desk {
    folder: TempDir,
    pub(crate) server: Server,
    handle: Handle,
    processes: std::cell::Cell<u32>,
}

impl Desk {
    pub(crate) fn new(handle: &Handle, seed: u64) -> Self {
        let world = World::new(Settings {
            seed,
            tokens: vec![TOKEN.to_owned()],
            latency: LATENCY,
            late_by: LATE_BY,
            include_support: IncludeSupport::Partial,
            canary: Some(CANARY.to_owned()),
            faults: TROUBLES.parse().unwrap(),
            ..Settings::default()
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = {
            let _inside = handle.enter();
            Server::start(address, world, Arc::new(|| Clock::System.now())).unwrap()
        };
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
            server,
            handle: handle.clone(),
            processes: std::cell::Cell::new(0),
        };
        desk.write("token", TOKEN);
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(desk.path("token"), private).unwrap();
        desk.write(
            "qabyl.toml",
            &CONFIG
                .replace("BASE", &desk.server.base_url())
                .replace("HOOK", &handle.block_on(takes_all())),
        );
        desk.write("hook", HOOK_SECRET);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Whether Kaspi and the network misbehave from now on.
    pub(crate) fn troubles(&self, any: bool) {
        let faults = if any { TROUBLES } else { "" };
        self.server.world().set_faults(faults.parse().unwrap());
    }

    /// Starts a command; with a point, it dies after passing that one `spared` times.
    pub(crate) fn start(&self, args: &[&str], dies: Option<(&str, u32)>) -> Process {
        let number = self.processes.get() + 1;
        self.processes.set(number);
        let mut command = binary::qabyl(self.folder.path());
        command.args(args);
        match dies {
            Some((point, 0)) => command.env("FAILPOINTS", format!("{point}=return")),
            Some((point, spared)) => {
                command.env("FAILPOINTS", format!("{point}={spared}*off->return"))
            }
            None => &mut command,
        };
        let ready = (args == ["run"] && dies.is_none()).then(|| {
            let path = self.path(&format!("ready-{number}"));
            command.env("NOTIFY_SOCKET", &path);
            UnixDatagram::bind(&path).unwrap()
        });
        let mut log = std::fs::File::options();
        let log = log.create(true).append(true).open(self.path("log"));
        command.stdin(Stdio::null()).stdout(log.unwrap());
        Process::start(command, self.path(&format!("errors-{number}")), ready)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// The database, read beside the daemon. Not to be held while the daemon starts or dies: the last
    /// one to close it tidies up after it, and here nobody does that for it.
    pub(crate) fn database(&self) -> Database {
        Database::open(&self.path("qabyl.db"), &self.handle)
    }

    pub(crate) fn database_in(&self, name: &str) -> Database {
        Database::open(&self.path(name), &self.handle)
    }

    /// What a dead process left on disk, in a copy: looking at it changes nothing.
    pub(crate) fn database_of_the_dead(&self) -> Option<Database> {
        if !self.path("qabyl.db").exists() {
            return None;
        }
        self.forget_the_dead();
        for end in ["", "-wal"] {
            let (from, to) = (
                self.path(&format!("qabyl.db{end}")),
                self.path(&format!("dead.db{end}")),
            );
            if from.exists() {
                std::fs::copy(&from, &to).unwrap();
            }
        }
        Some(Database::open(&self.path("dead.db"), &self.handle))
    }

    pub(crate) fn forget_the_dead(&self) {
        self.remove("dead.db");
    }

    /// Away with the database.
    pub(crate) fn remove_database(&self) {
        self.remove("qabyl.db");
    }

    fn remove(&self, database: &str) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.path(&format!("{database}{end}")));
        }
    }

    pub(crate) fn keep_evidence(&self, into: &Path) {
        std::fs::create_dir_all(into).unwrap();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_reported = ["log", "errors-"]
                .iter()
                .any(|start| name.starts_with(start));
            let kept = [".db", ".db-wal"].iter().any(|end| name.ends_with(end));
            if is_reported || kept {
                std::fs::copy(self.path(&name), into.join(&name)).unwrap();
            }
        }
    }
}

/// Somebody who takes every message, on the runtime that the sandbox is on.
async fn takes_all() -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio_util::task::TaskTracker::new().spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A message is shorter than this; what is left of a longer one is nobody's loss.
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 204 Taken\r\nconnection: close\r\n\r\n")
                .await;
        }
    });
    address
}
