//! The catalogue of texts: whole in every language, and in that language alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use qabyl::domain::interlocks::Name;
use qabyl::domain::notice::Kind;
use qabyl::lang::{Arg, Lang};

use crate::tidy::sources;

/// The letters that Kazakh has and Russian has not.
const KAZAKH_LETTERS: &str = "әғқңөұүһі";

/// Latin words that stand in Russian and Kazakh texts too: names.
const NAMES: &[&str] = &[
    "BotFather",
    "Enter",
    "Excel",
    "Kaspi",
    "Qabyl",
    "SQLite",
    "Telegram",
    "act",
    "ca",
    "chrony",
    "cron",
    "Ctrl",
    "id",
    "mode",
    "name",
    "propose",
    "shops",
    "timesyncd",
    "total",
];

/// Words that only the English form of a sentence has.
const ENGLISH_WORDS: [&str; 5] = [
    "lines_word",
    "orders_word",
    "rules_word",
    "skus_word",
    "units_word",
];

/// The keys that are made of a beginning and a word of the code.
const FAMILIES: &[&str] = &[
    "button-",
    "delivery-",
    "denied-",
    "notice-",
    "objects-",
    "override-",
    "trouble-",
    "web-audit-",
    "web-cancel-",
    "web-confirm-",
    "web-delivery-",
    "web-done-",
    "web-end-",
    "web-day-",
    "web-list-",
    "web-of-",
    "web-outcome-",
    "web-payment-",
    "web-role-",
    "web-rule-",
    "web-status-",
    "web-verdict-",
    "why-",
    "word-",
];

/// Every text of a language by its key, attributes as `key.attribute`; each key once.
fn texts(lang: Lang) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lang");
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(folder.join(lang.code())).unwrap() {
        let path = entry.unwrap().path();
        let (mut id, mut key) = (String::new(), String::new());
        for line in fs::read_to_string(&path).unwrap().lines() {
            let is_key = line.starts_with(|c: char| c.is_ascii_alphabetic());
            let attribute = line.trim_start().strip_prefix('.');
            let text = if is_key || attribute.is_some() {
                let (name, text) = line.split_once(" = ").expect(line);
                if is_key {
                    name.clone_into(&mut id);
                    name.clone_into(&mut key);
                } else {
                    key = format!("{id}.{}", name.trim_start().trim_start_matches('.'));
                }
                assert!(!texts.contains_key(&key), "{lang}: {key} stands twice");
                text
            } else {
                line
            };
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let whole = texts.entry(key.clone()).or_default();
            whole.push_str(text.trim());
            whole.push('\n');
        }
    }
    texts
}

/// The names of the values in a text. A word of the English form, such as "orders", is none.
fn variables(text: &str) -> BTreeSet<String> {
    let names = text.split('$').skip(1);
    let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    names
        .map(|rest| rest.chars().take_while(is_name).collect::<String>())
        .filter(|name| !name.ends_with("_word"))
        .collect()
}

/// A text without its values, commands and plural selectors.
fn prose(text: &str) -> String {
    let (mut plain, mut depth, mut is_command) = (String::new(), 0, false);
    for line in text.lines() {
        // A variant of a selector: `[few] …`.
        let line = line.strip_prefix('*').unwrap_or(line);
        let line = match line.split_once(']') {
            Some((_, variant)) if line.starts_with('[') => variant,
            _ => line,
        };
        for part in line.split_inclusive(['{', '}', '`']) {
            let (words, mark) = part.split_at(part.trim_end_matches(['{', '}', '`']).len());
            let is_selector = words.contains("->");
            if !is_command && !words.contains('$') && !is_selector {
                plain.push_str(words);
            }
            match mark {
                "{" => depth += 1,
                "}" => depth -= 1,
                "`" => is_command = !is_command,
                _ => {}
            }
        }
        plain.push('\n');
    }
    assert_eq!(depth, 0, "{text}");
    // A command without marks: it reaches to the end of the sentence.
    let mut words = Vec::new();
    let mut in_command = false;
    for word in plain.split_whitespace() {
        let is_latin = word.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
        in_command = word == "qabyl" || (in_command && is_latin);
        if !in_command {
            words.push(word);
        }
    }
    words.join(" ")
}

fn is_cyrillic(c: char) -> bool {
    ('\u{400}'..='\u{4ff}').contains(&c)
}

#[test]
fn every_text_is_in_every_language_with_the_same_values() {
    let [ru, kk, en] = Lang::ALL.map(texts);
    assert!(en.len() > 80, "{}", en.len());
    for (lang, other) in [(Lang::Ru, &ru), (Lang::Kk, &kk)] {
        let keys: BTreeSet<&String> = other.keys().collect();
        let all: BTreeSet<&String> = en.keys().collect();
        let differing: Vec<_> = keys.symmetric_difference(&all).collect();
        assert!(differing.is_empty(), "{lang} and en: {differing:?}");
        for (key, text) in other {
            assert!(!text.trim().is_empty(), "{lang}: {key}");
            assert_eq!(variables(text), variables(&en[key]), "{lang} and en: {key}");
        }
    }
}

#[test]
fn no_text_mixes_languages() {
    for lang in Lang::ALL {
        for (key, text) in texts(lang) {
            let prose = prose(&text);
            let foreign: Vec<&str> = match lang {
                Lang::En => prose.matches(is_cyrillic).collect(),
                _ => prose
                    .split(|c: char| !c.is_alphanumeric() && !"._-/".contains(c))
                    .filter(|word| !word.starts_with('-'))
                    .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
                    // A case ending is joined to a name: "Kaspi-ден".
                    .map(|word| word.split('-').next().unwrap_or_default())
                    .filter(|word| word.contains(|c: char| c.is_ascii_alphabetic()))
                    // An abbreviation or a code: "API", "K405".
                    .filter(|word| word.contains(|c: char| c.is_ascii_lowercase()))
                    // A setting, an option or a file: "backup.directory".
                    .filter(|word| !word.contains(['.', '_']) && !NAMES.contains(word))
                    .collect(),
            };
            assert!(foreign.is_empty(), "{lang}: {key}: {foreign:?} in {prose}");
            let lower = prose.to_lowercase();
            let is_kazakh = |c: char| KAZAKH_LETTERS.contains(c);
            assert!(
                lang != Lang::Ru || !lower.contains(is_kazakh),
                "Kazakh letters in the Russian text of {key}: {prose}"
            );
            let is_russian = |c: char| "щ".contains(c);
            assert!(
                lang != Lang::Kk || !lower.contains(is_russian),
                "Russian words in the Kazakh text of {key}: {prose}"
            );
        }
    }
}

/// `text` with a key that is not there gives the key, and a value that is missing is shown in braces.
#[test]
fn every_text_can_be_written() {
    for lang in Lang::ALL {
        for (key, text) in texts(lang) {
            for count in [0, 1, 3, 12] {
                let names = variables(&text);
                let values = names.iter().map(|name| (name.as_str(), Arg::from(count)));
                let mut values: Vec<(&str, Arg<'_>)> = values.collect();
                values.extend(ENGLISH_WORDS.map(|name| (name, Arg::from("orders"))));
                let written = lang.find(&key, &values);
                let written = written.unwrap_or_else(|| panic!("{lang}: {key} is not found"));
                assert!(!written.contains('{'), "{lang}: {key}: {written}");
            }
        }
    }
}

#[test]
fn no_text_is_unused() {
    let mut code: String = sources("src").into_iter().map(|(_, text)| text).collect();
    code.push_str(include_str!("../../config/rules.toml"));
    code.push_str(include_str!("../../config/rules/caution.toml"));
    for template in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")).unwrap() {
        code.push_str(&fs::read_to_string(template.unwrap().path()).unwrap());
    }
    let is_interlock = |word: &str| Name::ALL.iter().any(|name| name.as_str() == word);
    let is_quoted = |word: &str| {
        let upper = word.to_uppercase();
        code.contains(&format!("\"{word}\""))
            || code.contains(&format!("\"{upper}\""))
            || is_interlock(word)
    };
    let unused = texts(Lang::En).into_keys().filter(|key| {
        let family = FAMILIES.iter().find_map(|family| key.strip_prefix(family));
        let word = family.map(|rest| rest.split('.').next().unwrap_or_default());
        // A page that says one thing takes its title and its hint from the same message.
        let message = [".title", ".hint"]
            .iter()
            .find_map(|of| key.strip_suffix(of));
        // What the code writes in English has a test of its own.
        !key.starts_with("said-")
            && !is_quoted(key)
            && !message.is_some_and(is_quoted)
            && !word.is_some_and(|word| {
                is_quoted(word) || is_quoted(&dotted(word)) || is_quoted(&word.replace('-', " "))
            })
    });
    let unused: Vec<String> = unused.collect();
    assert!(unused.is_empty(), "keys that no code names: {unused:?}");
}

/// The word of a kind of notice, as its key has it.
fn dotted(word: &str) -> String {
    word.replace('-', ".")
}

#[test]
fn notices_interlocks_and_troubles_of_sources_have_texts() {
    let texts = texts(Lang::Ru);
    let of = |family: &str| -> BTreeSet<String> {
        let keys = texts.keys().filter_map(|key| key.strip_prefix(family));
        keys.map(str::to_owned).collect()
    };
    let kinds = Kind::ALL.iter().map(|kind| kind.word().replace('.', "-"));
    let kinds = kinds.flat_map(|word| [format!("{word}.name"), word]);
    assert_eq!(of("notice-"), kinds.collect(), "kinds of notices");
    let whys = of("why-");
    for name in Name::ALL {
        assert!(whys.contains(name.as_str()), "why-{}", name.as_str());
    }
    let runbook = include_str!("../../docs/OPERATIONS.md");
    let codes = runbook.lines().filter_map(|line| line.strip_prefix("## S"));
    let codes: BTreeSet<String> = codes
        .filter_map(|rest| Some(format!("S{}", rest.split_once(' ')?.0)))
        .collect();
    assert!(codes.len() >= 5, "{codes:?}");
    assert_eq!(of("trouble-"), codes, "codes of the runbook");
}

#[test]
fn plural_forms_are_those_of_the_language() {
    let orders = |lang: Lang, count: i64| {
        let values = [("shop", "main".into()), ("orders", count.into())];
        lang.text("notice-orders-not_found", &values)
    };
    for (lang, count, words) in [
        (Lang::Ru, 1, "не находит 1 заказ, который"),
        (Lang::Ru, 3, "не находит 3 заказа, которые"),
        (Lang::Ru, 12, "не находит 12 заказов, которые"),
        (Lang::Ru, 21, "не находит 21 заказ, который"),
        (Lang::Kk, 3, "көрсеткен 3 тапсырысты"),
        (Lang::En, 1, "know 1 order that"),
        (Lang::En, 3, "know 3 orders that"),
    ] {
        let text = orders(lang, count);
        assert!(text.contains(words), "{lang}, {count}: {text}");
    }
}

#[test]
fn a_locale_names_its_language() {
    for (locale, lang) in [
        ("ru_RU.UTF-8", Some(Lang::Ru)),
        ("kk_KZ.UTF-8", Some(Lang::Kk)),
        ("kk-KZ", Some(Lang::Kk)),
        ("en_US.UTF-8", Some(Lang::En)),
        ("C.UTF-8", None),
        ("C", None),
        ("rum", None),
        ("", None),
    ] {
        assert_eq!(Lang::of_locale(locale), lang, "{locale}");
    }
}

/// The code as it is compiled: a text that goes on in the next line is one.
fn joined(code: &str) -> String {
    let mut text = String::new();
    let mut goes_on = false;
    for line in code.lines() {
        let line = if goes_on { line.trim_start() } else { line };
        let begun = line.strip_suffix('\\');
        goes_on = begun.is_some();
        text.push_str(begun.unwrap_or(line));
        if !goes_on {
            text.push('\n');
        }
    }
    text.replace("\\\"", "\"")
}

/// Forms that the code joins from pieces, or that the system writes.
const JOINED: &[&str] = &[
    "said-c-any-line-none",
    "said-c-between",
    "said-c-every-line-none",
    "said-connection-refused-os-error",
    "said-demo-agree",
    "said-i-interval-safety",
    "said-no-such-file-or-directory",
    "said-of-are-promised-in-the",
    "said-order-will-be-accepted-by",
    "said-order-will-be-cancelled-by",
    "said-permission-denied-os-error",
    "said-x-action-accept",
    "said-x-level-possible",
];

/// A sentence that changes in the code must change in the catalogue, or it is no longer recognised.
#[test]
fn every_english_form_is_one_that_the_code_writes() {
    let mut code = String::new();
    for (name, text) in sources("src") {
        if !name.starts_with("src/lang/") {
            code.push_str(&joined(&text));
        }
    }
    let mut unknown = Vec::new();
    for (key, text) in texts(Lang::En) {
        // Words are of tables and states, where two are joined.
        let is_joined = key.starts_with("said-w-") || JOINED.contains(&key.as_str());
        if !key.starts_with("said-") || is_joined {
            continue;
        }
        let pieces = text.trim().split(['{', '}']).step_by(2);
        let longest = pieces.max_by_key(|piece| piece.len()).unwrap_or_default();
        // A command's own name stands between marks: `qabyl orders resolve`.
        if !code.contains(longest.trim()) {
            unknown.push(format!("{key}: {longest}"));
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

/// A value of each kind, as its English form and as a reader sees it.
fn sample(name: &str) -> &'static str {
    match name.split('_').next().unwrap_or_default() {
        "n" => "3",
        "span" => "2h",
        "at" | "counted" => "02.03 11:00",
        _ => "zzz",
    }
}

/// No form is taken for another.
#[test]
fn every_english_form_is_recognised_as_itself() {
    let english = texts(Lang::En);
    let mut wrong = Vec::new();
    for (key, form) in english.iter().filter(|(key, _)| key.starts_with("said-")) {
        let mut text = form.trim().to_owned();
        let mut all = variables(form);
        all.extend(ENGLISH_WORDS.map(str::to_owned));
        for name in &all {
            text = text.replace(&format!("{{ ${name} }}"), sample(name));
        }
        for lang in [Lang::Ru, Lang::Kk] {
            let span = lang.word("unit-h");
            let span = format!("2 {span}");
            let values = variables(form);
            let values = values.iter().map(|name| {
                let value: Arg<'_> = match sample(name) {
                    "3" => 3.into(),
                    "2h" => span.as_str().into(),
                    other => other.into(),
                };
                (name.as_str(), value)
            });
            let values: Vec<(&str, Arg<'_>)> = values.collect();
            let wanted = lang.text(key, &values);
            let got = lang.sentence(&text);
            if got != wanted {
                wrong.push(format!("{key}: {text}\n  {got}\n  {wanted}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
