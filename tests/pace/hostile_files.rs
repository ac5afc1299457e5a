//! Stock files made so that reading them takes any amount of memory or time: each is refused in words, in little
//! memory, and orders are accepted in the meantime.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use qabyl_sandbox::{Settings, Status};

use crate::shop::{Shop, second};
use crate::workbook;

/// What the daemon and the processes that read files may take together.
const MEMORY_MAX_MB: u64 = 256;

/// A file, how it is made, and what is said of it.
struct Hostile {
    name: &'static str,
    make: fn(&Path, Size),
    said: &'static [&'static str],
}

/// Of the full size, or as small as the gate has time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Full,
}

impl Size {
    fn of(self, full: usize) -> usize {
        if self == Self::Full { full } else { full / 10 }
    }
}

const FILES: [Hostile; 9] = [
    Hostile {
        name: "wide",
        make: wide,
        said: &[""],
    },
    Hostile {
        name: "long",
        make: long,
        said: &["MiB"],
    },
    Hostile {
        name: "nested",
        make: nested,
        said: &[""],
    },
    Hostile {
        name: "cell",
        make: cell,
        said: &[""],
    },
    Hostile {
        name: "bomb",
        make: bomb,
        said: &[""],
    },
    Hostile {
        name: "pipe",
        make: pipe,
        said: &["not a file"],
    },
    Hostile {
        name: "link",
        make: link,
        said: &["symbolic link"],
    },
    Hostile {
        name: "growing",
        make: growing,
        said: &["MiB"],
    },
    Hostile {
        name: "slowly",
        make: slowly,
        said: &["changing", "mv"],
    },
];

fn put(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("part");
    fs::write(&beside, bytes).unwrap();
    fs::rename(&beside, path).unwrap();
}

/// A sheet of 255 columns.
fn wide(path: &Path, size: Size) {
    let row = |number: usize| -> Vec<String> {
        (0..255)
            .map(|column| format!("{}", number * 255 + column))
            .collect()
    };
    let rows: Vec<Vec<String>> = (0..size.of(20_000)).map(row).collect();
    let rows = rows
        .iter()
        .map(|row| row.iter().map(String::as_str).collect());
    put(path, &workbook::workbook(rows));
}

fn long(path: &Path, size: Size) {
    let mut text = "sku,on_hand\n".to_owned();
    for number in 0..size.of(7_000_000) {
        let _ = writeln!(text, "S{number},1");
    }
    put(path, text.as_bytes());
}

fn nested(path: &Path, size: Size) {
    let depth = size.of(60_000_000) / 7;
    let mut text = "<kaspi_catalog>".to_owned();
    text.push_str(&"<a>".repeat(depth));
    text.push_str(&"</a>".repeat(depth));
    put(path, text.as_bytes());
}

fn cell(path: &Path, _: Size) {
    let text = format!("sku,on_hand\n{},1\n", "x".repeat(10_000_000));
    put(path, text.as_bytes());
}

fn bomb(path: &Path, _: Size) {
    put(path, &workbook::bomb());
}

fn pipe(path: &Path, _: Size) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn link(path: &Path, _: Size) {
    std::os::unix::fs::symlink("/dev/zero", path).unwrap();
}

fn grow(path: &Path, each: usize) {
    let (path, lines) = (path.to_owned(), "A,1\n".repeat(each));
    std::thread::spawn(move || {
        while fs::metadata(path.parent().unwrap()).is_ok() {
            let mut options = fs::OpenOptions::new();
            let Ok(mut file) = options.append(true).create(true).open(&path) else {
                return;
            };
            if file.metadata().is_ok_and(|found| found.len() < 1 << 30) {
                let _ = file.write_all(lines.as_bytes());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
}

fn growing(path: &Path, _: Size) {
    grow(path, 1 << 18);
}

fn slowly(path: &Path, _: Size) {
    grow(path, 1);
}

/// Resident memory of the daemon and of the processes it started, in MB.
fn memory(pid: u32) -> u64 {
    let children = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten();
    let children = children
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children = children.collect::<Vec<_>>().join(" ");
    let all = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .chain([pid]);
    let resident = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    all.filter_map(resident).sum::<u64>() / 1024
}

/// The first thing that the log says of a source.
fn said(shop: &Shop, source: &str) -> Option<String> {
    let log = shop.log();
    let of_source = format!("\"source\":\"{source}\"");
    let line = log.lines().find(|line| {
        line.contains("stock.source_failed")
            && line.contains(&of_source)
            && !line.contains("No such file")
    });
    line.map(str::to_owned)
}

async fn refused(size: Size, within: f64) {
    let mut sources = String::new();
    for file in &FILES {
        let (name, end) = (
            file.name,
            if file.name == "wide" || file.name == "bomb" {
                "xlsx"
            } else {
                "txt"
            },
        );
        let _ = write!(
            sources,
            "[[stock.sources]]\nname = \"{name}\"\nfile = \"{name}.{end}\"\nevery = \"1s\"\n"
        );
    }
    let mut shop = Shop::open(Settings::default(), 0, &sources);
    let peak = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let pid = shop.pid();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                peak.fetch_max(memory(pid), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let folder = shop.folder().to_owned();
        for file in &FILES {
            let end = if file.name == "wide" || file.name == "bomb" {
                "xlsx"
            } else {
                "txt"
            };
            (file.make)(&folder.join(format!("{}.{end}", file.name)), size);
        }
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let from = shop.age();
                while shop.age() < from + within
                    && FILES.iter().any(|file| said(&shop, file.name).is_none())
                {
                    shop.place(1);
                    second().await;
                }
            });
        });
        stop.store(true, Ordering::Relaxed);
    });
    for _ in 0..20 {
        if shop.waiting() > 0 {
            second().await;
        }
    }
    let world = shop.server.world();
    let accepted = world
        .orders()
        .iter()
        .filter(|order| order.status == Status::AcceptedByMerchant);
    let waited = accepted.filter_map(|order| {
        Some(
            order
                .accepted_at?
                .duration_since(order.seed.created_at)
                .as_secs_f64(),
        )
    });
    let longest = waited.fold(0.0, f64::max);
    let orders = world.orders().len();
    drop(world);
    println!(
        "{size:?}: at most {} MB, {orders} orders in the meantime, each accepted within {longest:.1} s",
        peak.load(Ordering::Relaxed)
    );
    for file in &FILES {
        println!(
            "{}: {}",
            file.name,
            said(&shop, file.name).unwrap_or_default()
        );
    }
    assert!(shop.is_alive(), "{}", shop.log());
    for file in &FILES {
        let said = said(&shop, file.name).unwrap_or_default();
        assert!(!said.is_empty(), "{}: nothing was said", file.name);
        for words in file.said {
            assert!(said.contains(words), "{}: {said}", file.name);
        }
    }
    assert_eq!(shop.waiting(), 0, "{}", shop.log());
    // New orders are listed every quarter of a minute.
    assert!(longest < 25.0, "{longest}");
    assert!(peak.load(Ordering::Relaxed) < MEMORY_MAX_MB, "{peak:?} MB");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn hostile_files_are_refused_while_orders_are_accepted() {
    refused(Size::Small, 200.0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn hostile_files_of_full_size_are_refused_while_orders_are_accepted() {
    refused(Size::Full, 300.0).await;
}
