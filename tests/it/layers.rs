//! Which layer may do what: who imports use cases and rules, and which file writes which table.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::sources;

/// What `store/` knows nothing of: use cases, and what decides.
const ABOVE_STORE: [&str; 3] = ["crate::ledger", "domain::reconcile", "decision::decide"];

/// Tables with several writing files, and why. All others have one. The list only gets shorter.
const SEVERAL_WRITERS: &[(&str, &[&str], &str)] = &[
    (
        "actions",
        &[
            "src/ledger/clock_repair.rs",
            "src/ledger/restore.rs",
            "src/ledger/retention.rs",
            "src/store/actions.rs",
        ],
        "times ahead of the clock are repaired in one transaction; a restore resets what a backup cannot know; old rows are deleted in one pass",
    ),
    (
        "attempts",
        &["src/ledger/retention.rs", "src/store/attempts.rs"],
        "old rows are deleted in one pass",
    ),
    (
        "audit",
        &[
            "src/ledger/restore.rs",
            "src/ledger/retention.rs",
            "src/store/audit.rs",
        ],
        "a restore resets what a backup cannot know; old rows are deleted in one pass",
    ),
    (
        "decisions",
        &["src/ledger/retention.rs", "src/store/decisions.rs"],
        "old rows are deleted in one pass",
    ),
    (
        "lease",
        &[
            "src/ledger/restore.rs",
            "src/store/open.rs",
            "src/store/upkeep.rs",
        ],
        "each use case sets its own columns; a restore resets what a backup cannot know",
    ),
    (
        "lines",
        &["src/ledger/retention.rs", "src/store/orders.rs"],
        "old rows are deleted in one pass",
    ),
    (
        "orders",
        &[
            "src/ledger/clock_repair.rs",
            "src/ledger/restore.rs",
            "src/ledger/retention.rs",
            "src/store/orders.rs",
        ],
        "times ahead of the clock are repaired in one transaction; a restore resets what a backup cannot know; old rows are deleted in one pass",
    ),
    (
        "reservations",
        &[
            "src/ledger/clock_repair.rs",
            "src/ledger/restore.rs",
            "src/ledger/retention.rs",
            "src/store/reservations.rs",
        ],
        "times ahead of the clock are repaired in one transaction; a restore resets what a backup cannot know; old rows are deleted in one pass",
    ),
    (
        "scans",
        &[
            "src/ledger/clock_repair.rs",
            "src/ledger/restore.rs",
            "src/store/scans.rs",
        ],
        "times ahead of the clock are repaired in one transaction; a restore resets what a backup cannot know",
    ),
    (
        "shops",
        &["src/ledger/retention.rs", "src/store/shops.rs"],
        "old rows are deleted in one pass",
    ),
    (
        "stock",
        &["src/ledger/clock_repair.rs", "src/store/stock.rs"],
        "times ahead of the clock are repaired in one transaction",
    ),
    (
        "stock_imports",
        &["src/ledger/retention.rs", "src/store/stock.rs"],
        "old rows are deleted in one pass",
    ),
    (
        "stock_past",
        &["src/ledger/clock_repair.rs", "src/store/stock_history.rs"],
        "times ahead of the clock are repaired in one transaction",
    ),
    (
        "stock_sources",
        &["src/ledger/clock_repair.rs", "src/store/feeds.rs"],
        "times ahead of the clock are repaired in one transaction",
    ),
];

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
    let several: BTreeMap<&str, Vec<&str>> = writers
        .iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(table, files)| (table.as_str(), files.iter().map(String::as_str).collect()))
        .collect();
    let allowed: BTreeMap<&str, Vec<&str>> = SEVERAL_WRITERS
        .iter()
        .map(|(table, files, _)| (*table, files.to_vec()))
        .collect();
    assert_eq!(several, allowed, "tables with several writing files");
}

#[test]
fn written_tables_are_found_in_statements() {
    let text =
        "DELETE FROM lines WHERE 1; INSERT INTO stock (sku) … ON CONFLICT DO UPDATE SET x = 1";
    let tables: Vec<String> = written(text).into_iter().collect();
    assert_eq!(tables, ["lines", "stock"]);
}
