//! Sources that are read again and again, with a clock that the test sets.

use std::time::Duration;

use jiff::SignedDuration;
use qabyl::domain::stock::Semantics;
use qabyl::domain::stock_sources::{Absent, Negative, Standing};
use qabyl::pipeline::sync_stock::{self, Feeds, Place, Source};
use qabyl::stock::How;
use qabyl_sandbox::Settings;

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

impl TestWorld {
    /// The watched file `shelf.csv`.
    fn shelf(&self) -> Feeds {
        self.files(&["shelf"])
    }

    /// Watched files of these names, of the same priority.
    fn files(&self, names: &[&str]) -> Feeds {
        let source = |name: &&str| Source {
            name: (*name).to_owned(),
            stock: String::new(),
            place: Place::File(self.folder().join(format!("{name}.csv"))),
            every: Some(SignedDuration::from_secs(5)),
            semantics: Semantics::Physical,
            standing: Standing {
                priority: 1,
                posting_lag: SignedDuration::ZERO,
                order_lag_max: SignedDuration::ZERO,
            },
            absent: Absent::Unknown,
            negative: Negative::Unknown,
            how: How::plain(Semantics::Physical),
            is_scheduled_now: std::sync::Arc::default(),
        };
        let parts = (std::sync::Arc::clone(&self.store), self.clock());
        let sources = names.iter().map(source).collect();
        Feeds::new(
            parts,
            sources,
            (Some(SignedDuration::from_hours(12)), Some(0.5)),
        )
    }

    /// The file, made now by this machine's clock.
    fn write_shelf(&self, rows: &str) {
        self.write_file("shelf", rows);
    }

    /// The file of that name.
    fn write_file(&self, name: &str, rows: &str) {
        let path = self.folder().join(format!("{name}.csv"));
        std::fs::write(&path, format!("sku,on_hand\n{rows}")).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let now = u64::try_from(self.now().as_millisecond()).unwrap();
        let now = std::time::UNIX_EPOCH + Duration::from_millis(now);
        file.set_modified(now).unwrap();
    }

    async fn numbers(&self) -> Vec<(String, Option<i64>)> {
        let levels = self.levels().await.into_iter();
        levels
            .map(|view| {
                (
                    view.listing.sku.to_string(),
                    view.listing
                        .on_hand
                        .filter(|_| view.listing.as_of.is_some()),
                )
            })
            .collect()
    }

    async fn trouble(&self) -> Option<String> {
        let states = self.store.stock_sources().await.unwrap();
        let trouble = states.into_iter().next()?.trouble;
        trouble.map(|(_, trouble)| trouble.code)
    }
}

fn known(of: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
    of.iter()
        .map(|(sku, n)| ((*sku).to_owned(), Some(*n)))
        .collect()
}

/// The clock ran ahead by years and was put right: the file, which did not change, is read again.
#[tokio::test]
async fn levels_dated_by_a_wrong_clock_are_unknown_until_they_are_read_again() {
    let world = world(Settings::default()).begin().await;
    world.once().await;
    let feeds = world.shelf();
    world.set_clock(3 * 365 * 24 * 3600);
    world.write_shelf("A,5\n");
    sync_stock::due(&feeds).await.unwrap();
    assert_eq!(world.numbers().await, known(&[("A", 5)]));
    world.once().await;

    world.set_clock(-3 * 365 * 24 * 3600);
    world.time.advance(MINUTE);
    world.place_plain(&[("900000002", "A", 1)]);
    world.brief().await;
    assert_eq!(world.numbers().await, [("A".to_owned(), None)]);
    assert_eq!(world.posts("900000002"), [""; 0]);
    // Nothing can be read for now: the trouble is named.
    let file = world.folder().join("shelf.csv");
    std::fs::rename(&file, world.folder().join("away")).unwrap();
    sync_stock::due(&feeds).await.unwrap();
    assert!(world.trouble().await.is_some());
    std::fs::rename(world.folder().join("away"), &file).unwrap();
    sync_stock::due(&feeds).await.unwrap();
    assert_eq!(world.numbers().await, known(&[("A", 5)]));
    assert_eq!(world.trouble().await, None);
    world.later(MINUTE).await;
    assert_eq!(world.posts("900000002"), ["accept"]);
}

/// Numbers that did not change write nothing, and each reading of the last two days is known.
#[tokio::test]
async fn the_readings_of_two_days_are_kept() {
    let world = world(Settings::default()).begin().await;
    let feeds = world.shelf();
    let start = world.now();
    let mut read = Vec::new();
    for (minutes, units) in [(0, 5), (30, 5), (30, 5), (30, 3), (30, 3), (2880, 3)] {
        world.time.advance(minutes * MINUTE);
        // A row that changes each time, so that the file is another one.
        world.write_shelf(&format!("A,{units}\nB,{}\n", read.len()));
        sync_stock::due(&feeds).await.unwrap();
        read.push(units);
    }
    let history = world.store.stock_history(&["A"], start).await.unwrap();
    let units: Vec<i64> = history.iter().map(|reading| reading.on_hand).collect();
    assert_eq!(units, read);
    assert!(history.is_sorted_by_key(|reading| reading.as_of));
    let of_b = world.store.stock_history(&["B"], start).await.unwrap();
    assert_eq!(of_b.len(), 6);
    // What is older than two days is deleted.
    let mut keeper = 0;
    loop {
        let deleted = world
            .store
            .delete_past_levels(world.now(), 2)
            .await
            .unwrap();
        keeper += deleted;
        if deleted == 0 {
            break;
        }
    }
    assert!(keeper > 0);
    let recent = world.now() - SignedDuration::from_hours(48);
    let history = world.store.stock_history(&["A"], recent).await.unwrap();
    assert!(!history.is_empty());
}

/// Two sources of the same priority list five each: there are five for certain, and there may be ten.
#[tokio::test]
async fn two_sources_that_list_as_many_may_be_two_stocks() {
    let world = world(Settings::default()).begin().await;
    let feeds = world.files(&["one", "two"]);
    for name in ["one", "two"] {
        world.write_file(name, "A,5\nB,0\n");
    }
    for _ in 0..3 {
        sync_stock::due(&feeds).await.unwrap();
        world.time.advance(Duration::from_secs(10));
    }
    assert_eq!(world.levels().await.len(), 3, "B of one, A of both");
    world.place_plain(&[
        ("970000701", "A", 6),
        ("970000702", "A", 11),
        ("970000703", "B", 1),
    ]);
    world.minutes(5).await;
    let why = world.why("970000701").await;
    assert_eq!(world.posts("970000701"), [""; 0], "{why}");
    assert!(why.contains("another source lists them"), "{why}");
    assert_eq!(world.posts("970000702"), ["cancel"]);
    assert_eq!(world.posts("970000703"), ["cancel"], "none in either");
}
