//! The table of interlocks in `docs/RULES.md` is the one in the code, with the defaults of `config/default.toml`.

use std::fmt::Write as _;
use std::path::Path;

use qabyl::domain::interlocks::{Interlock, TABLE};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The settings of an interlock with their defaults, by section; a dash where it has none.
fn settings(interlock: &Interlock, defaults: &toml::Table) -> String {
    let settings = interlock.settings.iter().map(|path| {
        let (section, key) = path.split_once('.').unwrap();
        let value = defaults[section].get(key);
        let value = value.unwrap_or_else(|| panic!("config/default.toml has no {path}"));
        format!("`{section}.{key} = {value}`")
    });
    let settings: Vec<String> = settings.collect();
    if settings.is_empty() {
        "—".to_owned()
    } else {
        settings.join(", ")
    }
}

fn table() -> String {
    let defaults: toml::Table = read("config/default.toml").parse().unwrap();
    let mut page =
        "| name | group | stops | when | with | settings |\n|---|---|---|---|---|---|\n".to_owned();
    for interlock in TABLE {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} |",
            interlock.name.as_str(),
            interlock.group.as_str(),
            interlock.proposals.words(),
            interlock.objects_when.trim(),
            interlock.effects.join(", "),
            settings(interlock, &defaults)
        );
    }
    page
}

#[test]
fn the_documented_table_of_interlocks_is_the_one_in_the_code() {
    let table = table();
    assert!(
        read("docs/RULES.md").contains(&table),
        "docs/RULES.md must contain this table:\n\n{table}"
    );
}
