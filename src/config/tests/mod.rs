#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod mistakes;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::diagnostics::fields_of;

const SECOND: Duration = Duration::from_secs(1);
const ONE_SHOP: &str = "[[shops]]\nname = \"main\"\n";

fn sources(directory: &Path, file: Option<&str>, env: &[(&str, &str)]) -> Sources {
    let path = directory.join("qabyl.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let env: BTreeMap<String, String> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Sources {
        file: None,
        search: vec![path],
        env: env.into(),
        overrides: Vec::new(),
    }
}

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    Config::load(sources(directory.path(), Some(text), env)).map(|loaded| loaded.config)
}

/// The whole message, with the directory of the file taken out.
fn message(text: &str, env: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let error = Config::load(sources(directory.path(), Some(text), env)).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error
        .to_string()
        .replace(&format!("{}/", directory.path().display()), "")
}

fn defaults() -> Config {
    let none = Sources {
        file: None,
        search: vec![],
        env: Env::default(),
        overrides: vec![],
    };
    Config::load_partial(none).unwrap().config
}

#[test]
fn default_toml_and_structs_name_the_same_keys() {
    let names = |table: &toml::Table| -> BTreeSet<String> {
        let keys = table
            .iter()
            .filter_map(|(section, keys)| Some((section, keys.as_table()?)));
        keys.flat_map(|(section, keys)| keys.keys().map(move |key| format!("{section}.{key}")))
            .collect()
    };
    let file = names(&DEFAULT_TOML.parse().unwrap());
    let config = defaults();
    assert_eq!(file, names(&toml::Table::try_from(&config).unwrap()));
    let blocks = [
        fields_of::<Shop>(),
        fields_of::<StockSource>(),
        fields_of::<Channel>(),
    ];
    for key in blocks.concat() {
        assert!(DEFAULT_TOML.contains(&format!("\n# {key} = ")), "{key}");
    }
    assert!(blocks.iter().all(|keys| keys.contains(&"name")));
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = defaults();
    assert_eq!(config.database.path, PathBuf::from("qabyl.db"));
    assert_eq!(config.kaspi.base_url, "https://kaspi.kz/shop/api");
    assert_eq!(config.kaspi.connect_timeout, 5 * SECOND);
    assert_eq!(config.kaspi.request_timeout, 20 * SECOND);
    assert!((config.kaspi.rate_start - 8.0).abs() < f64::EPSILON);
    assert!((config.kaspi.rate_per_second - 50.0).abs() < f64::EPSILON);
    assert_eq!(
        (config.kaspi.max_in_flight, config.kaspi.body_max_bytes),
        (4, 4 << 20)
    );
    assert!(config.kaspi.include_entries && !config.kaspi.allow_plain_http);
    assert_eq!(config.poll.schedule, "*/15 * * * * *");
    assert_eq!(config.poll.lookback, 3 * 86_400 * SECOND);
    assert_eq!(config.http.listen, Some("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(
        config.log,
        Log {
            format: LogFormat::Json,
            filter: "info".to_owned()
        }
    );
    assert_eq!(config.rules.file, None);
    let interlocks = Interlocks {
        cancel_confirm_after: Limit::On(600 * SECOND),
        cancel_budget_share: Limit::On(0.04),
        cancel_budget_window: 30 * 86_400 * SECOND,
        cancel_budget_from: 50,
        cancel_share_max: 0.05,
        cancels_per_hour_max: Limit::On(10),
        cancels_per_person_max: Limit::On(30),
        stock_max_age: Limit::On(12 * 3600 * SECOND),
        stock_collapse_share: Limit::On(0.5),
    };
    assert_eq!(config.interlocks, interlocks);
    assert_eq!(
        (config.actions.settle, config.actions.attempts_max),
        (180 * SECOND, 5)
    );
    assert_eq!(config.actions.accepts_per_hour_max, Limit::Off);
    assert_eq!(config.schedule.deadline, 3 * 3600 * SECOND);
    assert!(config.relaxed().is_empty() && config.shops.is_empty());
    assert_eq!(
        (config.backup.directory, config.backup.every),
        (None, 3600 * SECOND)
    );
    assert_eq!(
        (config.backup.keep_hourly, config.backup.keep_daily),
        (24, 14)
    );
    let (orders, audit) = (config.retention.orders, config.retention.audit);
    assert_eq!(
        (orders, audit),
        (180 * 86_400 * SECOND, 400 * 86_400 * SECOND)
    );
}

#[test]
fn the_contract_parses() {
    let text = r#"
[database]
path = "qabyl.db"
[kaspi]
base_url = "http://127.0.0.1:8088/shop/api/"
connect_timeout = "5s"
request_timeout = "20s"
rate_per_second = 4
max_in_flight = 2
user_agent = "Mozilla/5.0"
include_entries = true
[poll]
schedule = "*/15 * * * * *"
lookback = "3d"
[http]
listen = ""
[log]
format = "text"
filter = "info"
[[shops]]
name = "main"
token_file = "token"
mode = "act"
merchant_uid = "30000001"
proxy = "http://user:secret@10.0.0.1:3128"
[rules]
file = "rules.toml"
[interlocks]
cancel_confirm_after = "0s"
cancel_budget_share = 0.04
cancels_per_hour_max = 0
stock_max_age = "off"
stock_collapse_share = false
[actions]
settle = "3m"
attempts_max = 5
"#;
    let directory = tempfile::tempdir().unwrap();
    let loaded = Config::load(sources(directory.path(), Some(text), &[])).unwrap();
    let config = &loaded.config;
    let shop = &config.shops[0];
    assert_eq!(config.kaspi.base_url, "http://127.0.0.1:8088/shop/api");
    assert_eq!(config.database.path, directory.path().join("qabyl.db"));
    assert_eq!(config.rules.file, Some(directory.path().join("rules.toml")));
    assert_eq!(shop.token_file, Some(directory.path().join("token")));
    assert_eq!((shop.mode, config.http.listen), (Mode::Act, None));
    assert_eq!(config.interlocks.cancels_per_hour_max, Limit::On(0));
    let off = [
        "cancel_confirm_after",
        "stock_max_age",
        "stock_collapse_share",
    ];
    assert_eq!(config.relaxed(), off);

    let dump = loaded.dump();
    assert!(!dump.contains("secret") && !format!("{loaded:?}").contains("secret"));
    assert!(
        dump.contains("proxy = \"http://***@10.0.0.1:3128/\""),
        "{dump}"
    );
    assert!(dump.contains("qabyl.toml:8:19\n"), "{dump}");
    let mut again = load(&dump, &[]).unwrap();
    again.shops[0].proxy.clone_from(&shop.proxy);
    again.shops[0].credential.clone_from(&shop.credential);
    assert_eq!(again, *config);
}

#[test]
fn an_address_loses_the_spaces_around_it_and_nothing_else() {
    let text = format!("[kaspi]\nbase_url = \"  https://kaspi.kz/shop/api// \"\n{ONE_SHOP}");
    let config = load(&text, &[]).unwrap();
    assert_eq!(config.kaspi.base_url, "https://kaspi.kz/shop/api");
}

#[test]
fn the_example_parses() {
    let config = load(EXAMPLE_TOML, &[]).unwrap();
    assert_eq!(
        (config.shops.len(), config.shops[0].mode),
        (1, Mode::Propose)
    );
}

#[test]
fn layers_win_in_order() {
    let text =
        format!("[kaspi]\nretries_max = 1\npages_max = 1\n[log]\nfilter=\"warn\"\n{ONE_SHOP}");
    let directory = tempfile::tempdir().unwrap();
    let env = [
        ("QABYL__KASPI__PAGES_MAX", " 2 "),
        ("QABYL__KASPI__RATE_PER_SECOND", "0.5"),
        ("QABYL__KASPI__INCLUDE_ENTRIES", "false"),
        ("QABYL__INTERLOCKS__STOCK_MAX_AGE", "off"),
        ("QABYL__INTERLOCKS__CANCELS_PER_HOUR_MAX", "3"),
        ("QABYL__DATABASE__PATH", "here.db"),
        ("QABYL__LOG__FILTER", "0070"),
    ];
    let mut sources = sources(directory.path(), Some(&text), &env);
    sources.overrides = vec![("log.filter".to_owned(), "debug".to_owned())];
    let loaded = Config::load(sources).unwrap();
    let config = &loaded.config;
    assert_eq!((config.kaspi.retries_max, config.kaspi.pages_max), (1, 2));
    assert!((config.kaspi.rate_per_second - 0.5).abs() < f64::EPSILON);
    assert!(!config.kaspi.include_entries);
    assert_eq!(config.interlocks.stock_max_age, Limit::Off);
    assert_eq!(config.interlocks.cancels_per_hour_max, Limit::On(3));
    assert_eq!(config.database.path, PathBuf::from("here.db"));
    assert_eq!(config.log.filter, "debug");
    assert_eq!(
        (loaded.file.is_some(), loaded.env_keys.len()),
        (true, env.len())
    );
    let dump = loaded.dump();
    assert!(
        dump.contains("pages_max = 2  # QABYL__KASPI__PAGES_MAX\n"),
        "{dump}"
    );
    assert!(
        dump.contains("filter = \"debug\"  # flag log.filter\n"),
        "{dump}"
    );
}

#[test]
fn durations_are_written_as_they_are_read() {
    for text in [
        "500ms", "20s", "10m", "12h", "1d", "3d", "14d", "1d 2h", "180d", "400d 1s",
    ] {
        let value = crate::diagnostics::duration(text).unwrap();
        assert_eq!(
            crate::diagnostics::duration(&duration::format(value)).ok(),
            Some(value),
            "{text}"
        );
    }
    assert_eq!(duration::format(400 * 86_400 * SECOND), "400d");
}
