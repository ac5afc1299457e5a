//! A shop to work in: a folder with a configuration, the sandbox it points to, orders, and stock.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Server, Settings, Status, World};
use tempfile::TempDir;

use super::{binary, evidence};

pub(super) const CANARY: &str = "canary-7f3a";
const TOKEN: &str = "token-canary-7f3a-of-the-test";

/// Units on the shelf: plenty, some, none.
pub(super) const STOCK: [(&str, u64); 3] = [("A", 5_000), ("B", 3), ("C", 0)];

/// What a desk's configuration says beside the plain things.
pub(super) struct Limits {
    pub(super) rate_per_second: u32,
    pub(super) actions: &'static str,
}

/// Quick enough for tests.
pub(super) const QUICK: Limits = Limits {
    rate_per_second: 1_000,
    actions: "settle = \"1s\"\n",
};

pub(super) struct Desk {
    name: String,
    folder: TempDir,
    database: PathBuf,
    pub(super) server: Server,
    placed: AtomicU32,
    forgotten: AtomicBool,
}

impl Desk {
    /// A desk with its database in its own folder, or in `home`. `name` is that of its evidence.
    pub(super) fn new(name: &str, home: Option<&Path>, limits: &Limits) -> Self {
        let world = World::new(Settings {
            tokens: vec![TOKEN.to_owned()],
            canary: Some(CANARY.to_owned()),
            ..Settings::default()
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(address, world, Arc::new(|| Clock::System.now())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let desk = Self {
            name: name.to_owned(),
            database: home.unwrap_or(folder.path()).join("qabyl.db"),
            folder,
            server,
            placed: AtomicU32::new(0),
            forgotten: AtomicBool::new(false),
        };
        let stock = STOCK.map(|(sku, units)| format!("{sku},{units}\n"));
        desk.write("token", TOKEN);
        desk.write("stock.csv", &format!("sku,on_hand\n{}", stock.concat()));
        desk.write("qabyl.toml", &desk.config(limits));
        desk
    }

    fn config(&self, limits: &Limits) -> String {
        format!(
            "[database]\npath = \"{}\"\n[kaspi]\nbase_url = \"{}\"\nrate_start = {rate}\nrate_per_second = {rate}\n\
             connect_timeout = \"8s\"\nrequest_timeout = \"8s\"\n[poll]\nschedule = \"* * * * * *\"\n\
             [http]\nlisten = \"\"\n[log]\nfilter = \"trace\"\n[interlocks]\ncancel_confirm_after = \"0s\"\n\
             cancel_budget_share = \"off\"\ncancels_per_hour_max = \"off\"\n[actions]\n{}\
             [[shops]]\nname = \"main\"\ntoken_file = \"token\"\nmode = \"act\"\n",
            self.database.display(),
            self.server.base_url(),
            limits.actions,
            rate = limits.rate_per_second,
        )
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The binary with these arguments, not started yet.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = binary::qabyl(self.folder.path());
        command.args(args);
        command
    }

    /// Runs a command to its end; what it says goes into the log too.
    pub(super) async fn run(&self, mut command: Command) -> Output {
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let mut log = self.log_file();
        for said in [&output.stdout, &output.stderr] {
            std::io::Write::write_all(&mut log, said).unwrap();
        }
        output
    }

    /// Makes the stock known.
    pub(super) async fn import(&self) {
        let made = self.run(self.command(&["init"])).await;
        assert!(made.status.success(), "{made:?}");
        let output = self
            .run(self.command(&["stock", "import", "stock.csv"]))
            .await;
        assert!(output.status.success(), "{output:?}");
    }

    pub(super) fn log_file(&self) -> std::fs::File {
        let mut options = std::fs::File::options();
        options
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap()
    }

    pub(super) fn log(&self) -> String {
        let bytes = std::fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Places the next order, of SKUs in turn. Gives its code.
    pub(super) fn place(&self) -> String {
        let number = self.placed.fetch_add(1, Ordering::Relaxed);
        let sku = match number % 8 {
            3 | 7 => "B",
            5 => "C",
            _ => "A",
        };
        self.place_of(number, sku)
    }

    /// Places the next order, of the SKU that never runs out.
    pub(super) fn place_plenty(&self) -> String {
        let number = self.placed.fetch_add(1, Ordering::Relaxed);
        self.place_of(number, "A")
    }

    fn place_of(&self, number: u32, sku: &str) -> String {
        let code = format!("9{number:08}");
        let order = OrderSeed::new(&code, Clock::System.now()).line(sku, 1);
        assert!(self.server.world().place(order));
        code
    }

    /// Leaves no evidence: there is plenty of the same kind.
    pub(super) fn forget(&self) {
        self.forgotten.store(true, Ordering::Relaxed);
    }

    /// Orders that nobody has accepted or cancelled.
    pub(super) fn waiting(&self) -> usize {
        let world = self.server.world();
        let waits = |order: &&qabyl_sandbox::Order| order.status == Status::ApprovedByBank;
        world.orders().iter().filter(waits).count()
    }

    /// Requests the sandbox has seen.
    pub(super) fn requests(&self) -> usize {
        self.server.world().ledger().requests_total()
    }

    /// POSTs the sandbox has seen.
    pub(super) fn posts(&self) -> usize {
        let world = self.server.world();
        let requests = world.ledger().requests();
        requests.iter().filter(|row| row.write.is_some()).count()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let Some(evidence) = evidence().filter(|_| !self.forgotten.load(Ordering::Relaxed)) else {
            return;
        };
        let folder = evidence.join(&self.name);
        std::fs::create_dir_all(&folder).unwrap();
        let _ = std::fs::copy(self.path("log"), folder.join("log"));
        copy_database(&self.database, &folder.join("qabyl.db"));
    }
}

/// Copies a database that nobody works on, with what belongs to it.
pub(super) fn copy_database(from: &Path, to: &Path) {
    for more in ["", "-wal", "-journal"] {
        let part = |path: &Path| PathBuf::from(format!("{}{more}", path.display()));
        let _ = std::fs::copy(part(from), part(to));
    }
}

/// Waits for something another process does; its time is not ours to turn.
pub(super) async fn until(
    what: &str,
    limit: Duration,
    mut done: impl FnMut() -> bool,
) -> Result<(), String> {
    let start = Clock::System.ticks();
    while !done() {
        if Clock::System.ticks().saturating_sub(start) > limit {
            return Err(format!("{limit:?} passed, and not yet: {what}"));
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    Ok(())
}
