//! The real binary, as a person or a script uses it.

mod absent_database;
mod causes;
mod confinement;
mod copies;
pub(crate) mod daemon;
mod files_read;
mod first_start;
mod hostile_names;
mod languages;
mod leaks;
mod links;
mod messages;
mod mistakes;
mod output;
mod people;
mod product_imports;
mod rules;
mod seed_operations;
mod service;
mod sources;
mod stock;
mod stock_audit;
mod stock_levels;
mod troubles;
mod walk;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Server, Settings, World};
use serde_json::Value;
use tempfile::TempDir;

use crate::binary;

pub(crate) const TOKEN: &str = "cli-token-of-the-test";

/// A folder with a configuration, and the sandbox it points to.
pub(crate) struct Desk {
    folder: TempDir,
    pub(crate) server: Server,
}

/// What a command did.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect(&self.out)
    }

    /// Fails with this exit code, naming all of these.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, naming: &[&str]) {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        let output = format!("{}{}", self.out, self.err);
        for word in naming {
            assert!(output.contains(word), "expected `{word}` in:\n{output}");
        }
    }
}

impl Desk {
    pub(crate) fn new(settings: Settings) -> Self {
        let desk = Self::bare(settings);
        let made = desk.command(&["init"]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        desk
    }

    /// Without a database yet.
    pub(crate) fn bare(settings: Settings) -> Self {
        let world = World::new(Settings {
            tokens: vec![TOKEN.to_owned()],
            ..settings
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(address, world, Arc::new(|| Clock::System.now())).unwrap();
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
            server,
        };
        desk.write("token", TOKEN);
        desk.only_for_owner("token");
        desk.write("qabyl.toml", &desk.config("act", ""));
        desk
    }

    /// The contract's configuration, quick enough for tests; `more` goes at its end.
    pub(crate) fn config(&self, mode: &str, more: &str) -> String {
        format!(
            "[database]\npath = \"qabyl.db\"\n[kaspi]\nbase_url = \"{}\"\nrate_start = 1000\nrate_per_second = 1000\n\
             connect_timeout = \"1s\"\nrequest_timeout = \"2s\"\n[poll]\nschedule = \"* * * * * *\"\n\
             [http]\nlisten = \"\"\n[interlocks]\ncancel_confirm_after = \"0s\"\n\
             cancel_budget_share = \"off\"\ncancels_per_hour_max = \"off\"\n[actions]\nsettle = \"1s\"\n[[shops]]\nname = \"main\"\n\
             token_file = \"token\"\nmode = \"{mode}\"\n{more}",
            self.server.base_url()
        )
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Nobody else on the machine can read it.
    pub(crate) fn only_for_owner(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = binary::qabyl(self.folder.path());
        command.args(args);
        command
    }

    /// Runs a command to its end, while the sandbox goes on answering.
    pub(crate) async fn qabyl(&self, args: &[&str]) -> Said {
        let mut command = self.command(args);
        let output = tokio::task::spawn_blocking(move || command.output());
        said(&output.await.unwrap().unwrap())
    }

    pub(crate) fn place(&self, code: &str, sku: &str, quantity: u32) {
        let order = OrderSeed::new(code, Clock::System.now()).line(sku, quantity);
        assert!(self.server.world().place(order));
    }

    /// Reports to the sandbox what happens.
    pub(crate) fn tell(&self, commands: &str) {
        let mut world = self.server.world();
        let told = world.carry_out_commands(commands, Clock::System.now());
        told.unwrap();
    }

    pub(crate) async fn stock(&self, text: &str) {
        self.write("stock.csv", text);
        self.qabyl(&["stock", "import", "stock.csv"]).await.ok();
    }

    pub(crate) fn posts(&self, code: &str) -> usize {
        self.server.world().ledger().posts_for(code).len()
    }

    pub(crate) fn status(&self, code: &str) -> String {
        self.server.world().order(code).unwrap().status.to_string()
    }
}

pub(crate) fn said(output: &Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
