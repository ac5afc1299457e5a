//! Which layer may do what: who imports use cases and rules, and which file writes which table.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::sources;

/// What `store/` knows nothing of: use cases, and what decides.
const ABOVE_STORE: [&str; 3] = ["crate::ledger", "domain::reconcile", "decision::decide"];

/// The tables that statements in this text write.
fn written(text: &str) -> BTreeSet<String> {
    const VERBS: [&str; 6] = [
        "INSERT INTO ",
        "INSERT OR IGNORE INTO ",
        "INSERT OR REPLACE INTO ",
        "UPDATE ",
        "UPDATE OR IGNORE ",
        "DELETE FROM ",
    ];
    let mut tables = BTreeSet::new();
    for verb in VERBS {
        for rest in text.split(verb).skip(1) {
            let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
            let table: String = rest.chars().take_while(|c| is_name(*c)).collect();
            // `DO UPDATE SET` names no table, nor does a sentence.
            if rest[table.len()..].starts_with([' ', '\n', '(', '"']) && !table.is_empty() {
                tables.insert(table);
            }
        }
    }
    tables
}

#[test]
fn store_imports_no_use_case_and_no_rule() {
    let mut importing = Vec::new();
    for (name, text) in sources("src/store") {
        // Once the braces of an import are opened up, a path stands in one piece.
        let flat = text.replace("decision::{", "decision::");
        if ABOVE_STORE.iter().any(|path| flat.contains(path)) {
            importing.push(name);
        }
    }
    assert!(
        importing.is_empty(),
        "files of store/ that import a use case or a rule: {importing:?}"
    );
}

/// The modules of a folder of `src/`, each with those that it imports from there.
fn imports(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let absolute = format!("crate::{folder}::");
    for (name, text) in sources(&format!("src/{folder}")) {
        let path: Vec<&str> = name.split('/').skip(2).collect();
        let module = path[0].trim_end_matches(".rs").to_owned();
        if module == "mod" || module == "tests" {
            continue;
        }
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_own_name = path.len() == 1 || path[1..] == ["mod.rs"];
        let relative = if is_own_name {
            "super::"
        } else {
            "super::super::"
        };
        let used = [absolute.as_str(), relative].into_iter();
        let used = used.flat_map(|before| shipped.split(before).skip(1));
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let used = used.map(|rest| rest.chars().take_while(|c| is_name(*c)).collect());
        modules.entry(module).or_default().extend(used);
    }
    let names: BTreeSet<String> = modules.keys().cloned().collect();
    for (module, used) in &mut modules {
        used.retain(|other| other != module && names.contains(other));
    }
    modules
}

/// Who reads one module need not read all of its folder.
#[test]
fn modules_do_not_import_each_other_in_circles() {
    const FOLDERS: [&str; 9] = [
        "domain",
        "kaspi",
        "stock",
        "notify",
        "catalogue",
        "rules_file",
        "config",
        "runtime",
        "net",
    ];
    for folder in FOLDERS {
        let mut left = imports(folder);
        assert!(left.len() > 2, "{folder}: {left:?}");
        loop {
            let names: BTreeSet<String> = left.keys().cloned().collect();
            left.retain(|_, used| used.iter().any(|other| names.contains(other)));
            if left.len() == names.len() {
                break;
            }
        }
        assert!(left.is_empty(), "circles in src/{folder}: {left:?}");
    }
}

#[test]
fn each_table_is_written_by_one_file() {
    let mut writers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, text) in sources("src") {
        let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for table in written(shipped) {
            writers.entry(table).or_default().push(name.clone());
        }
    }
    for table in ["orders", "reservations", "actions", "decisions", "stock"] {
        assert!(writers.contains_key(table), "nothing writes {table}");
    }
    let several: BTreeMap<&String, &Vec<String>> = writers
        .iter()
        .filter(|(_, files)| files.len() > 1)
        .collect();
    assert!(
        several.is_empty(),
        "tables with several writing files: {several:?}"
    );
}

/// What may stand for a rule in a statement: a condition, a choice, or a choice of the newest or oldest.
const DECIDING_WORDS: [&str; 6] = ["CASE ", "IIF(", "IIF (", "EXISTS (", "MAX(", "MIN("];

/// Statements with such a word, by file: how many at most, and why. The list only gets shorter.
const CHOICES: &[(&str, usize, &str)] = &[
    (
        "src/store/notice_views.rs",
        2,
        "the last dropped message; what no message holds yet",
    ),
    (
        "src/store/promises.rs",
        3,
        "the largest order and the busiest period of a SKU",
    ),
    (
        "src/store/shop_identity.rs",
        2,
        "whether a removed shop has promises, and waiting orders",
    ),
    ("src/ledger/candidates.rs", 1, "the newest decision"),
    ("src/ledger/departures.rs", 2, "the oldest count"),
    (
        "src/ledger/due_actions.rs",
        1,
        "the next due time, by an index",
    ),
    (
        "src/ledger/pickup_points.rs",
        1,
        "the oldest count of a SKU",
    ),
    ("src/ledger/recheck.rs", 1, "the newest attempt"),
    (
        "src/ledger/finished_orders.rs",
        1,
        "the oldest count of a level",
    ),
    (
        "src/ledger/retention.rs",
        3,
        "the newest orders; imports that no level refers to",
    ),
    (
        "src/store/deadline.rs",
        3,
        "the newest decision; which deadline events were reported",
    ),
    (
        "src/store/notices.rs",
        5,
        "rows that nothing refers to; the newest notice for a new channel",
    ),
    (
        "src/store/not_found.rs",
        1,
        "since when the first of them is not found",
    ),
    ("src/store/order_lists.rs", 5, "the oldest order of a list"),
    ("src/store/orders.rs", 2, "the newer of two reading times"),
    ("src/store/overview.rs", 1, "the newest list"),
    (
        "src/store/scans.rs",
        2,
        "the newest lists of each kind stay",
    ),
    (
        "src/store/stock.rs",
        3,
        "the oldest and the newest count; the newest import in which a level fell",
    ),
    (
        "src/store/stock_export.rs",
        2,
        "orders without a live action; the newest line of a SKU",
    ),
    ("src/store/view.rs", 1, "the newest decision"),
];

#[test]
fn statements_hold_no_new_rule() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for (name, text) in ["src/store", "src/ledger"]
        .iter()
        .flat_map(|below| sources(below))
    {
        let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines = shipped
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let count = |line: &str| -> usize {
            let words = DECIDING_WORDS.iter();
            words.map(|word| line.matches(word).count()).sum()
        };
        let words: usize = lines.map(count).sum();
        if words > 0 {
            found.insert(name, words);
        }
    }
    let allowed = |file: &str| {
        let known = CHOICES.iter().find(|(name, ..)| *name == file);
        known.map_or(0, |(_, words, _)| *words)
    };
    let listed = CHOICES.iter().map(|(file, ..)| (*file).to_owned());
    let files: BTreeSet<String> = found.keys().cloned().chain(listed).collect();
    let differ = files.iter().filter_map(|file| {
        let words = found.get(file).copied().unwrap_or_default();
        (words != allowed(file)).then_some((file, words))
    });
    let differ: Vec<_> = differ.collect();
    assert!(
        differ.is_empty(),
        "statements that choose, and how many the list allows: load plain rows, and decide in a function: {differ:?}"
    );
}

/// Conditions on what says whether an order is held, by file: `domain::hold` alone says it.
const HELD: [&str; 6] = [
    "verdict = '",
    "verdict IN (",
    "verdict <> '",
    "held_by IS ",
    "held_why IS ",
    "held_cause IS ",
];

#[test]
fn no_statement_says_which_orders_are_held() {
    let mut found = Vec::new();
    for (name, text) in ["src/store", "src/ledger"]
        .iter()
        .flat_map(|below| sources(below))
    {
        // A guard of the write that ends a hold.
        let text = text.replace("id = ? AND held_by IS NOT NULL", "");
        if HELD.iter().any(|condition| text.contains(condition)) {
            found.push(name);
        }
    }
    assert!(
        found.is_empty(),
        "load what is stored, and ask `Progress::of`: {found:?}"
    );
}

#[test]
fn written_tables_are_found_in_statements() {
    let text =
        "DELETE FROM lines WHERE 1; INSERT INTO stock (sku) … ON CONFLICT DO UPDATE SET x = 1";
    let tables: Vec<String> = written(text).into_iter().collect();
    assert_eq!(tables, ["lines", "stock"]);
}
