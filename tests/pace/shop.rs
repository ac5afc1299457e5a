//! A shop: the sandbox, the daemon that works for it with the shipped settings, and what was asked so far.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use qabyl_sandbox::{OrderSeed, RequestRow, Server, Settings, Status, World};
use tempfile::TempDir;

use crate::binary;

const TOKEN: &str = "pace-token";

pub(crate) struct Shop {
    pub(crate) server: Server,
    folder: TempDir,
    daemon: Child,
    status_port: u16,
    begun: Instant,
    begun_at: Timestamp,
    placed: u32,
}

/// Requests of a span of time, by their answers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) good: f64,
    pub(crate) refused: f64,
    pub(crate) silent: f64,
    pub(crate) failed: f64,
}

impl Asked {
    pub(crate) fn all(self) -> f64 {
        self.good + self.refused + self.silent + self.failed
    }

    pub(crate) fn refused_share(self) -> f64 {
        self.refused / self.all().max(1.0)
    }
}

impl Shop {
    /// Starts the daemon; `orders` wait already, and goods are plenty.
    pub(crate) fn open(settings: Settings, orders: u32, config: &str) -> Self {
        Self::open_with("", settings, orders, config)
    }

    /// The same, with these settings of `[kaspi]`.
    pub(crate) fn open_with(kaspi: &str, settings: Settings, orders: u32, config: &str) -> Self {
        let world = World::new(Settings {
            tokens: vec![TOKEN.to_owned()],
            deadline: None,
            ..settings
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(address, world, Arc::new(Timestamp::now)).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let status_port = free.local_addr().unwrap().port();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
        };
        write("token", TOKEN);
        write("stock.csv", "sku,on_hand\nA,1000000\nB,1000000\n");
        let config = format!(
            "[database]\npath = \"qabyl.db\"\n[kaspi]\nbase_url = \"{}\"\n{kaspi}[http]\nlisten = \"127.0.0.1:{status_port}\"\n\
             [[shops]]\nname = \"main\"\ntoken_file = \"token\"\nmode = \"act\"\n{config}",
            server.base_url()
        );
        write("qabyl.toml", &config);
        let import = binary::qabyl(folder.path())
            .args(["stock", "import", "stock.csv"])
            .output();
        let import = import.unwrap();
        assert!(import.status.success(), "{import:?}");
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut shop = Self {
            daemon: Self::start(&folder, &log),
            begun: Instant::now(),
            begun_at: Timestamp::now(),
            server,
            folder,
            status_port,
            placed: 0,
        };
        shop.place(orders);
        shop
    }

    fn start(folder: &TempDir, log: &std::fs::File) -> Child {
        let mut command = binary::qabyl(folder.path());
        command.arg("run").stdin(Stdio::null());
        command.stderr(log.try_clone().unwrap());
        let daemon = command.stdout(log.try_clone().unwrap()).spawn().unwrap();
        // The daemon and what it starts, without the sandbox: `tests/pace/hostile-files` makes the group.
        if let Some(group) = std::env::var_os("QABYL_MEMORY_GROUP") {
            let procs = Path::new(&group).join("cgroup.procs");
            std::fs::write(procs, daemon.id().to_string()).unwrap();
        }
        daemon
    }

    /// Whether the daemon still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.daemon.try_wait().unwrap().is_none()
    }

    /// Time since the daemon started.
    pub(crate) fn age(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Places orders just now, and gives their codes.
    pub(crate) fn place(&mut self, orders: u32) -> Vec<String> {
        let mut world = self.server.world();
        let now = Timestamp::now();
        let codes: Vec<String> = (0..orders)
            .map(|n| format!("{}", 970_000_000 + self.placed + n))
            .collect();
        for code in &codes {
            let order = OrderSeed::new(code, now);
            assert!(world.place(order.line("A", 1).line("B", 1)));
        }
        self.placed += orders;
        codes
    }

    /// Orders that wait to be accepted.
    pub(crate) fn waiting(&self) -> u32 {
        let world = self.server.world();
        let orders = world.orders().iter();
        let waiting = orders.filter(|order| order.status == Status::ApprovedByBank);
        u32::try_from(waiting.count()).unwrap()
    }

    /// Reports to the sandbox what happens.
    pub(crate) fn tell(&self, commands: &str) {
        let mut world = self.server.world();
        world
            .carry_out_commands(commands, Timestamp::now())
            .unwrap();
    }

    /// Requests by their answers, between seconds since the daemon started.
    pub(crate) fn asked(&self, (from, to): (f64, f64)) -> Asked {
        let world = self.server.world();
        let mut asked = Asked::default();
        for row in world.ledger().requests() {
            let at = self.second(row);
            if at < from || at >= to {
                continue;
            }
            match row.answered {
                Some(200..=299) => asked.good += 1.0,
                Some(429) => asked.refused += 1.0,
                None => asked.silent += 1.0,
                Some(_) => asked.failed += 1.0,
            }
        }
        asked
    }

    /// When requests came, from the first list of new orders on that was asked for after this second.
    pub(crate) fn times_from_list(&self, from: f64) -> Vec<f64> {
        let world = self.server.world();
        let rows = world.ledger().requests().iter();
        let rows =
            rows.skip_while(|row| row.state.as_deref() != Some("NEW") || self.second(row) < from);
        rows.map(|row| self.second(row)).collect()
    }

    /// When a request came, in seconds since the daemon started.
    pub(crate) fn second(&self, row: &RequestRow) -> f64 {
        row.at.duration_since(self.begun_at).as_secs_f64()
    }

    /// The pace, from the metrics, once they are served.
    pub(crate) fn pace(&self) -> Option<f64> {
        self.pace_and_timeouts().map(|(pace, _)| pace)
    }

    /// The pace, and the requests without an answer that had been noticed then.
    pub(crate) fn pace_and_timeouts(&self) -> Option<(f64, f64)> {
        let metrics = self.get("/metrics")?;
        let value = |line: &str| line.rsplit(' ').next()?.trim().parse::<f64>().ok();
        let mut lines = metrics.lines();
        let pace = lines.find(|line| line.starts_with("qabyl_pace_requests_per_second{"));
        let timeouts = metrics.lines().filter(|line| {
            line.starts_with("qabyl_requests_total{") && line.contains("\"timeout\"")
        });
        Some((value(pace?)?, timeouts.filter_map(value).sum()))
    }

    /// Requests so far by what they asked.
    pub(crate) fn requests_by_kind(&self) -> BTreeMap<String, usize> {
        let world = self.server.world();
        let mut kinds = BTreeMap::new();
        for row in world.ledger().requests() {
            let state = row.state.clone().unwrap_or_default();
            let kind = format!("{:?} {state}", row.kind);
            *kinds.entry(kind.trim().to_owned()).or_default() += 1;
        }
        kinds
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.status_port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.id()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

pub(crate) async fn second() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}
