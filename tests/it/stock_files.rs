//! Stock files as people and programs export them: the level that each gives, or the message.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use qabyl::domain::stock::{OnHand, Semantics};
use qabyl::stock::{Column, How, Moments, Reading, SourceError, parse};
use qabyl_sandbox::Settings;

use crate::cli::Desk;
use crate::cli::daemon::{Daemon, until};
use crate::workbook::workbook;

/// 16:00 of 30 November 2026 in Almaty, and when the files were made.
const NOW: Timestamp = Timestamp::constant(1_796_036_400, 0);
const MADE: Timestamp = Timestamp::constant(1_796_034_600, 0);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/stock_cases")
        .join(name)
}

fn physical() -> How {
    How::plain(Semantics::Physical)
}

fn read(name: &str, bytes: &[u8], how: &How) -> Result<Reading, SourceError> {
    let moments = Moments {
        made_at: MADE,
        now: NOW,
    };
    parse(bytes, Path::new(name), how, moments)
}

/// Levels as `SKU@warehouse=units`, with the time where it is not that of the file.
fn levels(reading: &Reading) -> Vec<String> {
    let level = |row: &qabyl::domain::stock::StockRow| {
        let units = match row.on_hand {
            OnHand::Exactly(units) => units.to_string(),
            OnHand::AtLeast(units) => format!(">{units}"),
            OnHand::Negative => "negative".to_owned(),
            OnHand::Unknown => "?".to_owned(),
        };
        let at = if row.as_of == MADE {
            String::new()
        } else {
            format!(" {}", row.as_of)
        };
        format!("{}@{}={units}{at}", row.sku, row.warehouse)
    };
    reading.rows.iter().map(level).collect()
}

/// Everything that is said about a file.
fn words(read: &Result<Reading, SourceError>) -> String {
    match read {
        Err(error) => format!("refused: {error}"),
        Ok(reading) => {
            let doubts = reading.doubts.iter();
            let doubts: Vec<String> = doubts
                .map(|d| format!("line {}: {}", d.line, d.what))
                .collect();
            format!("{}\n{}", reading.notes.join("\n"), doubts.join("\n"))
        }
    }
}

#[rstest::rstest]
#[case("1c_cp1251.csv", &["A-01@=5"], &[])]
#[case("1c_decimal_comma.csv", &["A-01@=5"], &[])]
#[case("1c_more_columns.csv", &["A-01@=5"], &["ignored columns: 'Код', 'Номенклатура', 'Ед. изм.'"])]
#[case("1c_title_and_totals.csv", &["A-01@=5"], &["skipped as totals: 1", "above the header: 2"])]
#[case("title_row.xlsx", &["A@=5"], &["above the header: 1"])]
#[case("tab_separated.csv", &["A-01@=5"], &[])]
#[case("kol-vo.csv", &["A-01@=5"], &[])]
#[case("google_with_name.csv", &["A-01@=5"], &["ignored columns: 'Наименование'"])]
#[case("gt50.csv", &["A-01@=>50", "B@=?", "C@=?"], &["line 3: the quantity of 'B' is 'много'", "line 4: "])]
#[case("empty_sku_row.csv", &["A-01@=5"], &["without an SKU", "2"])]
#[case("date_ru.csv", &["A-01@=5"], &[])]
#[case("moysklad_flat.csv", &["A-01@=5"], &["'Доступно'", "'Резерв'"])]
#[case("sku_number_with_zero_format.xlsx", &["00123@=5"], &[])]
#[case("leading_zeros_lost.csv", &["49@=5"], &[])]
#[case("extra_column.xlsx", &["A@PP1=4"], &["'KZ-ALA' (a city, not a pickup point)"])]
#[case("kaspi_no_with_count.xml", &["A@PP1=?"], &["line 1: 'A' is available=\"no\" with stockCount '4'", "contradict"])]
#[case("kaspi_date_string.xml", &["A1@PP1=7"], &[])]
#[case("kaspi_date_only.xml", &["A1@PP1=7"], &[])]
#[case("kaspi_date_dmy.xml", &["A1@PP1=7 2026-11-30T05:00:00Z"], &[])]
#[case("kaspi_stockcount_decimal.xml", &["A1@PP1=50 2026-11-30T05:00:00Z"], &[])]
#[case("kaspi_sku_empty.xml", &["A1@PP1=7 2026-11-30T05:00:00Z"], &["without an SKU", "5"])]
#[case("kaspi_bare_amp.xml", &["A1@PP1=7 2026-11-30T05:00:00Z"], &[])]
#[case("absent_1_before.csv", &["A@=3", "B@=5"], &[])]
#[case("absent_2_after.csv", &["B@=5"], &[])]
#[case("on_hand_and_pp.xlsx", &[], &["'on_hand'", "PP1, PP2", "contradict"])]
#[case("1c_html.xls", &[], &["an HTML table named .xls: save as .xlsx"])]
#[case("calc.ods", &[], &["an OpenDocument sheet: save as .xlsx"])]
fn a_file_of_the_world_gives_its_level_or_its_message(
    #[case] name: &str,
    #[case] expected: &[&str],
    #[case] naming: &[&str],
) {
    let bytes = std::fs::read(fixture(name)).unwrap();
    let read = read(name, &bytes, &physical());
    let found = read.as_ref().map(levels).unwrap_or_default();
    assert_eq!(found, expected, "{}", words(&read));
    for word in naming {
        assert!(words(&read).contains(word), "{word} in {}", words(&read));
    }
}

/// A table in each way it may be saved.
fn saved(rows: &str) -> Vec<(&'static str, Vec<u8>)> {
    let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.split('|').collect()).collect();
    let text = |delimiter: &str| {
        let cell = |cell: &&str| {
            if cell.contains([';', ',', '\t']) {
                format!("\"{cell}\"")
            } else {
                (*cell).to_owned()
            }
        };
        let line = |row: &Vec<&str>| row.iter().map(cell).collect::<Vec<_>>().join(delimiter);
        rows.iter()
            .map(|row| line(row) + "\r\n")
            .collect::<String>()
    };
    let semicolons = text(";");
    let utf_16 = "\u{feff}".encode_utf16().chain(semicolons.encode_utf16());
    let utf_16 = utf_16.flat_map(u16::to_le_bytes).collect();
    vec![
        ("a.csv", semicolons.clone().into_bytes()),
        ("commas.csv", text(",").into_bytes()),
        ("tabs.txt", text("\t").into_bytes()),
        ("sep.csv", format!("sep=;\r\n{semicolons}").into_bytes()),
        ("bom.csv", format!("\u{feff}{semicolons}").into_bytes()),
        ("utf16.csv", utf_16),
        ("a.xlsx", workbook(rows.clone())),
    ]
}

/// The same rules for every format of a table.
#[rstest::rstest]
#[case::earlier_names_win("Код|SKU|Артикул|Кол-во|Остаток\n1|2|A|9|5", &["A@=5"])]
#[case::kazakh("Артикул|Қойма|Қалдық\nA|PP1|5", &["A@PP1=5"])]
#[case::english("Code|SKU|Qty|Warehouse\nx|A|5|PP1", &["A@PP1=5"])]
#[case::units_in_the_name("Артикул |Кол-во, шт.|Магазин\nA|5|PP2", &["A@PP2=5"])]
#[case::totals("Отчёт\nАртикул|Остаток\nA|5\nБарлығы:|5\n|Всего 5\nИтого по складу|5", &["A@=5"])]
#[case::numbers("Артикул|Остаток\nA|5,000\nB|5.0\nC|1 200\nD|5,0\nE|5,5\nF|0",
    &["A@=5", "B@=5", "C@=1200", "D@=5", "E@=?", "F@=0"])]
#[case::bounds_and_none("Артикул|Остаток\nA|>50\nB|\nC|-\nD|-3\nE|7 шт",
    &["A@=>50", "B@=?", "C@=?", "D@=negative", "E@=7"])]
#[case::twice_alike("Артикул|Остаток\nA|5\nA|5,0\nB|1\nB|2", &["A@=5", "B@=?"])]
#[case::twice_elsewhere("Артикул|Остаток|Склад\nA|5|PP1\nA|6|PP2", &["A@PP1=5", "A@PP2=6"])]
#[case::points("SKU|model|PP1|pp2|KZ-ALA\nA|m|5|no|9\nB|m|yes||9",
    &["A@PP1=5", "A@PP2=0", "B@PP1=?"])]
#[case::dates("Артикул|Остаток|Дата\nA|5|30.11.2026 10:00\nB|5|2026-11-30 10-00\nC|5|30.11.2026\nD|5|2026-11-30T05:00:00Z\nE|5|soon",
    &["A@=5 2026-11-30T05:00:00Z", "B@=5 2026-11-30T05:00:00Z", "C@=5", "D@=5 2026-11-30T05:00:00Z", "E@=?"])]
#[case::the_future("Артикул|Остаток|Дата\nA|5|01.12.2027 10:00\nB|5|", &["A@=?", "B@=5"])]
fn a_table_is_understood_alike_in_every_format(#[case] rows: &str, #[case] expected: &[&str]) {
    for (name, bytes) in saved(rows) {
        let read = read(name, &bytes, &physical());
        let found = read.as_ref().map(levels).unwrap_or_default();
        assert_eq!(found, expected, "{name}: {}", words(&read));
    }
}

#[rstest::rstest]
#[case::points_beside_a_quantity("Артикул|Остаток|PP1\nA|5|3", &["'Остаток'", "PP1", "contradict"])]
#[case::a_column_twice("Артикул|Остаток|Остаток\nA|5|3", &["'остаток' is listed twice"])]
#[case::only_what_is_left("Артикул|Доступно\nA|5", &["'Доступно'", "semantics = \"available\""])]
#[case::a_name_nearly_right("Артикул|Остатак\nA|5", &["'Остатак'", "did you mean остаток?"])]
#[case::no_header("A|5\nB|7", &["no header"])]
#[case::no_rows("Артикул|Остаток", &["not taken for zero stock"])]
#[case::nothing_understood("Артикул|Остаток\nA|x\nB|y", &["none of 2 rows", "'x'"])]
#[case::no_quantity_at_all("Артикул|Остаток\nA|\nB|", &["the quantity is empty in each of 2 rows"])]
#[case::columns_below_one_name("Артикул|Остаток||\n|Основной|Магазин|Итого\nA|3|0|3", &["second row", "'Основной'"])]
fn a_table_that_is_not_stock_is_refused_in_every_format(
    #[case] rows: &str,
    #[case] naming: &[&str],
) {
    for (name, bytes) in saved(rows) {
        let read = read(name, &bytes, &physical());
        assert!(read.is_err(), "{name}: {read:?}");
        for word in naming {
            assert!(
                words(&read).contains(word),
                "{name}: {word} in {}",
                words(&read)
            );
        }
    }
}

#[test]
fn more_than_a_tenth_of_rows_not_understood_is_the_wrong_file() {
    for (bad, all, is_refused) in [
        (5, 20, false),
        (6, 60, false),
        (6, 59, true),
        (20, 100, true),
    ] {
        let rows: Vec<String> = (0..all)
            .map(|row| format!("S{row};{}", if row < bad { "x" } else { "3" }))
            .collect();
        let text = format!("Артикул;Остаток\n{}\n", rows.join("\n"));
        let read = read("a.csv", text.as_bytes(), &physical());
        assert_eq!(
            read.is_err(),
            is_refused,
            "{bad} of {all}: {}",
            words(&read)
        );
        assert!(
            words(&read).contains("line 2: ") || words(&read).contains(":2: "),
            "{}",
            words(&read)
        );
    }
}

#[test]
fn columns_and_semantics_choose_the_quantity() {
    let text = "Артикул;Код;Доступно;Остаток;Склад;Место\nA;1;4;5;PP1;PP2\n";
    let read = |how: &How| levels(&read("a.csv", text.as_bytes(), how).unwrap());
    assert_eq!(read(&physical()), ["A@PP1=5"]);
    assert_eq!(read(&How::plain(Semantics::Available)), ["A@PP1=4"]);
    let mut how = physical();
    how.columns.insert(Column::Sku, "Код".to_owned());
    how.columns.insert(Column::OnHand, "доступно".to_owned());
    how.columns.insert(Column::Warehouse, "Место".to_owned());
    assert_eq!(read(&how), ["1@PP2=4"]);
    how.columns.insert(Column::OnHand, "Наличие".to_owned());
    let refused = parse(
        text.as_bytes(),
        Path::new("a.csv"),
        &how,
        Moments {
            made_at: MADE,
            now: NOW,
        },
    );
    assert!(
        words(&refused).contains("no column 'Наличие'"),
        "{}",
        words(&refused)
    );
}

#[test]
fn a_row_that_is_not_understood_makes_its_sku_unknown() {
    // An unquoted comma moves the cells; the row of another warehouse is in doubt with it.
    let text = "Артикул,Наименование,Остаток,Склад\nA,Чайник,5,PP1\nA,Чайник, белый,7,PP2\nB,Утюг,3,PP1\nC\n";
    let read = read("a.csv", text.as_bytes(), &physical());
    let found = read.as_ref().map(levels).unwrap();
    assert_eq!(found, ["A@PP1=?", "B@PP1=3", "C@=?"], "{}", words(&read));
    for line in ["line 3: 5 fields, but the header has 4", "line 5: 1 fields"] {
        assert!(words(&read).contains(line), "{line} in {}", words(&read));
    }
}

#[test]
fn names_with_control_characters_or_without_end_are_no_skus() {
    let long = "x".repeat(65);
    let text = format!("sku,on_hand,warehouse\nA,5,\n\"B\u{1b}[31m\",5,\n{long},5,\nC,5,{long}\n");
    let read = read("a.csv", text.as_bytes(), &physical());
    assert_eq!(read.as_ref().map(levels).unwrap(), ["A@=5", "C@=?"]);
    let words = words(&read);
    assert!(
        !words.contains('\u{1b}') && words.contains("control characters"),
        "{words}"
    );
    assert!(words.contains("65 characters, more than 64"), "{words}");
}

#[test]
fn a_quote_that_does_not_end_refuses_the_file() {
    for text in [
        "Артикул;Название;Остаток\nA;\"Чайник;5\nB;\"Утюг\";6\nC;Лампа;7\n",
        "Артикул;Остаток\nA;5\nB;\"6\nC;7\n",
    ] {
        let read = read("a.csv", text.as_bytes(), &physical());
        assert!(words(&read).contains("quote"), "{}", words(&read));
    }
    let inch = "Артикул;Название;Остаток\nA;Труба 1/2\";5\nB;\"Лампа\nбелая; тёплая\";6\n";
    let read = read("a.csv", inch.as_bytes(), &physical());
    assert_eq!(read.as_ref().map(levels).unwrap(), ["A@=5", "B@=6"]);
}

#[test]
fn a_last_line_without_its_end_is_suspected_where_there_used_to_be_one() {
    let text = "Артикул;Остаток\nB;7\nA;1";
    let mut how = physical();
    let plain = read("a.csv", text.as_bytes(), &how).unwrap();
    assert_eq!(
        (levels(&plain), plain.ends_lines),
        (vec!["A@=1".into(), "B@=7".into()], Some(false))
    );
    how.ends_lines = true;
    let cut = read("a.csv", text.as_bytes(), &how);
    assert_eq!(cut.as_ref().map(levels).unwrap(), ["A@=?", "B@=7"]);
    assert!(
        words(&cut).contains("line 3: the last line has no line end"),
        "{}",
        words(&cut)
    );
}

#[test]
fn the_first_visible_sheet_is_read_and_a_formula_without_value_is_named() {
    let hidden = read("a.xlsx", &crate::workbook::hidden_sheet(), &physical());
    assert_eq!(hidden.as_ref().map(levels).unwrap(), ["A@=5"]);
    assert!(
        words(&hidden).contains("read sheet 'Now', not 'Notes'"),
        "{}",
        words(&hidden)
    );
    let formula = read("a.xlsx", &crate::workbook::unsaved_formula(), &physical());
    assert_eq!(formula.as_ref().map(levels).unwrap(), ["A@=5", "B@=?"]);
    let expected = "line 3: the quantity of 'B' is a formula without a saved value";
    assert!(words(&formula).contains(expected), "{}", words(&formula));
}

/// Its goods are there or not: the list does not say.
#[test]
fn an_offer_without_availability_is_unknown() {
    let list = br#"<kaspi_catalog><offers>
        <offer sku="A"><availabilities/></offer><offer sku="B"/>
        <offer sku="C"><availabilities><availability available="yes" storeId="PP1" stockCount="3"/></availabilities></offer>
        </offers></kaspi_catalog>"#;
    let reading = read("list.xml", list, &physical()).unwrap();
    assert_eq!(levels(&reading), ["A@=?", "B@=?", "C@PP1=3"]);
    assert_eq!(reading.doubts_total, 2, "{:?}", reading.doubts);
}

/// What is only unclear must not cancel: not as shipped, and not with every brake on cancels off.
#[tokio::test(flavor = "multi_thread")]
async fn a_price_list_that_contradicts_itself_cancels_nothing() {
    let desk = Desk::new(Settings::default());
    std::fs::copy(fixture("kaspi_no_with_count.xml"), desk.path("list.xml")).unwrap();
    desk.qabyl(&["stock", "import", "list.xml"]).await.ok();
    assert_eq!(desk.levels().await, ["A@PP1=null"]);
    desk.place("900000001", "A", 1);
    for _ in 0..2 {
        desk.qabyl(&["once", "--timeout", "20s"]).await;
    }
    assert_eq!(desk.posts("900000001"), 0);
}

/// The import says on one screen what it took, ignored and doubts, and `--strict` takes none of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_tells_what_it_took_and_strict_refuses_doubt() {
    let desk = Desk::new(Settings::default());
    let text =
        "Остатки\n\nАртикул;Название;Остаток\nA;Чайник;5\nB;Утюг;много\n;Лампа;3\nИтого;;8\n";
    let strict = |name: &'static str| ["stock", "import", "--strict", name];
    desk.write("s.csv", text);
    let refused = desk.qabyl(&strict("s.csv")).await;
    refused.fails(
        1,
        &[
            "s.csv:5: the quantity of 'B' is 'много'",
            "--strict",
            "nothing was imported",
        ],
    );
    assert_eq!(desk.levels().await, [""; 0]);
    let taken = desk.import("s.csv", text).await.ok();
    for word in [
        "imported 2 levels from s.csv",
        "the file's own time",
        "ignored columns: 'Название'",
        "skipped as totals: 1",
        "skipped without an SKU: 1 row, line 6",
        "  line 5: the quantity of 'B' is 'много'",
        "1 levels are unknown",
    ] {
        assert!(taken.out.contains(word), "{word} in\n{}", taken.out);
    }
    assert!(
        taken.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        taken.out
    );
    assert_eq!(desk.levels().await, ["A@=5", "B@=null"]);
    desk.import("good.csv", "sku,on_hand\nA,6\n").await.ok();
    desk.qabyl(&strict("good.csv")).await.ok();
}

/// Files that take any amount of memory or time are refused in words, and the daemon goes on accepting orders.
#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_survives_hostile_files_and_accepts_orders() {
    let names = [
        "wide.xlsx",
        "lines.csv",
        "deep.xml",
        "cell.csv",
        "bomb.xlsx",
        "pipe",
        "zero",
        "open.csv",
    ];
    let sources = names.iter().map(|name| {
        let id = name.replace('.', "-");
        format!("[[stock.sources]]\nname = \"{id}\"\nfile = \"{name}\"\n")
    });
    let desk = Desk::new(Settings::default());
    desk.write(
        "qabyl.toml",
        &desk.config("act", &sources.collect::<String>()),
    );
    desk.stock("sku,on_hand\nOLD,7\n").await;
    let columns: Vec<String> = (1..250).map(|point| format!("PP{point}")).collect();
    let header: Vec<&str> = ["SKU"]
        .into_iter()
        .chain(columns.iter().map(String::as_str))
        .collect();
    let wide = std::iter::once(header).chain((0..2_000).map(|_| vec!["1"; 250]));
    let write = |name: &str, bytes: &[u8]| std::fs::write(desk.path(name), bytes).unwrap();
    write("wide.xlsx", &workbook(wide));
    write(
        "lines.csv",
        &[b"sku,on_hand\n".as_slice(), &b"A,1\n".repeat(7_000_000)].concat(),
    );
    write(
        "deep.xml",
        &[
            b"<kaspi_catalog>".as_slice(),
            &b"<offers>".repeat(1_800_000),
        ]
        .concat(),
    );
    write(
        "cell.csv",
        &[
            b"sku,on_hand\nA,\"".as_slice(),
            &b"1".repeat(10 << 20),
            b"\"\nB,2\n",
        ]
        .concat(),
    );
    write("bomb.xlsx", &crate::workbook::bomb());
    write("open.csv", b"sku,on_hand\nA,\"5\nB,2\n");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(desk.path("pipe"))
            .status()
            .unwrap()
            .success()
    );
    std::os::unix::fs::symlink("/dev/zero", desk.path("zero")).unwrap();
    desk.place("900000001", "OLD", 2);
    let daemon = Daemon::start(&desk);
    until("the order is accepted", || {
        desk.status("900000001") == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    let log = || std::fs::read_to_string(desk.path("log")).unwrap_or_default();
    until("each file is refused", || {
        let log = log();
        let failed = |name: &&str| {
            let source = format!("\"source\":\"{}\"", name.replace('.', "-"));
            log.lines()
                .any(|line| line.contains("stock.source_failed") && line.contains(&source))
        };
        names.iter().all(failed)
    })
    .await;
    for words in [
        "more than 200000 levels",
        "more than 16 MiB",
        "more than 16 elements inside each other",
        "a line of 10485764 bytes",
        "more than 96 MiB of memory",
        "it is not a file",
        "it is a symbolic link",
        "a quote is opened",
    ] {
        assert!(log().contains(words), "{words} in\n{}", log());
    }
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(desk.levels().await, ["OLD@=7"]);
}

/// A server that answers each request with the next of these, and keeps their paths.
fn answers(all: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let paths = std::thread::spawn(move || {
        let answer = |text: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            stream.write_all(text.as_bytes()).unwrap();
            head.split(' ').nth(1).unwrap_or_default().to_owned()
        };
        all.into_iter().map(answer).collect()
    });
    (base, paths)
}

fn ok(kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_google_sheet_is_read_by_the_address_of_the_browser() {
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /moved\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let away = "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://example.kz/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let sheet = ok(
        "text/csv",
        "Артикул,Наименование,Остаток\nA-01,\"Чайник, белый\",5",
    );
    let page = ok(
        "text/html",
        "<!DOCTYPE html><html><body>Sign in</body></html>",
    );
    let (base, paths) = answers(vec![redirect.to_owned(), sheet, page, away.to_owned()]);
    let desk = Desk::new(Settings::default());
    let source = format!(
        "[[stock.sources]]\nname = \"sheet\"\nkind = \"google-sheet\"\nurl = \"{base}/spreadsheets/d/ID/edit?usp=x#gid=7\"\n"
    );
    desk.write("qabyl.toml", &desk.config("act", &source));
    let sync = ["stock", "sources", "--sync", "sheet", "--format", "json"];
    desk.qabyl(&sync).await.ok();
    assert_eq!(desk.levels().await, ["A-01@=5"]);
    desk.qabyl(&sync).await.fails(1, &["share it by link"]);
    desk.qabyl(&sync)
        .await
        .fails(1, &["redirects to example.kz"]);
    assert_eq!(desk.levels().await, ["A-01@=5"]);
    let export = "/spreadsheets/d/ID/export?format=csv&gid=7";
    assert_eq!(paths.join().unwrap(), [export, "/moved", export, export]);
}

const SHELF: &str = "[[stock.sources]]\nname = \"shelf\"\nfile = \"shelf.csv\"\n";

/// A last line cut in the middle of its number sells nothing and cancels nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_last_line_makes_its_sku_unknown() {
    let desk = Desk::new(Settings::default());
    desk.write("qabyl.toml", &desk.config("act", SHELF));
    let sync = ["stock", "sources", "--sync", "shelf", "--format", "json"];
    desk.write("shelf.csv", "sku,on_hand\nB,7\nA,12\n");
    desk.qabyl(&sync).await.ok();
    desk.write("shelf.csv", "sku,on_hand\nB,7\nA,1");
    desk.qabyl(&sync)
        .await
        .fails(0, &["S006", "the last line has no line end"]);
    assert_eq!(desk.levels().await, ["A@=null", "B@=7"]);
    desk.place("900000001", "A", 5);
    for _ in 0..2 {
        desk.qabyl(&["once", "--timeout", "20s"]).await;
    }
    assert_eq!(desk.posts("900000001"), 0);
}

/// An SKU that lost its zeros on the way is named in the reason of the hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_for_an_unknown_sku_names_what_looks_like_it() {
    let desk = Desk::new(Settings::default());
    std::fs::copy(fixture("leading_zeros_lost.csv"), desk.path("s.csv")).unwrap();
    desk.qabyl(&["stock", "import", "s.csv"]).await.ok();
    desk.place("900000001", "00049", 1);
    desk.qabyl(&["once", "--timeout", "20s"]).await;
    assert_eq!(desk.posts("900000001"), 0);
    let held = ["orders", "list", "--held", "--format", "json"];
    let held = desk.qabyl(&held).await.ok().out;
    assert!(held.contains("\"near\":\"49\""), "{held}");
    let explained = desk.qabyl(&["explain", "900000001"]).await.ok().out;
    let explained = explained.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = "SKU 00049 is in no stock source, but 49 is";
    assert!(explained.contains(words), "{explained}");
}

/// A file that ends its reader is read a few times, and then no more until it changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_ends_its_reader_is_not_read_at_every_start() {
    let desk = Desk::new(Settings::default());
    let source = "[[stock.sources]]\nname = \"shelf\"\nfile = \"shelf.xlsx\"\n";
    desk.write("qabyl.toml", &desk.config("act", source));
    std::fs::write(desk.path("shelf.xlsx"), crate::workbook::bomb()).unwrap();
    let sync = ["stock", "sources", "--sync", "shelf", "--format", "json"];
    for _ in 0..3 {
        desk.qabyl(&sync).await.fails(1, &["MiB of memory"]);
    }
    desk.qabyl(&sync)
        .await
        .fails(1, &["S002", "not read again until it changes"]);
    let good = workbook([vec!["sku", "on_hand"], vec!["A", "5"]]);
    std::fs::write(desk.path("shelf.xlsx"), good).unwrap();
    desk.qabyl(&sync).await.ok();
    assert_eq!(desk.levels().await, ["A@=5"]);
}
