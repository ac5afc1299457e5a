//! Hostile text by every way in, and everything that any command prints: nothing that a terminal, a log or a
//! table would obey comes out. The commands are found in the program's own help, so that a new one is tried too.

use std::process::Stdio;
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Settings};
use serde_json::json;

use super::daemon::{Daemon, until};
use super::{Desk, said};
use crate::notify::receiver::{Receiver, SECRET};

/// What a line of output would begin with if a line break in a name were taken for one.
const FORGED: &str = "forged-line";

/// A name with what a terminal obeys: a clipboard write, colours, line breaks, changes of direction, one-character
/// control sequences, and characters without width.
fn hostile(name: &str) -> String {
    format!(
        "{name}\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[31m\r\n{FORGED} level=ERROR\r{FORGED}\u{85}\u{202e}\u{2066}\u{200f}\
         \u{9b}2J\u{7f}\u{200b}\u{feff}\u{2028}\u{ad}\u{fff9}"
    )
}

/// As [`hostile`], without control characters: neither an argument nor a configuration may have those.
fn disguised(name: &str) -> String {
    hostile(name).chars().filter(|c| !c.is_control()).collect()
}

/// As [`hostile`], where the way in can carry NUL.
fn with_nul(name: &str) -> String {
    hostile(&format!("{name}\0"))
}

/// Text in quotes for TOML and JSON.
fn quoted(text: &str) -> String {
    let ascii = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c => format!("\\u{:04x}", u32::from(c)),
    });
    format!("\"{}\"", ascii.collect::<String>())
}

/// What a terminal or a reader of lines would obey, in what a command printed.
fn obeyed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        if line.trim_start().starts_with(FORGED) {
            found.push(format!("line {number} is forged: {line:?}"));
        }
        let hit = line.chars().find(|c| {
            (c.is_control() && *c != '\t')
                || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
                    | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                    | '\u{e0000}'..='\u{e007f}')
        });
        if let Some(c) = hit {
            found.push(format!(
                "line {number} holds U+{:04X}: {line:?}",
                u32::from(c)
            ));
        }
    }
    found
}

/// What was done, and what was printed.
type Outputs = Vec<(String, String)>;

/// A command of the program's help.
#[derive(Debug, Clone)]
struct Leaf {
    words: Vec<String>,
    /// The arguments that it needs or may have, without their brackets.
    arguments: Vec<String>,
    /// The options that take a value.
    options: Vec<String>,
}

impl Leaf {
    fn name(&self) -> String {
        self.words.join(" ")
    }

    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|other| other == option)
    }
}

/// Every command without subcommands, by asking for help on each.
fn leaves(desk: &Desk) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(words) = open.pop() {
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.push("--help");
        let help = said(&desk.command(&args).output().unwrap()).ok().out;
        let section = |name: &'static str| {
            let lines = help.lines().skip_while(move |line| *line != name).skip(1);
            lines.take_while(|line| line.is_empty() || line.starts_with(' '))
        };
        let children: Vec<&str> = section("Commands:")
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|word| *word != "help")
            .collect();
        // A command whose help has a section of that name without subcommands.
        let usage = help
            .lines()
            .find(|line| line.starts_with("Usage:"))
            .unwrap();
        if usage.contains("<COMMAND>") {
            open.extend(children.iter().map(|child| {
                let mut words = words.clone();
                words.push((*child).to_owned());
                words
            }));
            continue;
        }
        let arguments = section("Arguments:")
            .filter(|line| line.starts_with("  <") || line.starts_with("  ["))
            .filter_map(|line| line.split_whitespace().next())
            .map(|word| word.trim_matches(['<', '>', '[', ']', '.']).to_owned());
        let options = section("Options:")
            .filter_map(|line| line.trim_start().split_once("--"))
            .filter(|(before, rest)| {
                (before.is_empty() || before.starts_with('-')) && rest.contains(" <")
            })
            .filter_map(|(_, rest)| rest.split_whitespace().next())
            .map(|word| format!("--{word}"));
        found.push(Leaf {
            arguments: arguments.collect(),
            options: options.collect(),
            words,
        });
    }
    found
}

/// Runs a command, for a few seconds at most.
async fn printed(desk: &Desk, args: &[String]) -> String {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let log = tempfile::NamedTempFile::new().unwrap();
    // Both ends append, so that neither overwrites the other.
    let end = || {
        std::fs::File::options()
            .append(true)
            .open(log.path())
            .unwrap()
    };
    let mut command = desk.command(&args);
    command.stdin(Stdio::null()).stdout(end()).stderr(end());
    let mut child = command.spawn().unwrap();
    let mut waits = 0;
    while child.try_wait().unwrap().is_none() && waits < 400 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        waits += 1;
    }
    let _ = child.kill();
    child.wait().unwrap();
    String::from_utf8_lossy(&std::fs::read(log.path()).unwrap()).into_owned()
}

/// Orders whose every text is hostile: held, accepted, cancelled, and not understood.
fn place_orders(desk: &Desk) {
    let placed: [(&str, &str); 4] = [
        ("900000001", "A"),
        ("900000002", "SOLD"),
        ("900000003", "NOWHERE"),
        ("900000004", "A"),
    ];
    for (code, sku) in placed {
        let order = OrderSeed::new(code, Clock::System.now()).line(sku, 1);
        assert!(desk.server.world().place(order));
    }
    let name = quoted(&with_nul("name"));
    let order = json!({"attributes": {
        "pickupPointId": with_nul("PP1"), "deliveryMode": with_nul("mode"), "paymentMode": with_nul("pay"),
        "cancellationReason": with_nul("why"), "customer": {"name": with_nul("person")},
    }});
    let ascii = |value: &serde_json::Value| {
        let text = value.to_string();
        let escaped = text.chars().map(|c| match c {
            ' '..='~' => c.to_string(),
            c => format!("\\u{:04x}", u32::from(c)),
        });
        escaped.collect::<String>()
    };
    let entry = json!({"attributes": {
        "category": {"title": with_nul("category")}, "unitType": with_nul("unit"),
        "offer": {"code": with_nul("SKU"), "name": with_nul("offer")},
    }});
    // One keeps what is needed for a decision, and its names are hostile.
    desk.tell(&format!(
        "set entry 900000001 0 /attributes/offer/name {name}\n\
         set entry 900000002 0 /attributes/offer/name {name}\n\
         set order 900000003 /attributes/code {code}\n\
         set entry 900000003 0 {}\n\
         set order 900000004 {}\n\
         set order 900000004 /attributes/status {status}\n",
        ascii(&entry),
        ascii(&order),
        code = quoted(&with_nul("9000")),
        status = quoted(&with_nul("STATUS")),
    ));
}

/// The configuration, rules, stock and other files of the desk, with hostile names wherever one is allowed.
fn write_files(desk: &Desk, receiver: &Receiver) {
    let source = disguised("feed") + ".csv";
    desk.write("hook-secret", SECRET);
    desk.only_for_owner("hook-secret");
    desk.write(
        "rules.toml",
        &format!(
            "[[rule]]\nname = {}\nthen = \"accept\"\n",
            quoted(&with_nul("rule"))
        ),
    );
    desk.write(
        &source,
        &format!(
            "sku,on_hand,warehouse\nA,5,\n\"{}\",1,\"{}\"\nSOLD,0,\n",
            with_nul("X"),
            with_nul("W")
        ),
    );
    desk.write("plain.csv", "sku,on_hand\nA,5\nSOLD,0\n");
    desk.write("products.json", &json!([{"sku": with_nul("SKU"), "title": with_nul("title"),
        "brand": with_nul("brand"), "category": with_nul("category"), "attributes": [], "images": []}]).to_string());
    let more = format!(
        "[log]\nfilter = \"debug\"\nformat = \"text\"\n[rules]\nfile = \"rules.toml\"\n\
         [[stock.sources]]\nname = \"shelf\"\nfile = {}\nwarehouses = {{ {} = \"PP1\" }}\n\
         [[stock.sources]]\nname = \"other\"\nfile = {}\n\
         [[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"hook-secret\"\n",
        quoted(&source),
        quoted(&disguised("store")),
        quoted(&disguised("missing")),
        receiver.url(),
    );
    desk.write("qabyl.toml", &desk.config("act", &more));
}

/// What each command is given so that it gets as far as its work; the rest is made up from its help.
fn purposeful(leaf: &Leaf) -> Vec<Vec<String>> {
    let run = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let [name, why] = [disguised("name"), disguised("why")];
    let (name, why) = (name.as_str(), why.as_str());
    match leaf.name().as_str() {
        "once" => vec![run(&["--timeout", "3s"])],
        "orders show" | "explain" => vec![
            run(&["900000001"]),
            run(&["900000002"]),
            run(&["900000004"]),
            run(&[disguised("9000").as_str()]),
        ],
        "orders resolve" => vec![run(&[
            "900000001",
            "--lines",
            &format!("{name}=1"),
            "--as",
            name,
        ])],
        "orders handed-over" => vec![run(&["900000001", "--as", name])],
        "accept" | "release" => vec![run(&["900000001", "--as", name, "--key", name])],
        "hold" => vec![
            run(&["900000003", "--as", name, "--why", why]),
            run(&["900000001", "--why", why]),
        ],
        "cancel" => vec![run(&[
            "900000002",
            "--as",
            name,
            "--comment",
            &format!("{why}\r\n{FORGED}"),
            "--reason",
            "MERCHANT_OUT_OF_STOCK",
        ])],
        "pause" => vec![run(&["--why", why, "--as", name])],
        "resume" => vec![run(&["--as", name])],
        "stock import" => vec![
            run(&["plain.csv", "--as", name, "--warehouse", name]),
            run(&[(disguised("feed") + ".csv").as_str()]),
        ],
        "stock set" => vec![run(&["A", "7", "--as", name]), run(&[name, "1"])],
        "stock sources" => vec![run(&[]), run(&["--sync"])],
        "stock why" => vec![run(&["A"]), run(&[name])],
        "stock export" => vec![
            run(&[]),
            run(&["--out", disguised("out").as_str()]),
            run(&["--format", "kaspi-xml"]),
        ],
        "rules check" | "rules list" => vec![run(&[]), run(&["products.json"])],
        "rules test" => vec![run(&["plain.csv", "products.json"])],
        "catalog import" => vec![run(&["products.json", "--no-wait"])],
        "catalog values" => vec![run(&["Master - Kettles", name])],
        "catalog attributes" | "catalog categories" | "catalog result" => vec![run(&[name])],
        "backup" => vec![run(&[disguised("copy").as_str()])],
        "restore" => vec![run(&[disguised("copy").as_str()]), run(&["plain.csv"])],
        "shops forget" | "shops waive" | "notify test" => vec![run(&[name]), run(&["main"])],
        "completions" => vec![run(&["bash"])],
        // Its orders are its own.
        "demo" => vec![run(&["--orders", "2"])],
        "sandbox" => vec![run(&["--port", "0", "--token", name, "--do", name])],
        _ => vec![run(&[])],
    }
}

/// Each of a command's arguments and options with a hostile value, in turn.
fn made_up(leaf: &Leaf) -> Vec<Vec<String>> {
    let (value, shown) = (hostile("v"), disguised("v"));
    let plain: Vec<String> = leaf.arguments.iter().map(|_| "1".to_owned()).collect();
    let mut runs = vec![
        leaf.arguments
            .iter()
            .map(|_| value.clone())
            .collect::<Vec<_>>(),
    ];
    runs.push(leaf.arguments.iter().map(|_| shown.clone()).collect());
    for option in &leaf.options {
        runs.push([plain.clone(), vec![option.clone(), shown.clone()]].concat());
    }
    // What is no argument at all.
    runs.push(vec![format!("--{value}")]);
    runs
}

/// The daemon's log and its pages.
async fn of_the_daemon(desk: &Desk, outputs: &mut Outputs) {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = std::fs::read_to_string(desk.path("qabyl.toml")).unwrap();
    let served = config.replace("listen = \"\"", &format!("listen = \"127.0.0.1:{port}\""));
    desk.write("qabyl.toml", &served);

    for format in ["text", "json"] {
        desk.write(
            "qabyl.toml",
            &served.replace("format = \"text\"", &format!("format = \"{format}\"")),
        );
        let daemon = Daemon::start(desk);
        let asked = || desk.posts("900000001") > 0;
        until("an order is accepted", asked).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        for page in ["/", "/status", "/metrics", "/readyz", "/healthz"] {
            let url = format!("http://127.0.0.1:{port}{page}");
            let body = page_of(desk, port, page).await;
            outputs.push((url, body));
        }
        assert_eq!(daemon.stop(), Some(0));
        let log = std::fs::read_to_string(desk.path("log")).unwrap();
        assert!(log.len() > 500, "{format}: {log}");
        outputs.push((format!("log as {format}"), log));
        std::fs::remove_file(desk.path("log")).unwrap();
    }
    desk.write("qabyl.toml", &config);
}

/// Every command, with hostile arguments, for people and as JSON.
async fn of_commands(desk: &Desk, outputs: &mut Outputs) {
    let leaves = leaves(desk);
    assert!(leaves.len() > 35, "{}", leaves.len());
    let mut runs = Vec::new();
    for leaf in leaves.iter().filter(|leaf| leaf.name() != "run") {
        for args in purposeful(leaf).into_iter().chain(made_up(leaf)) {
            let run = [leaf.words.clone(), args].concat();
            if leaf.has("--format") && !run.contains(&"--format".to_owned()) {
                runs.push([run.clone(), vec!["--format".to_owned(), "json".to_owned()]].concat());
            }
            runs.push(run);
        }
    }
    for run in &runs {
        outputs.push((format!("{run:?}"), printed(desk, run).await));
    }
}

/// Mistakes in the files, quoted in what is printed of them.
async fn of_mistakes(desk: &Desk, outputs: &mut Outputs) {
    let key = quoted(&with_nul("key"));
    for (file, text) in [
        ("qabyl.toml", format!("{key} = 1\n")),
        (
            "qabyl.toml",
            format!("[kaspi]\n{key} = {key}\nbase_url = {key}\n"),
        ),
        (
            "qabyl.toml",
            format!("[[shops]]\nname = {key}\ntoken_file = {key}\nmode = {key}\n"),
        ),
        (
            "qabyl.toml",
            format!("[[channels]]\nname = {key}\nkind = {key}\nurl = {key}\n"),
        ),
        (
            "qabyl.toml",
            format!("[stock]\nsemantics = {key}\n[[stock.sources]]\nname = {key}\nurl = {key}\n"),
        ),
        (
            "qabyl.toml",
            format!("[log]\nfilter = {key}\nformat = {key}\n[poll]\nschedule = {key}\n"),
        ),
        ("qabyl.toml", hostile("[a")),
        (".env", hostile("QABYL__X=")),
        (".env", format!("{}=1\n", hostile("QABYL__KASPI__"))),
        (
            "rules.toml",
            format!("[[rule]]\nname = \"a\"\n{key} = {key}\n"),
        ),
        (
            "rules.toml",
            format!("[[rule]]\nname = {key}\nthen = {key}\nwhen = {{ {key} = 1, sku = {key} }}\n"),
        ),
        ("token", hostile("token")),
    ] {
        let kept = std::fs::read_to_string(desk.path(file)).ok();
        desk.write(file, &text);
        for command in [
            &["config", "check"][..],
            &["config", "dump"],
            &["doctor"],
            &["rules", "list"],
        ] {
            let run: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
            outputs.push((
                format!("{run:?} with {file} {text:?}"),
                printed(desk, &run).await,
            ));
        }
        match kept {
            Some(kept) => desk.write(file, &kept),
            None => std::fs::remove_file(desk.path(file)).unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_of_any_command_obeys_a_hostile_name() {
    let receiver = Receiver::start().await;
    let desk = Desk::new(Settings::default());
    write_files(&desk, &receiver);
    place_orders(&desk);
    desk.qabyl(&["stock", "import", "plain.csv"]).await.ok();
    let mut outputs = Outputs::new();
    of_the_daemon(&desk, &mut outputs).await;
    let items = receiver.seen().items();
    assert!(!items.is_empty(), "notifications were sent");
    for item in items {
        let mut texts = Vec::new();
        texts_of(&item, &mut texts);
        outputs.extend(
            texts
                .into_iter()
                .map(|text| ("notification".to_owned(), text)),
        );
    }

    of_commands(&desk, &mut outputs).await;
    of_mistakes(&desk, &mut outputs).await;
    let mut hits = Vec::new();
    for (what, text) in &outputs {
        let found = obeyed(text);
        hits.extend(found.first().map(|first| format!("{what}: {first}")));
    }
    let showing = outputs
        .iter()
        .filter(|(_, text)| text.contains("\\u001b"))
        .count();
    assert!(
        showing > 40,
        "only {showing} outputs show the hostile text at all"
    );
    assert!(
        hits.is_empty(),
        "{} of {} outputs:\n{}",
        hits.len(),
        outputs.len(),
        hits.join("\n")
    );
}

/// Every text in JSON, keys too.
fn texts_of(value: &serde_json::Value, texts: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => texts.push(text.clone()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| texts_of(value, texts)),
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                texts.push(key.clone());
                texts_of(value, texts);
            }
        }
        _ => {}
    }
}

/// The body of a page of the daemon, once it listens.
async fn page_of(desk: &Desk, port: u16, page: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = None;
    for _ in 0..600 {
        stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .ok();
        if stream.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut stream = stream.unwrap_or_else(|| {
        let log = std::fs::read_to_string(desk.path("log")).unwrap();
        panic!("the daemon does not listen: {log}")
    });
    let request =
        format!("GET {page} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}
