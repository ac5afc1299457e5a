//! Words of the dialect that Qabyl once had do not come back: `docs/GLOSSARY.md` says what is written instead.

use std::fs;
use std::path::{Path, PathBuf};

/// Identifiers, matched as whole words with their case, and what stands in their place.
const IDENTIFIERS: &[(&str, &str)] = &[
    ("now_please", "force"),
    ("sweep_please", "force"),
    ("may_knock", "write_probe_due"),
    ("ShutOut", "WriteDenial"),
    ("shut_out", "write_denied"),
    ("mind_clock", "repair_clock"),
    ("tell_ends", "log_action_ends"),
    ("unsettled", "settle_remaining"),
    ("over_read", "archive_read"),
    ("read_lines_of_taken", "read_lines_of_accepted_elsewhere"),
    ("lines_needless", "lines_not_needed"),
    ("holders_read", "accepted_orders_fresh"),
    ("HoldersRead", "AcceptedOrdersFresh"),
    ("goods_there", "stock_available"),
    ("GoodsThere", "StockAvailable"),
    ("shortage_real", "shortage_certain"),
    ("ShortageReal", "ShortageCertain"),
    ("Stranger", "UnknownPeer"),
    ("is_well", "is_ok"),
    ("ill", "failing"),
    ("Again", "Rerun"),
    ("Ran", "Completed"),
    ("manager.deaf", "service_manager.unreachable"),
    ("Patience", "RetryPolicy"),
    ("Shut", "Denied"),
    ("MENDS", "REPAIRS"),
    ("others_fresh_for", "other_shops_max_age"),
    ("is_strange", "unknown_status"),
    ("UNREAD_HOLDER", "unaccounted"),
    ("unread_holder", "unaccounted"),
    ("oldest_holder", "oldest_followed"),
    ("waits_for_holders", "waits_for_readings"),
    ("refit", "adjust_reservations"),
    ("commit_word", "commit_manual_decision"),
    ("Books", "StockCheck"),
    ("untold", "unreported"),
    ("is_blind", "list_unusable"),
    ("let_go", "deleted_orders"),
    ("put_off_unsettled", "postpone_until_settled"),
    ("looked_at", "checked, compared"),
    ("by_hand", "read_now, by_people"),
    ("Begun", "StartedAttempt"),
    ("GONE", "MISSING"),
    ("VANISHED", "MISSING"),
];

/// Phrases, matched as whole words in any case and across line breaks, and what is written instead.
const PHRASES: &[(&str, &str)] = &[
    ("own words", "manual decisions"),
    ("lets the past go", "deletes after the retention period"),
    ("begun and not ended", "unfinished"),
    ("thereof", "its"),
    ("mend", "fix, repair"),
    ("mends", "fixes, repairs"),
    ("mended", "fixed, repaired"),
    ("minds the", "checks, respects"),
    ("knock", "probe"),
    ("knocks", "probes"),
    ("shut out", "denied access"),
    ("stranger", "unauthenticated"),
    ("strangers", "unauthenticated"),
    ("is well", "is ok"),
    ("well again", "ok again"),
    ("at most ago", "maximum age"),
    ("nobody knows", "it is unknown whether"),
    ("lets go", "deletes, releases"),
    ("vanished", "missing from the list"),
    ("anew", "again"),
    ("meanwhile", "in the meantime"),
    ("whatever it is", "any"),
    ("is told", "reads, is notified"),
    ("told of", "notified of"),
    ("tells", "reports, shows, distinguishes"),
    ("trail", "audit log"),
    ("let go", "deleted"),
    ("person's word", "a manual decision"),
];

/// Where a word stays: the beginning of the path, the word, the reason.
const ALLOWED: &[(&str, &str, &str)] = &[(
    "src/web/pages/sign_in.rs",
    "GONE",
    "the name of an HTTP status",
)];

const PLACES: &[&str] = &[
    "src",
    "crates",
    "migrations",
    "docs",
    "config",
    "deploy",
    "tests",
    "benches",
    ".ci",
    "README.md",
    "CHANGELOG.md",
    "justfile",
];

/// Recorded and generated data, the list of replaced words, and this file.
const LEFT_OUT: &[&str] = &[
    "/fixtures/",
    "/corpus/",
    ".snap",
    "docs/GLOSSARY.md",
    "tests/it/wording.rs",
];

fn texts(path: &Path, found: &mut Vec<(String, String)>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = path.strip_prefix(root).unwrap().display().to_string();
    if LEFT_OUT.iter().any(|part| name.contains(part)) {
        return;
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            texts(&entry.unwrap().path(), found);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        found.push((name, text));
    }
}

/// Whether the word occurs as a whole word.
fn has(text: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}

/// Lower case, in one line, without the marks that begin a comment.
fn prose(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim_start();
        line.trim_start_matches(['/', '!', '#', '-'])
    });
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").to_lowercase()
}

#[test]
fn replaced_words_stay_away() {
    let mut files = Vec::new();
    for place in PLACES {
        let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
        if path.exists() {
            texts(&path, &mut files);
        }
    }
    assert!(files.len() > 300, "only {} files are there", files.len());
    let mut wrong = Vec::new();
    let mut used = vec![false; ALLOWED.len()];
    for (name, text) in &files {
        let prose = prose(text);
        let identifiers = IDENTIFIERS.iter().filter(|(word, _)| has(text, word));
        let phrases = PHRASES.iter().filter(|(word, _)| has(&prose, word));
        for (word, instead) in identifiers.chain(phrases) {
            let allowed = ALLOWED
                .iter()
                .position(|(place, allowed, _)| name.starts_with(place) && allowed == word);
            match allowed {
                Some(at) => used[at] = true,
                None => wrong.push(format!("{name}: '{word}'; write: {instead}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unused: Vec<_> = ALLOWED.iter().zip(used).filter(|(_, used)| !used).collect();
    assert!(unused.is_empty(), "allowed and not there: {unused:?}");
}

#[test]
fn a_replaced_word_is_found_as_a_whole_word_and_across_lines() {
    assert!(has("let now_please = true;", "now_please"));
    assert!(!has("snow_pleases", "now_please"));
    assert!(has(&prose("/// It is LET\n    /// go."), "let go"));
}
