//! A shop: the sandbox, the daemon and the folder of both.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use qabyl_sandbox::{OrderSeed, Server, Settings, Status, World};
use tempfile::TempDir;

use crate::binary;

const TOKEN: &str = "history-token";
/// Orders handled to their end by the daemon; the rest is copied from them.
const HANDLED: u32 = 50;
/// Every so many of them cannot be delivered and are cancelled.
const SHORT_EVERY: u32 = 25;
/// Goods on sale.
const SKUS: u32 = 50;
const FIRST: u32 = 900_000_000;
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) struct Shop {
    server: Server,
    folder: TempDir,
    daemon: Option<Child>,
    port: u16,
    placed: u32,
}

impl Shop {
    pub(crate) fn open() -> anyhow::Result<Self> {
        let world = World::new(Settings {
            tokens: vec![TOKEN.to_owned()],
            deadline: None,
            ..Settings::default()
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(address, world, Arc::new(Timestamp::now))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let folder = tempfile::tempdir()?;
        let write = |name: &str, text: &str| -> anyhow::Result<()> {
            let path = folder.path().join(name);
            std::fs::write(&path, text)?;
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            Ok(std::fs::set_permissions(&path, private)?)
        };
        write("token", TOKEN)?;
        let levels: Vec<String> = (0..SKUS).map(|sku| format!("A{sku},1000000\n")).collect();
        let levels = levels.concat();
        write("stock.csv", &format!("sku,on_hand\nNONE,0\n{levels}"))?;
        let config = format!(
            "[database]\npath = \"qabyl.db\"\n\
             [kaspi]\nbase_url = \"{}\"\nrate_start = 1000\nrate_per_second = 1000\nmax_in_flight = 16\n\
             [poll]\nschedule = \"* * * * * *\"\n[confirm]\nsweep_every = \"2s\"\n\
             [interlocks]\ncancel_confirm_after = \"0s\"\n[log]\nformat = \"text\"\n\
             [http]\nlisten = \"127.0.0.1:{port}\"\n\
             [[shops]]\nname = \"main\"\ntoken_file = \"token\"\nmode = \"act\"\n",
            server.base_url()
        );
        write("qabyl.toml", &config)?;
        let shop = Self {
            server,
            folder,
            daemon: None,
            port,
            placed: 0,
        };
        shop.command("stock import stock.csv")?;
        Ok(shop)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("qabyl.db")
    }

    /// Lets the daemon handle some orders from their appearance to the archive.
    pub(crate) async fn finish_some_orders(&mut self) -> anyhow::Result<()> {
        self.start()?;
        self.place(HANDLED);
        self.until("orders are accepted or cancelled", |shop| {
            shop.waiting() == 0
        })
        .await?;
        // What became of them is read before the courier comes.
        tokio::time::sleep(Duration::from_secs(6)).await;
        let codes: Vec<String> = {
            let world = self.server.world();
            world
                .orders()
                .iter()
                .map(|order| order.code().to_owned())
                .collect()
        };
        for code in &codes {
            self.server.world().hand_over(code, Timestamp::now());
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        for code in &codes {
            self.server.world().complete(code, Timestamp::now());
        }
        tokio::time::sleep(Duration::from_secs(6)).await;
        Ok(())
    }

    fn place(&mut self, orders: u32) {
        let mut world = self.server.world();
        let now = Timestamp::now();
        for number in self.placed..self.placed + orders {
            let is_short = self.placed == 0 && number % SHORT_EVERY == SHORT_EVERY - 1;
            let sku = if is_short {
                "NONE".to_owned()
            } else {
                format!("A{}", number % SKUS)
            };
            world.place(OrderSeed::new(&(FIRST + number).to_string(), now).line(&sku, 1));
        }
        self.placed += orders;
    }

    fn waiting(&self) -> usize {
        let world = self.server.world();
        let orders = world.orders().iter();
        orders
            .filter(|order| order.status == Status::ApprovedByBank)
            .count()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while !is_so(self) {
            ensure!(
                begun.elapsed() < PATIENCE,
                "waited in vain until {what}: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(begun.elapsed())
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.join("\n")
    }

    /// How long it takes until so many new orders are accepted.
    pub(crate) async fn accept(&mut self, orders: u32) -> anyhow::Result<Duration> {
        self.place(orders);
        self.until("new orders are accepted", |shop| shop.waiting() == 0)
            .await
    }

    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        let log = std::fs::File::create(self.folder.path().join("log"))?;
        let mut command = binary::qabyl(self.folder.path());
        command.arg("run").stdin(Stdio::null());
        command.stderr(log.try_clone()?).stdout(log);
        self.daemon = Some(command.spawn()?);
        Ok(())
    }

    /// Ends the daemon in order.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut daemon) = self.daemon.take() else {
            return Ok(());
        };
        let pid = i32::try_from(daemon.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let pid = pid.context("the daemon's number")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        daemon.wait()?;
        Ok(())
    }

    pub(crate) async fn is_ready(&self) -> anyhow::Result<()> {
        let is_ready = |shop: &Self| {
            shop.get("/readyz")
                .is_ok_and(|answer| answer.contains("200 OK"))
        };
        self.until("the daemon is ready", is_ready).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(())
    }

    /// The processor time that the daemon has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let pid = self.daemon.as_ref().context("the daemon runs")?.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split(' ')
            .collect();
        let ticks = |place: usize| -> u64 {
            fields
                .get(place)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        // User and system time, at 100 ticks a second.
        Ok(Duration::from_millis(10 * (ticks(12) + ticks(13))))
    }

    /// How long a command takes.
    pub(crate) fn command(&self, words: &str) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let output = binary::qabyl(self.folder.path())
            .args(words.split(' '))
            .output()?;
        let took = begun.elapsed();
        ensure!(output.status.success(), "qabyl {words}: {output:?}");
        Ok(took)
    }

    /// How long a page takes.
    pub(crate) fn page(&self, path: &str) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let answer = self.get(path)?;
        let took = begun.elapsed();
        ensure!(answer.contains(" 200 OK"), "{path}: {answer}");
        Ok(took)
    }

    fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
