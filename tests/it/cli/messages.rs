//! What a user reads after each of many mistakes and failures: the exit code, the cause that was injected, and the next
//! step. `QABYL_MESSAGES=FILE` writes them all, to be read as a user would.

use std::fmt::Write as _;
use std::process::Command;

use qabyl_sandbox::Settings;

use super::Desk;
use super::causes::{answers, unused_address};

/// What is done to a working desk, the command, its exit code, and what it must say.
struct Case(
    &'static str,
    fn(&Desk),
    &'static [&'static str],
    i32,
    &'static [&'static str],
);

const STOCK: &[&str] = &["stock", "import", "stock.csv"];
const IMPORT: &[&str] = &["catalog", "import", "p.json"];
const DOCTOR: &[&str] = &["doctor"];
const STATUS: &[&str] = &["status"];

fn config(desk: &Desk, from: &str, to: &str) {
    let text = desk.config("act", "");
    assert!(text.contains(from), "{from}");
    desk.write("qabyl.toml", &text.replace(from, to));
}

fn more(desk: &Desk, more: &str) {
    desk.write("qabyl.toml", &desk.config("act", more));
}

fn kaspi_at(desk: &Desk, address: &str) {
    config(desk, desk.server.base_url().as_str(), address);
}

fn pipe(desk: &Desk, name: &str) {
    let path = desk.path(name);
    let _ = std::fs::remove_file(&path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn rules(desk: &Desk, text: &str) {
    desk.write("rules.toml", text);
    more(desk, "[rules]\nfile = \"rules.toml\"\n");
}

fn second_shop(desk: &Desk) {
    desk.write("other", super::TOKEN);
    more(
        desk,
        "[[shops]]\nname = \"second\"\ntoken_file = \"other\"\nmode = \"act\"\n",
    );
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // The configuration.
    Case("no such configuration", |_| {}, &["--config", "nowhere.toml", "status"], 2, &["nowhere.toml", "No such file"]),
    Case("not TOML", |d| d.write("qabyl.toml", "[kaspi\n"), STATUS, 2, &["qabyl.toml:1:"]),
    Case("a misspelt key", |d| config(d, "rate_start", "rate_strat"), STATUS, 2, &["qabyl.toml:5:1", "did you mean rate_start?"]),
    Case("a key of another section", |d| more(d, "[log]\nschedule = \"x\"\n"), STATUS, 2, &["belongs under [poll]"]),
    Case("a misspelt section", |d| config(d, "[poll]", "[pol]"), STATUS, 2, &["pol: unknown section", "[poll]"]),
    Case("a time without a unit", |d| config(d, "\"2s\"", "\"2\""), STATUS, 2, &["did you mean \"2s\"?"]),
    Case("a month for a minute", |d| config(d, "\"2s\"", "\"1M\""), STATUS, 2, &["a month has no fixed length", "\"1m\""]),
    Case("five cron fields", |d| config(d, "* * * * * *", "* * * * *"), STATUS, 2, &["expected six cron fields"]),
    Case("an unknown mode", |d| config(d, "mode = \"act\"", "mode = \"acts\""), STATUS, 2, &["did you mean \"act\"?"]),
    Case("no shop", |d| d.write("qabyl.toml", "[poll]\nlookback = \"3d\"\n"), &["once"], 2, &["shops"]),
    Case("a shop twice", |d| more(d, "[[shops]]\nname = \"main\"\ntoken_file = \"t\"\n"), STATUS, 2, &["another shop is named \"main\""]),
    Case("pages for everyone without a token", |d| config(d, "listen = \"\"", "listen = \"0.0.0.0:0\""), &["run"], 2, &["other machines can reach", "http.token_file"]),
    Case("a configuration that is a pipe", |d| pipe(d, "pipe"), &["--config", "pipe", "status"], 2, &["pipe", "it is not a file"]),
    // Tokens.
    Case("no token file", |d| std::fs::remove_file(d.path("token")).unwrap(), &["once"], 2, &["shop main", "token"]),
    Case("an empty token", |d| d.write("token", " \n"), &["once"], 2, &["shop main", "is empty"]),
    Case("a token in quotes", |d| d.write("token", "\"abc\""), &["once"], 2, &["quotes"]),
    Case("a token with its name", |d| d.write("token", "KASPI_TOKEN=abc"), &["once"], 2, &["NAME="]),
    Case("a token in UTF-16", |d| std::fs::write(d.path("token"), b"\xff\xfea\0b\0").unwrap(), &["once"], 2, &["UTF-16"]),
    Case("two lines in the token file", |d| d.write("token", "one\ntwo"), &["once"], 2, &["other than one token"]),
    Case("a token that is a pipe", |d| pipe(d, "token"), &["once"], 2, &["shop main", "it is not a file"]),
    Case("one token for two shops", second_shop, &["once"], 2, &["main", "second", "same token"]),
    // Rules.
    Case("no rules file", |d| more(d, "[rules]\nfile = \"mine.toml\"\n"), &["rules", "check"], 2, &["mine.toml", "No such file"]),
    Case("a misspelt condition", |d| rules(d, "[[rule]]\nname = \"r\"\nwhen = { totl = 5 }\nthen = \"hold\"\n"), &["rules", "check"], 2, &["rules.toml:3:10", "did you mean 'total'?"]),
    Case("a rule that never applies", |d| rules(d, "[[rule]]\nname = \"a\"\nthen = \"accept\"\n[[rule]]\nname = \"b\"\nthen = \"hold\"\n"), &["once"], 2, &["rule 'b' can never apply"]),
    Case("a wait of a millisecond", |d| rules(d, "[[rule]]\nname = \"r\"\nthen = { wait = \"1ms\" }\n"), &["once"], 2, &["rules.toml:3:17", "10s"]),
    Case("rules that are a pipe", |d| { pipe(d, "pipe"); more(d, "[rules]\nfile = \"pipe\"\n"); }, &["run"], 2, &["rules file pipe", "it is not a file"]),
    // The database.
    Case("a mistyped database", |d| config(d, "qabyl.db", "qabil.db"), STATUS, 1, &["there is no database qabil.db (D011)", "database.path", "qabyl init"]),
    Case("no folder for a database", |d| config(d, "qabyl.db", "nowhere/qabyl.db"), &["init"], 1, &["D003", "make the folder nowhere"]),
    Case("a damaged database", |d| { let _ = std::fs::remove_file(d.path("qabyl.db-wal")); d.write("qabyl.db", &"spoiled".repeat(2_000)); }, STATUS, 1, &["the file is damaged", "qabyl restore"]),
    Case("a copy that is none", |d| { d.write("copy.db", "hello"); std::fs::remove_file(d.path("qabyl.db")).unwrap(); }, &["restore", "copy.db"], 1, &["copy.db"]),
    Case("a restore over a database", |d| d.write("copy.db", "x"), &["restore", "copy.db"], 1, &["qabyl.db"]),
    // Stock.
    Case("no stock file", |_| {}, STOCK, 1, &["stock.csv", "No such file"]),
    Case("a folder as stock", |d| std::fs::create_dir(d.path("stock.csv")).unwrap(), STOCK, 1, &["stock.csv", "it is not a file"]),
    Case("stock without a header", |d| d.write("stock.csv", "A;5\nB;6\n"), STOCK, 1, &["stock.csv"]),
    Case("an empty stock file", |d| d.write("stock.csv", ""), STOCK, 1, &["stock.csv"]),
    Case("a doubtful row with --strict", |d| d.write("stock.csv", "sku,on_hand\nA,much\n"), &["stock", "import", "--strict", "stock.csv"], 1, &["stock.csv:2", "much"]),
    Case("a cut price list", |d| d.write("list.xml", "<kaspi_catalog><offers><offer sku=\"A\"><availabilities>"), &["stock", "import", "list.xml"], 1, &["the file ends inside"]),
    Case("a workbook that is none", |d| d.write("stock.xlsx", "sku,on_hand"), &["stock", "import", "stock.xlsx"], 1, &["stock.xlsx"]),
    // Orders.
    Case("an unknown order", |_| {}, &["explain", "900000009"], 1, &["there is no order 900000009", "D007"]),
    Case("a list of an unknown shop", |_| {}, &["orders", "list", "--shop", "zz"], 2, &["there is no shop zz", "known: main"]),
    Case("orders of a month", |_| {}, &["orders", "list", "--since", "1M"], 2, &["a month has no fixed length"]),
    Case("an unknown shop", |_| {}, &["pause", "--shop", "nobody"], 2, &["there is no shop nobody", "configured: main"]),
    Case("a reason Kaspi does not know", |_| {}, &["cancel", "900000009", "--reason", "TIRED"], 2, &["TIRED"]),
    Case("a comment that is too long", |_| {}, &["cancel", "9", "--reason", "BUYER_NOT_REACHABLE", "--comment", LONG], 2, &["the comment is longer"]),
    // Kaspi.
    Case("a token that Kaspi refuses", |d| kaspi_at(d, &answers(401)), DOCTOR, 3, &["K401", "does not accept the token", "new token"]),
    Case("an API that is not activated", |d| kaspi_at(d, &answers(403)), DOCTOR, 3, &["HTTP 403", "2323"]),
    Case("another address", |d| kaspi_at(d, &answers(404)), DOCTOR, 1, &["HTTP 404", "base_url"]),
    Case("a proxy that asks for a login", |d| kaspi_at(d, &answers(407)), DOCTOR, 1, &["HTTP 407", "login"]),
    Case("a redirect", |d| kaspi_at(d, &answers(302)), DOCTOR, 1, &["HTTP 302", "redirect"]),
    Case("Kaspi is out of order", |d| kaspi_at(d, &answers(503)), DOCTOR, 1, &["HTTP 503", "wait"]),
    Case("no such host", |d| kaspi_at(d, "https://no-such-host.invalid"), DOCTOR, 1, &["DNS"]),
    Case("nothing listens", |d| kaspi_at(d, &unused_address()), DOCTOR, 1, &["refused"]),
    // Products, channels, usage.
    Case("products with mistakes", |d| d.write("p.json", "[{\"sku\":\"A\"}]"), IMPORT, 1, &["p.json:1: A: title: is missing", "nothing was sent (P001)"]),
    Case("products that are no JSON", |d| d.write("p.json", "sku;title\n"), IMPORT, 1, &["p.json:1", "expected a JSON list of products"]),
    Case("no products file", |_| {}, IMPORT, 1, &["cannot read p.json", "No such file"]),
    Case("an unknown channel", |_| {}, &["notify", "test", "nobody"], 2, &["nobody"]),
    Case("an unknown command", |_| {}, &["statsu"], 2, &["statsu", "status"]),
];

const LONG: &str = include_str!("../../../config/default.toml");

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_and_failure_is_named_with_its_cause_and_the_next_step() {
    assert!(CASES.len() >= 40);
    let (mut wrong, mut read) = (Vec::new(), String::new());
    for Case(name, spoil, command, code, words) in CASES {
        let desk = Desk::new(Settings::default());
        spoil(&desk);
        let said = desk.qabyl(command).await;
        // A table breaks its lines.
        let text = format!("{} {}", said.out, said.err).replace('│', " ");
        let text: Vec<&str> = text.split_whitespace().collect();
        let text = text.join(" ");
        writeln!(read, "--- {name} ({})\n{}{}", said.code, said.out, said.err).unwrap();
        let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
        if said.code != *code || !missing.is_empty() {
            wrong.push(format!(
                "{name}: exit code {}, without {missing:?}: {text}",
                said.code
            ));
        }
        let is_leak = text.contains("panicked") || text.contains(super::TOKEN);
        assert!(!is_leak, "{name}: {text}");
    }
    if let Some(file) = std::env::var_os("QABYL_MESSAGES") {
        std::fs::write(file, read).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
