//! Shops of two stocks: each sells its own goods alone.

use std::time::Duration;

use qabyl::domain::ids::Sku;
use qabyl::domain::stock::{OnHand, Semantics, StockRow};
use qabyl::domain::stock_import::Scope;
use qabyl::ledger::Import;
use qabyl::pipeline::{decide, poll, sweep};
use qabyl::runtime::build::ShopParts;
use qabyl::runtime::once;
use qabyl::store::PartRow;
use qabyl_sandbox::{OrderSeed, Server, Settings};
use tokio_util::sync::CancellationToken;

use crate::cli::{Desk, TOKEN};
use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

impl TestWorld {
    /// Somebody counts one SKU of a stock.
    async fn count_of(&self, stock: &str, sku: &str, units: u32) {
        let now = self.now();
        let row = StockRow {
            sku: Sku::new(sku).unwrap(),
            warehouse: String::new(),
            on_hand: OnHand::Exactly(units),
            as_of: now,
        };
        let import = Import {
            stock,
            source: "count",
            scope: Scope::HandFile,
            rows: &[row],
            trusted: true,
            semantics: Semantics::Physical,
            read: None,
            actor: "test",
            progress: &|_| {},
        };
        self.store.take_stock(&import, now).await.unwrap();
    }

    async fn sells_from(&self, shop: &ShopParts, stock: &str) {
        let groups = [(&shop.ctx.shop, stock)];
        self.store.set_stock_groups(&groups).await.unwrap();
    }

    /// Passes of both shops, a minute apart.
    async fn both_pass(&self, second: &ShopParts, times: u32) {
        for _ in 0..times {
            self.time.advance(MINUTE);
            let stop = CancellationToken::new();
            let brief = Duration::from_secs(20);
            let others = std::slice::from_ref(&self.shop);
            once::run((second, others), brief, &stop).await.unwrap();
            self.brief().await;
        }
    }

    fn place_there(&self, kaspi: &Server, code: &str, sku: &str, quantity: u32) {
        let mut order = OrderSeed::new(code, self.now()).line(sku, quantity);
        order.pickup_point = Some("20000002_PP1".to_owned());
        assert!(kaspi.world().place(order));
        self.time.advance(Duration::from_secs(1));
    }
}

fn posts(kaspi: &Server, code: &str) -> Vec<String> {
    let posts = kaspi.world().ledger().posts_for(code);
    let kinds = posts
        .iter()
        .map(|post| format!("{:?}", post.kind).to_lowercase());
    kinds.collect()
}

#[tokio::test]
async fn no_shop_sells_the_goods_of_another_stock() {
    let world = world(Settings::default()).begin().await;
    let (kaspi, second) = world.neighbour().await;
    world.sells_from(&second, "outlet").await;
    world.count_of("main", "A", 1).await;
    world.count_of("outlet", "A", 3).await;
    world.count_of("outlet", "B", 9).await;
    // Three are on the shelf of the other stock, one on its own.
    world.place_plain(&[("983000001", "A", 2), ("983000002", "B", 1)]);
    world.place_there(&kaspi, "983000003", "A", 3);
    world.both_pass(&second, 3).await;
    assert_eq!(world.posts("983000001"), ["cancel"]);
    assert_eq!(world.posts("983000002"), [""; 0], "no goods of its own");
    assert_eq!(posts(&kaspi, "983000003"), ["accept"]);
    // What the one has promised is not taken from the other.
    world.place_plain(&[("983000004", "A", 1)]);
    world.place_there(&kaspi, "983000005", "A", 1);
    world.both_pass(&second, 3).await;
    assert_eq!(world.posts("983000004"), ["accept"]);
    assert_eq!(posts(&kaspi, "983000005"), ["cancel"]);
}

/// The goods are of the stock that the order was accepted from, or the configuration was wrong all along.
#[tokio::test]
async fn what_a_shop_promised_from_one_stock_is_in_doubt_in_both_once_it_sells_from_another() {
    let world = world(Settings::default()).begin().await;
    let (kaspi, second) = world.neighbour().await;
    world.count_of("main", "A", 3).await;
    world.place_there(&kaspi, "983000011", "A", 2);
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    world.both_pass(&second, 2).await;
    assert_eq!(posts(&kaspi, "983000011"), ["accept"]);
    world.sells_from(&second, "outlet").await;
    world.count_of("outlet", "A", 3).await;
    world.place_plain(&[("983000012", "A", 2)]);
    world.place_there(&kaspi, "983000013", "A", 2);
    world.both_pass(&second, 3).await;
    assert_eq!(world.posts("983000012"), [""; 0]);
    assert_eq!(posts(&kaspi, "983000013"), [""; 0]);
    let why = world.why("983000012").await;
    assert!(why.contains("sells from another stock"), "{why}");
    // One more is there in each, whatever becomes of these two.
    world.place_plain(&[("983000014", "A", 1)]);
    world.place_there(&kaspi, "983000015", "A", 1);
    world.both_pass(&second, 3).await;
    assert_eq!(world.posts("983000014"), ["accept"]);
    assert_eq!(posts(&kaspi, "983000015"), ["accept"]);
}

/// A shop that sells by the dozen makes no unit of the other stock one of the last, which wait for another sweep.
#[tokio::test]
async fn what_another_stock_sells_makes_no_last_units_here() {
    let world = world(Settings::default()).begin().await;
    let (kaspi, second) = world.neighbour().await;
    world.sells_from(&second, "outlet").await;
    world.count_of("main", "A", 12).await;
    world.count_of("outlet", "A", 99).await;
    world.place_there(&kaspi, "983000031", "A", 40);
    world.place_plain(&[("983000032", "A", 1)]);
    world.both_pass(&second, 3).await;
    assert_eq!(posts(&kaspi, "983000031"), ["accept"]);
    assert_eq!(world.posts("983000032"), ["accept"]);
    world.place_plain(&[("983000033", "A", 1)]);
    poll::run_once(&world.shop.ctx).await.unwrap();
    decide::run_once(&world.shop.ctx).await.unwrap();
    let why = world.why("983000033").await;
    assert!(why.starts_with("accept"), "{why}");
    // As many of its own orders do.
    world.place_plain(&[("983000034", "A", 6)]);
    world.both_pass(&second, 3).await;
    world.place_plain(&[("983000035", "A", 1)]);
    poll::run_once(&world.shop.ctx).await.unwrap();
    decide::run_once(&world.shop.ctx).await.unwrap();
    let why = world.why("983000035").await;
    assert!(why.starts_with("wait"), "{why}");
}

/// The goods of another stock are no hint: nothing of them is sold here.
#[tokio::test]
async fn an_unknown_sku_is_likened_to_goods_of_its_own_stock_alone() {
    let world = world(Settings::default()).begin().await;
    let (_kaspi, second) = world.neighbour().await;
    world.sells_from(&second, "outlet").await;
    world.count_of("outlet", "00049", 5).await;
    world.count_of("main", "0050", 5).await;
    world.place_plain(&[("983000041", "49", 1), ("983000042", "50", 1)]);
    world.both_pass(&second, 2).await;
    let near = async |code| format!("{:?}", world.view(code).await.decision.unwrap().facts);
    assert!(!near("983000041").await.contains("00049"));
    assert!(near("983000042").await.contains("0050"));
}

#[tokio::test]
async fn each_stock_has_its_own_map() {
    let world = world(Settings::default()).begin().await;
    let (kaspi, second) = world.neighbour().await;
    world.sells_from(&second, "outlet").await;
    world.count_of("main", "BOX", 9).await;
    world.count_of("outlet", "BOX", 9).await;
    let map = |stock: &str, each: i64| PartRow {
        stock: stock.to_owned(),
        sku: Sku::new("SET").unwrap(),
        part: Sku::new("BOX").unwrap(),
        each,
    };
    for (stock, each) in [("", 1), ("outlet", 10)] {
        let rows = [map(stock, each)];
        let mapped = world.store.map_stock(stock, &rows, "test", world.now());
        mapped.await.unwrap();
    }
    world.place_plain(&[("983000021", "SET", 1)]);
    world.place_there(&kaspi, "983000022", "SET", 1);
    world.both_pass(&second, 3).await;
    assert_eq!(world.posts("983000021"), ["accept"]);
    assert_eq!(posts(&kaspi, "983000022"), ["cancel"]);
}

const SHOPS: &str = "[[shops]]\nname = \"second\"\ntoken_file = \"other\"\nmode = \"act\"\nstock = \"outlet\"\n\
     [[stock.sources]]\nname = \"shelf\"\nfile = \"shelf.csv\"\n\
     [[stock.sources]]\nname = \"outlet\"\nfile = \"outlet.csv\"\nstock = \"outlet\"\n";

/// Each stock from its own file; the source that names none is of the shop that names none.
#[tokio::test(flavor = "multi_thread")]
async fn commands_name_the_stock() {
    let desk = Desk::new(Settings::default());
    desk.write("qabyl.toml", &desk.config("act", SHOPS));
    desk.write("other", "the-token-of-the-second");
    desk.only_for_owner("other");
    desk.server
        .world()
        .set_tokens([TOKEN, "the-token-of-the-second"]);
    desk.write("shelf.csv", "sku,on_hand\nA,0\nB,7\n");
    desk.write("outlet.csv", "sku,on_hand\nA,5\n");
    desk.qabyl(&["stock", "sources", "--sync"]).await.ok();
    let why = desk.qabyl(&["stock", "why", "A"]).await.ok().out;
    for line in [
        "A at the common pool of the stock main: 0 certain, 0 possible",
        "A at the common pool of the stock outlet: 5 certain, 5 possible",
    ] {
        assert!(why.contains(line), "{why}");
    }
    let set = ["stock", "set", "A", "4", "--stock", "outlet"];
    desk.qabyl(&set).await.ok();
    let show = [
        "stock", "show", "A", "--stock", "outlet", "--format", "json",
    ];
    let shown = desk.qabyl(&show).await.ok().json();
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!(shown[0]["on_hand"], 4);
    assert_eq!(shown[0]["stock"], "outlet");
    let all = desk.qabyl(&["stock", "show", "A"]).await.ok().out;
    assert!(all.contains("main") && all.contains("outlet"), "{all}");
    desk.write("count.csv", "sku,on_hand\nA,2\n");
    desk.qabyl(&["stock", "import", "count.csv"]).await.ok();
    let why = ["stock", "why", "A", "--stock", "main"];
    let why = desk.qabyl(&why).await.ok().out;
    assert!(
        why.contains("of the stock main: 2 certain, 2 possible"),
        "{why}"
    );
    assert!(!why.contains("outlet"), "{why}");
    desk.qabyl(&["stock", "show", "--stock", "nowhere"])
        .await
        .fails(2, &["nowhere", "main, outlet"]);
    desk.qabyl(&["stock", "audit"]).await.ok();
    desk.qabyl(&["stock", "export"]).await.fails(2, &["--shop"]);
    let export = ["stock", "export", "--shop", "second"];
    assert_eq!(
        desk.qabyl(&export).await.ok().out.trim(),
        "sku,on_hand,warehouse"
    );
}

/// A source that lists another stock than before: what it listed is nobody's any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_another_stock_takes_its_levels_along() {
    let desk = Desk::new(Settings::default());
    let shelf = "[[stock.sources]]\nname = \"outlet\"\nfile = \"outlet.csv\"\n";
    desk.write("qabyl.toml", &desk.config("act", shelf));
    desk.write("other", "the-token-of-the-second");
    desk.write("shelf.csv", "sku,on_hand\nB,7\n");
    desk.write("outlet.csv", "sku,on_hand\nA,5\n");
    desk.qabyl(&["stock", "sources", "--sync"]).await.ok();
    let all = desk
        .qabyl(&["stock", "show", "A", "--format", "json"])
        .await;
    assert_eq!(all.ok().json()[0]["stock"], "");
    desk.write("qabyl.toml", &desk.config("act", SHOPS));
    desk.qabyl(&["stock", "sources", "--sync"]).await.ok();
    let all = desk
        .qabyl(&["stock", "show", "A", "--format", "json"])
        .await;
    let all = all.ok().json();
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all[0]["stock"], "outlet");
    desk.qabyl(&["stock", "audit"]).await.ok();
    // A name that no shop has.
    let unknown = SHOPS.replace("stock = \"outlet\"\n[[", "stock = \"elsewhere\"\n[[");
    desk.write("qabyl.toml", &desk.config("act", &unknown));
    desk.qabyl(&["config", "check"]).await.fails(
        2,
        &["no shop sells from the stock \"outlet\"", "elsewhere, main"],
    );
}
