//! Imports of 50 000 rows by the built program: time and peak memory.
//! `cargo bench --bench import`; `QABYL_BENCH_ROWS` for another size.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench may stop at once")]
#![expect(clippy::disallowed_methods, reason = "a bench takes its own time")]

#[path = "../tests/it/workbook.rs"]
#[expect(
    dead_code,
    reason = "the workbooks that are not sound are for the tests"
)]
mod workbook;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Limits for one import.
const SECONDS_MAX: f64 = 3.0;
const MEMORY_MIB_MAX: u64 = 150;

fn main() {
    let rows = std::env::var("QABYL_BENCH_ROWS").ok();
    let rows: usize = rows.and_then(|rows| rows.parse().ok()).unwrap_or(50_000);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("qabyl.toml"),
        "[database]\npath = \"qabyl.db\"\n",
    )
    .unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_qabyl"))
        .current_dir(folder.path())
        .arg("init")
        .status()
        .unwrap();
    assert!(made.success(), "no database was made");
    for (name, bytes) in [
        ("stock.csv", csv(rows)),
        ("list.xml", price_list(rows)),
        ("book.xlsx", book(rows)),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, &bytes).unwrap();
        // In the first import every level is new, in the second none.
        for again in ["first", "again"] {
            let (took, peak) = import(folder.path(), &file);
            println!(
                "import file={name} rows={rows} bytes={} run={again} seconds={took:.2} peak_mib={} goal={SECONDS_MAX}s,{MEMORY_MIB_MAX}MiB {}",
                bytes.len(),
                peak / 1024,
                if took <= SECONDS_MAX && peak / 1024 <= MEMORY_MIB_MAX {
                    "met"
                } else {
                    "MISSED"
                },
            );
        }
    }
}

/// Seconds, and peak KiB of the program and the process that parses workbooks, together.
fn import(folder: &Path, file: &Path) -> (f64, u64) {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_qabyl"))
        .current_dir(folder)
        .args(["stock", "import", "--confirm-zeros"])
        .arg(file)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    loop {
        peak = peak.max(resident(&child));
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{} was not taken in", file.display());
            return (begun.elapsed().as_secs_f64(), peak);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn resident(child: &Child) -> u64 {
    let id = child.id();
    let tree = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let others = tree.unwrap_or_default();
    let others = others
        .split_whitespace()
        .filter_map(|id| id.parse::<u32>().ok());
    std::iter::once(id).chain(others).map(of_one).sum()
}

fn of_one(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn csv(rows: usize) -> Vec<u8> {
    let mut text = "sku,on_hand,warehouse\n".to_owned();
    for n in 0..rows {
        let _ = writeln!(text, "CSV-{n:06},{},PP1", n % 40);
    }
    text.into_bytes()
}

fn price_list(rows: usize) -> Vec<u8> {
    let mut text = "<kaspi_catalog xmlns=\"kaspiShopping\"><company>C</company><merchantid>1</merchantid><offers>\n".to_owned();
    for n in 0..rows {
        let _ = writeln!(
            text,
            "<offer sku=\"XML-{n:06}\"><model>Товар номер {n}</model><brand>Без бренда</brand><availabilities>\
             <availability available=\"yes\" storeId=\"PP1\" stockCount=\"{}\"/></availabilities>\
             <price>12990</price></offer>",
            n % 40
        );
    }
    text.push_str("</offers></kaspi_catalog>");
    text.into_bytes()
}

fn book(rows: usize) -> Vec<u8> {
    let texts: Vec<[String; 4]> = (0..rows)
        .map(|n| {
            [
                format!("BOOK-{n:06}"),
                format!("Товар номер {n}"),
                (n % 40).to_string(),
                "PP1".to_owned(),
            ]
        })
        .collect();
    let header = vec!["Артикул", "Наименование", "Остаток", "Склад"];
    let rows = texts
        .iter()
        .map(|row| row.iter().map(String::as_str).collect());
    workbook::workbook(std::iter::once(header).chain(rows))
}
