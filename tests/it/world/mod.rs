//! One shop in a world that can be turned: a temporary database, the sandbox over real HTTP, and one
//! clock for both. A test says what happens; [`TestWorld::finish`] judges what Kaspi and the ledger
//! were left with.

mod judge;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qabyl::clock::{Clock, SimulatedTime};
use qabyl::config::{Config, Sources};
use qabyl::domain::ids::Sku;
use qabyl::domain::policy::Policy;
use qabyl::domain::stock::{OnHand, StockRow};
use qabyl::kaspi::Transport;
use qabyl::ledger::{StockSettings, StockView};
use qabyl::pipeline;
use qabyl::pipeline::housekeep::Keeper;
use qabyl::runtime::build::{self, ShopParts};
use qabyl::runtime::once;
use qabyl::store::{Access, OrderFilter, OrderView, Store};
use qabyl_sandbox::{OrderSeed, Server, Settings, World};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "world-token";

/// Limits that do not get in the way; a test turns on those it is about.
const CONFIG: &str = r#"
[database]
path = "qabyl.db"
[kaspi]
rate_start = 100000
rate_per_second = 100000
max_in_flight = 8
connect_timeout = "2s"
request_timeout = "2s"
[interlocks]
cancel_confirm_after = "1m"
cancel_budget_share = "off"
cancels_per_hour_max = "off"
stock_collapse_share = "off"
[[shops]]
name = "main"
token_env = "UNUSED"
mode = "act"
"#;

/// The moment every world begins.
pub(crate) fn start() -> Timestamp {
    "2026-03-02T06:00:00Z".parse().unwrap()
}

pub(crate) struct TestWorld {
    pub(crate) time: Arc<SimulatedTime>,
    pub(crate) server: Server,
    pub(crate) store: Arc<Store>,
    pub(crate) shop: ShopParts,
    /// Shops that its passes sweep, where they wait for it.
    pub(crate) neighbours: Vec<ShopParts>,
    on_hand: BTreeMap<String, u32>,
    /// What was sent before is not in the database: it was put back from a copy.
    put_back_at: Timestamp,
    config: Config,
    folder: TempDir,
}

/// A world that is being described.
#[derive(Clone)]
pub(crate) struct Described {
    settings: Settings,
    config: String,
    rules: String,
}

impl Described {
    /// Adds lines of configuration; a key given again replaces the world's own.
    pub(crate) fn config(mut self, section: &str, key: &str, value: &str) -> Self {
        let mut text: toml::Table = self.config.parse().unwrap();
        let section = text
            .entry(section)
            .or_insert_with(|| toml::Table::new().into());
        let value: toml::Table = format!("v = {value}").parse().unwrap();
        let section = match section {
            toml::Value::Array(sections) => sections[0].as_table_mut().unwrap(),
            other => other.as_table_mut().unwrap(),
        };
        section.insert(key.to_owned(), value["v"].clone());
        self.config = toml::to_string(&text).unwrap();
        self
    }

    /// Rules in place of the default ones.
    pub(crate) fn rules(mut self, text: &str) -> Self {
        text.clone_into(&mut self.rules);
        self
    }

    /// Starts it.
    pub(crate) async fn begin(self) -> TestWorld {
        let time = SimulatedTime::new(start());
        let clock = Clock::Simulated(Arc::clone(&time));
        let server = serve(self.settings, &clock);
        let folder = tempfile::tempdir().unwrap();
        let config = load(&self.config, &server, &folder);
        let rules = if self.rules.is_empty() {
            qabyl::rules_file::default_rules()
        } else {
            qabyl::rules_file::load(&self.rules, "rules.toml".as_ref()).unwrap()
        };
        let policy = Arc::new(build::policy(rules, build::limits(&config)));
        let (store, shop) = open(&config, &clock, policy).await;
        TestWorld {
            time,
            server,
            store,
            shop,
            neighbours: Vec::new(),
            on_hand: BTreeMap::new(),
            put_back_at: Timestamp::MIN,
            config,
            folder,
        }
    }

    /// Starts it with these levels, as a person vouches for them.
    pub(crate) async fn begin_with(self, levels: &[(&str, u32)]) -> TestWorld {
        let mut world = self.begin().await;
        world.stock(levels).await;
        world
    }
}

async fn open(config: &Config, clock: &Clock, policy: Arc<Policy>) -> (Arc<Store>, ShopParts) {
    let store = Store::open(&config.database.path, Access::Daemon, clock.now()).await;
    let store = Arc::new(store.unwrap());
    let shop = shop(config, clock, (&store, TOKEN), policy).await;
    (store, shop)
}

/// The configuration's first shop, on this database.
async fn shop(
    config: &Config,
    clock: &Clock,
    (store, token): (&Arc<Store>, &str),
    policy: Arc<Policy>,
) -> ShopParts {
    let transport = build::http(config, &config.shops[0], clock).unwrap();
    shop_over(transport, config, clock, (store, token), policy).await
}

async fn shop_over(
    transport: Arc<dyn Transport>,
    config: &Config,
    clock: &Clock,
    (store, token): (&Arc<Store>, &str),
    policy: Arc<Policy>,
) -> ShopParts {
    let parts = (Arc::clone(store), clock.clone(), policy);
    let token = SecretString::from(token);
    let shop = build::shop(config, &config.shops[0], token, transport, parts, 7).await;
    shop.unwrap()
}

/// A Kaspi whose clock agrees with this one now, and is never set.
fn serve(settings: Settings, clock: &Clock) -> Server {
    let world = World::new(Settings {
        tokens: vec![TOKEN.to_owned()],
        ..settings
    });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (clock, since, begun) = (clock.clone(), clock.now(), clock.ticks());
    let now = move || since + clock.ticks().saturating_sub(begun);
    Server::start(address, world, Arc::new(now)).unwrap()
}

fn load(text: &str, server: &Server, folder: &TempDir) -> Config {
    let mut table: toml::Table = text.parse().unwrap();
    let kaspi = table["kaspi"].as_table_mut().unwrap();
    kaspi.insert("base_url".to_owned(), server.base_url().into());
    let file = folder.path().join("qabyl.toml");
    std::fs::write(&file, toml::to_string(&table).unwrap()).unwrap();
    let sources = Sources {
        file: Some(file),
        search: Vec::new(),
        env: BTreeMap::new().into(),
        overrides: Vec::new(),
    };
    Config::load(sources).unwrap().config
}

/// A world whose Kaspi behaves like this.
pub(crate) fn world(settings: Settings) -> Described {
    Described {
        settings,
        config: CONFIG.to_owned(),
        rules: String::new(),
    }
}

impl TestWorld {
    /// Sends the shop's requests through something that may hold them up.
    pub(crate) async fn through(
        &mut self,
        wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
    ) {
        let clock = self.clock();
        let transport = wrap(build::http(&self.config, &self.config.shops[0], &clock).unwrap());
        let (store, policy) = (Arc::clone(&self.store), self.shop.ctx.policy());
        self.shop = shop_over(transport, &self.config, &clock, (&store, TOKEN), policy).await;
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::Simulated(Arc::clone(&self.time))
    }

    /// The file of its configuration.
    pub(crate) fn config_file(&self) -> std::path::PathBuf {
        self.folder.path().join("qabyl.toml")
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }

    pub(crate) fn kaspi(&self) -> MutexGuard<'_, World> {
        self.server.world()
    }

    /// Sets this machine's clock, by so many seconds; nobody sets Kaspi's.
    pub(crate) fn set_clock(&self, by_s: i64) {
        self.time.set(self.now() + SignedDuration::from_secs(by_s));
    }

    /// Places an order.
    pub(crate) fn place(&self, order: OrderSeed) {
        assert!(self.kaspi().place(order), "the code is taken");
    }

    /// Places plain orders of one line each, a second apart: `(code, sku, quantity)`.
    pub(crate) fn place_plain(&self, orders: &[(&str, &str, u32)]) {
        for (code, sku, quantity) in orders {
            self.place(OrderSeed::new(code, self.now()).line(sku, *quantity));
            self.time.advance(Duration::from_secs(1));
        }
    }

    /// Another shop on the same database, with a Kaspi of its own.
    pub(crate) async fn neighbour(&self) -> (Server, ShopParts) {
        self.neighbour_at(Settings::default()).await
    }

    /// The same, with a Kaspi that behaves like this.
    pub(crate) async fn neighbour_at(&self, settings: Settings) -> (Server, ShopParts) {
        let server = serve(settings, &self.clock());
        let shop = self.shop_at("second", &server).await;
        (server, shop)
    }

    /// The shop goes on in another mode, as after a restart.
    pub(crate) async fn restart_in(&mut self, mode: qabyl::config::Mode) {
        self.config.shops[0].mode = mode;
        let policy = self.shop.ctx.policy();
        self.shop = shop(&self.config, &self.clock(), (&self.store, TOKEN), policy).await;
    }

    /// A shop of that name on the same database, whose token is an account of that Kaspi.
    pub(crate) async fn shop_at(&self, name: &str, kaspi: &Server) -> ShopParts {
        let mut config = self.config.clone();
        name.clone_into(&mut config.shops[0].name);
        config.kaspi.base_url = kaspi.base_url().parse().unwrap();
        let policy = self.shop.ctx.policy();
        let token_of = |name: &str| format!("{TOKEN}-of-{name}");
        let tokens = ["main", "second", "twin", "almaty"].map(token_of);
        kaspi
            .world()
            .set_tokens(tokens.into_iter().chain([TOKEN.to_owned()]));
        let token = token_of(name);
        shop(&config, &self.clock(), (&self.store, &token), policy).await
    }

    /// Imports stock as a person vouches for it.
    pub(crate) async fn stock(&mut self, levels: &[(&str, u32)]) {
        self.import(("test", ""), levels, (true, self.now())).await;
        let levels = levels.iter();
        self.on_hand
            .extend(levels.map(|(sku, units)| ((*sku).to_owned(), *units)));
    }

    /// Imports stock as a feed lists it, true or not: what is really there stays as it was.
    pub(crate) async fn feed(&self, levels: &[(&str, u32)]) {
        self.feed_of(levels, self.now()).await;
    }

    /// The same, counted at some time.
    pub(crate) async fn feed_of(&self, levels: &[(&str, u32)], as_of: Timestamp) {
        self.import(("test", ""), levels, (false, as_of)).await;
    }

    /// The same, of a feed of that name.
    pub(crate) async fn feed_from(&self, source: &str, levels: &[(&str, u32)]) {
        self.import((source, ""), levels, (false, self.now())).await;
    }

    /// The same, of a warehouse.
    pub(crate) async fn feed_at(&self, warehouse: &str, levels: &[(&str, u32)]) {
        self.import(("test", warehouse), levels, (false, self.now()))
            .await;
    }

    async fn import(
        &self,
        (source, warehouse): (&str, &str),
        levels: &[(&str, u32)],
        (trusted, as_of): (bool, Timestamp),
    ) {
        let now = self.now();
        let semantics = qabyl::runtime::build::semantics(&self.config);
        let rows: Vec<StockRow> = levels
            .iter()
            .map(|(sku, on_hand)| StockRow {
                sku: Sku::new(*sku).unwrap(),
                warehouse: warehouse.to_owned(),
                on_hand: OnHand::Exactly(*on_hand),
                as_of,
            })
            .collect();
        self.store
            .import_stock(source, &rows, (trusted, semantics), "test", now)
            .await
            .unwrap();
    }

    /// Looks and decides, and sends nothing yet.
    pub(crate) async fn poll_and_decide(&self) {
        let ctx = &self.shop.ctx;
        pipeline::poll::run_once(ctx).await.unwrap();
        pipeline::sweep::run_once(ctx, true).await.unwrap();
        pipeline::decide::run_once(ctx).await.unwrap();
    }

    /// One full pass, as `qabyl once` makes it: waits are waited for.
    pub(crate) async fn once(&self) -> once::Summary {
        self.pass(Duration::from_mins(30)).await
    }

    /// One pass that waits for nothing that is more than seconds away.
    pub(crate) async fn brief(&self) -> once::Summary {
        self.pass(Duration::from_secs(20)).await
    }

    async fn pass(&self, timeout: Duration) -> once::Summary {
        let stop = CancellationToken::new();
        once::run((&self.shop, &self.neighbours), timeout, &stop)
            .await
            .unwrap()
    }

    /// Passes, each a minute after the one before.
    pub(crate) async fn minutes(&self, passes: u32) {
        for _ in 0..passes {
            self.time.advance(Duration::from_mins(1));
            self.brief().await;
        }
    }

    /// Lets time pass, then makes one full pass.
    pub(crate) async fn later(&self, by: Duration) -> once::Summary {
        self.time.advance(by);
        self.once().await
    }

    /// All faults end; passes follow until nothing is open any more.
    pub(crate) async fn quiet(&self) {
        self.kaspi().set_faults(qabyl_sandbox::Faults::default());
        for _ in 0..20 {
            self.later(Duration::from_mins(2)).await;
            let totals = self.store.totals(None).await.unwrap();
            if totals.open_actions == 0 && totals.undecided == 0 && totals.waiting == 0 {
                return;
            }
        }
        let open = self
            .views()
            .await
            .into_iter()
            .filter(|v| v.actions.iter().any(|a| a.closed_at.is_none()));
        panic!(
            "not quiet: {:?} {:#?}",
            self.store.totals(None).await.unwrap(),
            open.map(|v| v.actions).collect::<Vec<_>>()
        );
    }

    /// Sends what is decided, without another look.
    pub(crate) async fn act(&self) {
        let (ctx, stop) = (&self.shop.ctx, CancellationToken::new());
        let writer = self.shop.writer.as_ref().unwrap();
        pipeline::act::run_once(ctx, writer, &stop).await.unwrap();
    }

    /// Every order as Qabyl knows it.
    pub(crate) async fn views(&self) -> Vec<OrderView> {
        let filter = OrderFilter {
            limit: 100_000,
            ..OrderFilter::default()
        };
        self.store.orders(&filter).await.unwrap()
    }

    pub(crate) async fn view(&self, code: &str) -> OrderView {
        let views = self.views().await;
        let mut found = views
            .into_iter()
            .filter(|view| view.order.code.as_str() == code);
        found.next().expect("the order is known")
    }

    /// What Qabyl made of an order: the decision's verdict, its rule and its objections.
    pub(crate) async fn why(&self, code: &str) -> String {
        let view = self.view(code).await;
        let Some(decision) = view.decision else {
            return "undecided".to_owned();
        };
        let objections: Vec<String> = decision
            .decision
            .objections
            .iter()
            .map(|o| format!("{:?}: {}", o.interlock, o.why))
            .collect();
        format!(
            "{} by '{}' {}",
            decision.decision.verdict.word(),
            decision.decision.rule,
            objections.join("; ")
        )
    }

    /// `STATE+STATUS` at Kaspi.
    pub(crate) fn at_kaspi(&self, code: &str) -> String {
        let world = self.kaspi();
        let order = world.order(code).expect("the order was placed");
        format!("{}+{}", order.state, order.status)
    }

    pub(crate) async fn levels(&self) -> Vec<StockView> {
        self.store
            .stock_levels(&StockSettings::default(), (None, None))
            .await
            .unwrap()
    }

    /// The POSTs about an order, as words.
    pub(crate) fn posts(&self, code: &str) -> Vec<String> {
        let world = self.kaspi();
        let posts = world.ledger().posts_for(code);
        posts
            .iter()
            .map(|post| format!("{:?}", post.kind).to_lowercase())
            .collect()
    }

    /// What keeps the database, configured so.
    pub(crate) fn keeper(&self, configure: impl FnOnce(&mut Config)) -> Keeper {
        let mut config = self.config.clone();
        configure(&mut config);
        build::keeper(&config, Arc::clone(&self.store), self.clock())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The database is lost, and a copy put in its place.
    pub(crate) async fn put_back(&mut self, copy: &Path) {
        let to = self
            .folder()
            .join(format!("restored-{}.db", self.now().as_millisecond()));
        let settle = build::settle(&self.config);
        qabyl::ledger::restore(copy, &to, settle, self.now())
            .await
            .unwrap();
        self.work_on(&to).await;
        self.put_back_at = self.now();
    }

    /// Goes on with another database.
    pub(crate) async fn work_on(&mut self, database: &Path) {
        database.clone_into(&mut self.config.database.path);
        let policy = self.shop.ctx.policy();
        (self.store, self.shop) = open(&self.config, &self.clock(), policy).await;
    }

    /// Judges the end: see [`judge`].
    pub(crate) async fn finish(self) {
        judge::judge(&self).await;
        self.server.shutdown().await;
    }
}
