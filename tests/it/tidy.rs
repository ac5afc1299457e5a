//! The shape of the repository, as a test: what documents promise and what imports allow.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 600;
const LINES_P90: usize = 300;
const LINES_MEDIAN: usize = 150;
/// A ratchet: lower it when a dependency goes, think twice before raising it.
const DEPENDENCIES_MAX: usize = 33;
/// The packages of `Cargo.lock`: lower it when one goes. What raises it needs a record in `docs/decisions/` that says
/// what the new ones are for.
const PACKAGES: usize = 424;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// Every Rust file below a folder, with its path from the root.
pub(crate) fn sources(below: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file that is built into the program: of the main crate and of the other crates.
pub(crate) fn shipped_sources() -> Vec<(String, String)> {
    let mut all = sources("src");
    all.extend(
        sources("crates")
            .into_iter()
            .filter(|(name, _)| name.split('/').nth(2) == Some("src")),
    );
    all
}

/// What stands between `before` and the next `"`, wherever `before` occurs.
fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let after = text.split(before).skip(1);
    after.filter_map(|rest| rest.split('"').next()).collect()
}

fn is_code(word: &str) -> bool {
    let digits = word.get(1..).unwrap_or_default();
    word.len() == 4
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && digits.chars().all(|c| c.is_ascii_digit())
}

#[test]
fn every_error_code_has_a_heading_and_the_reverse() {
    let mut in_code = BTreeSet::new();
    for (_, text) in shipped_sources() {
        in_code.extend(
            text.split('"')
                .filter(|word| is_code(word))
                .map(str::to_owned),
        );
    }
    let runbook = read("docs/OPERATIONS.md");
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let headings: BTreeSet<String> = headings
        .filter_map(|heading| heading.split(' ').next())
        .filter(|word| is_code(word))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        in_code, headings,
        "codes in src/ and headings in docs/OPERATIONS.md"
    );
}

#[test]
fn every_event_of_the_list_is_logged_somewhere() {
    let mut logged = BTreeSet::new();
    for (_, text) in sources("src") {
        for rest in text.split("log_event!(").skip(1) {
            let constant = rest.trim_start().split([',', ' ']).next();
            logged.extend(constant.map(str::to_owned));
        }
    }
    for event in qabyl::events::all() {
        let constant = event.name.replace('.', "_").to_uppercase();
        assert!(logged.contains(&constant), "{} is never logged", event.name);
    }
}

#[test]
fn every_path_a_document_names_is_there() {
    const PLACES: [&str; 9] = [
        "src/",
        "crates/",
        "tests/",
        "docs/",
        "config/",
        "migrations/",
        "benches/",
        "deploy/",
        ".ci/",
    ];
    for document in [
        "README.md",
        "docs/ARCHITECTURE.md",
        "docs/RULES.md",
        "migrations/README.md",
    ] {
        for word in read(document).split('`').skip(1).step_by(2) {
            let is_path = PLACES.iter().any(|place| word.starts_with(place)) && !word.contains(' ');
            assert!(
                !is_path || root().join(word).exists(),
                "{document} names {word}, which is not there"
            );
        }
    }
}

#[test]
fn the_table_of_stages_is_the_declared_list() {
    let document = read("docs/ARCHITECTURE.md");
    for stage in qabyl::pipeline::stages::ALL {
        let row = stage.row();
        assert!(document.lines().any(|line| line == row), "missing: {row}");
        assert!(root().join(stage.file).exists(), "{}", stage.file);
    }
}

#[test]
fn imports_follow_the_flow() {
    // Who may be imported by whom: anything not named here is free.
    const EDGES: [&str; 5] = ["kaspi", "notify", "store", "stock", "status"];
    const ABOVE: [&str; 3] = ["pipeline", "runtime", "cli"];
    // What edges share. They import none of our modules but each other and the domain.
    const SHARED: [&str; 4] = ["net", "text", "diagnostics", "lang"];
    for (name, text) in sources("src") {
        let part = name.split('/').nth(1).unwrap_or_default();
        let imports = |of: &str| text.contains(&format!("crate::{of}::"));
        let forbidden: Vec<&str> = match part {
            "domain" => [
                &EDGES[..],
                &ABOVE[..],
                &["config", "rules_file", "ledger", "net", "lang"],
            ]
            .concat(),
            shared if SHARED.contains(&shared.trim_end_matches(".rs")) => {
                [&EDGES[..], &ABOVE[..], &["config", "rules_file", "ledger"]].concat()
            }
            "ledger" => {
                let others = EDGES.iter().filter(|edge| **edge != "store").copied();
                others.chain(ABOVE).collect()
            }
            // Beside the orders: it knows Kaspi's client, and nothing of orders or stock.
            "catalogue" => [
                &EDGES[1..],
                &ABOVE[..],
                &["config", "domain", "ledger", "rules_file"],
            ]
            .concat(),
            // The status page shows what the store holds and the stages report.
            "status" => vec!["stock", "cli"],
            edge if EDGES.contains(&edge) => {
                let others = EDGES.iter().filter(|other| **other != edge).copied();
                others.chain(ABOVE).collect()
            }
            "pipeline" => vec!["runtime", "cli", "status"],
            "runtime" => vec!["cli"],
            // The API calls use cases; it reads no edge.
            "web" => vec!["kaspi", "stock", "notify", "cli"],
            _ => Vec::new(),
        };
        for of in forbidden {
            assert!(
                !imports(of),
                "{name} imports crate::{of}: see docs/ARCHITECTURE.md"
            );
        }
        assert!(
            !text.replace("\"sqlx::", "").contains("sqlx::")
                || ["src/store/", "src/ledger/"]
                    .iter()
                    .any(|part| name.starts_with(part)),
            "{name} speaks SQL: that belongs to src/store/ and src/ledger/"
        );
        assert!(
            !text.contains("qabyl_sandbox") || name.starts_with("src/cli/"),
            "{name} uses the sandbox: only the command line may"
        );
        let may_use_catalogue =
            name.starts_with("src/cli/catalog/") || name.starts_with("src/catalogue/");
        assert!(
            !imports("catalogue") || may_use_catalogue,
            "{name} uses the product catalogue: only `qabyl catalog` may"
        );
        // `net` sets up the client; these send requests with it, and `config` parses addresses.
        let may_use_http = ["src/stock/fetch.rs", "src/stock/google_sheet.rs"]
            .contains(&name.as_str())
            || ["net", "kaspi", "notify", "config"].contains(&part);
        assert!(
            !text.replace("\"reqwest::", "").contains("reqwest::") || may_use_http,
            "{name} sends HTTP requests"
        );
    }
}

/// Links and pipes that another user planted lead nowhere: what opens a file goes through one module.
#[test]
fn files_are_opened_in_one_place() {
    const CALLS: [&str; 8] = [
        "fs::write(",
        "fs::read(",
        "fs::read_to_string(",
        "File::create",
        "File::open(",
        "File::options",
        "OpenOptions",
        "fs::copy(",
    ];
    // What it opens it made itself a moment before, and only to have it written to the disk.
    const SYNCED: &str = "File::open(&from)?.sync_all";
    const FOLDER: &str = "File::open(folder_of(file))?.sync_all";
    for (name, text) in sources("src") {
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        let shipped = shipped.replace(SYNCED, "").replace(FOLDER, "");
        let is_test = name == "src/files.rs" || name.contains("/tests");
        for call in CALLS {
            assert!(
                is_test || !shipped.contains(call),
                "{name} calls {call}: use src/files.rs"
            );
        }
    }
}

#[test]
fn files_stay_readable() {
    let mut sizes = Vec::new();
    for (name, text) in shipped_sources() {
        let lines = text.lines().count();
        assert!(
            lines <= LINES_MAX,
            "{name} has {lines} lines: split it at {LINES_MAX}"
        );
        sizes.push(lines);
    }
    sizes.sort_unstable();
    let (median, p90) = (sizes[sizes.len() / 2], sizes[sizes.len() * 9 / 10]);
    assert!(
        median <= LINES_MEDIAN && p90 <= LINES_P90,
        "median {median}, p90 {p90}"
    );
}

#[test]
fn migrations_are_named_by_their_time() {
    for entry in fs::read_dir(root().join("migrations")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_sql = Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "sql");
        let stamped = name.len() > 15 && name[..14].chars().all(|c| c.is_ascii_digit());
        assert!(!is_sql || stamped, "{name}: YYYYMMDDhhmmss_words.sql");
    }
}

#[test]
fn every_crash_point_is_in_the_list_and_the_reverse() {
    let mut in_code = BTreeSet::new();
    for (name, text) in shipped_sources() {
        if name != "src/crash_point.rs" {
            let places = ["crash_point(\"", "in_flight(\""];
            let found = places.iter().flat_map(|before| quoted(&text, before));
            in_code.extend(found.map(str::to_owned));
        }
    }
    let listed: BTreeSet<String> = qabyl::crash_point::NAMES.map(str::to_owned).into();
    assert_eq!(
        in_code, listed,
        "crash points in src/ and the list in src/crash_point.rs"
    );
}

#[test]
fn every_mutant_is_in_the_list_and_has_what_kills_it() {
    let mut in_code = BTreeSet::new();
    for (_, text) in sources("src") {
        let found = quoted(&text, "mutant(\"");
        in_code.extend(found.into_iter().map(str::to_owned));
    }
    let listed: BTreeSet<String> = qabyl::mutant::MUTANTS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(
        in_code, listed,
        "mutants in src/ and the list in src/mutant.rs"
    );
    let seeds = read("tests/mutants/seeds.txt");
    let seeds = seeds.lines().filter_map(|line| line.split(' ').next());
    let known: BTreeSet<String> = seeds.map(str::to_owned).collect();
    assert_eq!(in_code, known, "mutants and tests/mutants/seeds.txt");
}

/// A name that no test has would count as a test that failed.
#[test]
fn every_test_that_is_said_to_kill_a_mutant_is_there() {
    let this = std::env::current_exe().unwrap();
    let listed = std::process::Command::new(this).arg("--list").output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let tests = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    let tests: BTreeSet<&str> = tests.collect();
    let seeds = read("tests/mutants/seeds.txt");
    let known = seeds.lines().filter_map(|line| line.split_once(' '));
    let named: Vec<&str> = known
        .map(|(_, test)| test)
        .filter(|test| test.contains("::"))
        .collect();
    assert!(named.len() > 50, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|test| !tests.contains(*test)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn dependencies_stay_few() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let all = manifest["dependencies"].as_table().unwrap();
    // An optional one is in the binary only where somebody asks for it: `fail` never is but in tests.
    let is_optional = |wanted: &toml::Value| {
        let optional = wanted.get("optional").and_then(toml::Value::as_bool);
        optional == Some(true)
    };
    let count = all.values().filter(|wanted| !is_optional(wanted)).count();
    assert!(count <= DEPENDENCIES_MAX, "{count} direct dependencies");
}

/// Two changes that are made at once may take the same number.
#[test]
fn every_decision_record_has_a_number_of_its_own() {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(root().join("docs/decisions")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some((number, _)) = name.split_once('-') else {
            continue;
        };
        assert!(numbers.insert(number.to_owned()), "{number} is taken twice");
        let text = read(&format!("docs/decisions/{name}"));
        assert!(
            text.starts_with(&format!("# {number}: ")),
            "{name}: its title"
        );
    }
    assert!(numbers.len() > 20, "{numbers:?}");
}

#[test]
fn packages_become_fewer_or_have_a_reason() {
    let lock: toml::Table = read("Cargo.lock").parse().unwrap();
    let packages = lock["package"].as_array().unwrap().len();
    assert_eq!(
        packages, PACKAGES,
        "packages in Cargo.lock: see docs/decisions/0022-number-of-packages.md"
    );
}

/// What a crate is replaced with, or goes wrong in it, concerns one file.
#[test]
fn one_file_knows_the_crate_for_cron() {
    for (name, text) in sources("src") {
        assert!(
            name == "src/cron.rs" || !text.contains("tokio_cron_scheduler::"),
            "{name} uses the cron crate: use src/cron.rs"
        );
    }
}

/// "`decide` in `src/domain/decision.rs`": the name is in the file.
#[test]
fn the_map_names_what_is_in_its_files() {
    let document = read("docs/ARCHITECTURE.md");
    let mut named = 0;
    for (before, after) in document
        .match_indices("` in `src/")
        .map(|(at, _)| document.split_at(at))
    {
        let name = before.rsplit('`').next().unwrap_or_default();
        let path = after.split('`').nth(2).unwrap_or_default();
        let last = name.rsplit("::").next().unwrap_or_default();
        // A folder has no text, and `every_path_a_document_names_is_there` looks for it.
        if let Ok(text) = fs::read_to_string(root().join(path)) {
            named += 1;
            assert!(text.contains(last), "{path} has no {name}");
        }
    }
    assert!(named > 15, "only {named} names were found");
}

#[test]
fn the_map_stays_a_map() {
    let lines = read("docs/ARCHITECTURE.md").lines().count();
    assert!(lines <= 200, "docs/ARCHITECTURE.md has {lines} lines");
}
