//! `qabyl doctor`: what is wrong, and what to change.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::json;

use super::args::{Format, Shown};
use super::{DENIED, Done, FAILED, open, say, shops, table};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Shop};
use crate::domain::order::{State, Status};
use crate::kaspi::{ApiError, ListQuery};
use crate::runtime::build;
use crate::store::Store;

/// A clock this far off makes windows and deadlines wrong.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(60);

/// One finding.
struct Finding {
    what: String,
    is_well: bool,
    told: String,
    hint: String,
}

fn well(what: impl Into<String>, told: impl Into<String>) -> Finding {
    Finding {
        what: what.into(),
        is_well: true,
        told: told.into(),
        hint: String::new(),
    }
}

fn ill(what: impl Into<String>, told: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding {
        what: what.into(),
        is_well: false,
        told: told.into(),
        hint: hint.into(),
    }
}

pub(super) async fn run(loaded: &Loaded, args: &Shown) -> Done {
    let config = &loaded.config;
    let mut findings = files(loaded);
    findings.push(rules(config));
    let mut denied = false;
    match open(config).await {
        Err(error) => {
            findings.push(ill(
                "database",
                error.to_string(),
                "see that its directory exists and is yours",
            ));
        }
        Ok(store) => {
            findings.push(well("database", config.database.path.display().to_string()));
            findings.push(stock(config, &store).await?);
            findings.extend(sources(config, &store).await?);
            let store = Arc::new(store);
            for shop in &config.shops {
                let (found, is_denied) = ask(loaded, shop, &store).await;
                denied |= is_denied;
                findings.extend(found);
            }
        }
    }
    print(&findings, args.format);
    let all_well = findings.iter().all(|finding| finding.is_well);
    let code = if denied { DENIED } else { FAILED };
    Ok(ExitCode::from(if all_well { 0 } else { code }))
}

/// The files that settings come from: what is sent where depends on them.
fn files(loaded: &Loaded) -> Vec<Finding> {
    let shown = |file: &Path| file.display().to_string();
    let file = loaded.file.as_deref();
    let file = file.map_or_else(|| "no file: defaults and environment".to_owned(), shown);
    let dotenv = loaded.dotenv().map(|file| well(".env", shown(file)));
    [well("configuration", file)]
        .into_iter()
        .chain(dotenv)
        .collect()
}

fn rules(config: &Config) -> Finding {
    match shops::rules(config) {
        Ok(rules) => {
            let counted = table::counted(rules.list.len(), "rule");
            let own = config.rules.file.as_deref();
            let own = own.filter(|_| shops::absent_rules(config).is_none());
            let place =
                own.map_or_else(|| "embedded".to_owned(), |file| file.display().to_string());
            well("rules", format!("{counted}, {place}"))
        }
        Err(failure) => ill("rules", failure.error.to_string(), "fix the rules file"),
    }
}

async fn stock(config: &Config, store: &Store) -> Result<Finding, super::Failure> {
    let now = Clock::System.now();
    let Some((newest, oldest)) = store.stock_age().await? else {
        return Ok(ill(
            "stock",
            "no level is known: every order will be held",
            "qabyl stock import FILE.csv",
        ));
    };
    let age = now.duration_since(oldest);
    let limit = build::limits(config).stock_max_age;
    if limit.is_some_and(|limit| age > limit) {
        return Ok(ill(
            "stock",
            format!(
                "the oldest level is {} old: its orders will be held",
                table::age(age)
            ),
            "import stock more often, or raise interlocks.stock_max_age",
        ));
    }
    Ok(well(
        "stock",
        format!(
            "newest level {} old, oldest {}",
            table::age(now.duration_since(newest)),
            table::age(age)
        ),
    ))
}

/// Configured sources that are not as they should be.
async fn sources(config: &Config, store: &Store) -> Result<Vec<Finding>, super::Failure> {
    let configured = |name: &str| config.stock.sources.iter().any(|s| s.name == name);
    let states = store.stock_sources().await?;
    let states = states.into_iter().filter(|state| configured(&state.name));
    let found = states.filter_map(|state| {
        let (_, trouble) = state.trouble?;
        let told = format!("{}: {}", trouble.code, trouble.problem);
        let hint = "qabyl stock sources --sync; docs/OPERATIONS.md has what each code asks for";
        Some(ill(format!("stock source {}", state.name), told, hint))
    });
    Ok(found.collect())
}

async fn ask(loaded: &Loaded, shop: &Shop, store: &Arc<Store>) -> (Vec<Finding>, bool) {
    let name = |what: &str| format!("{}: {what}", shop.name);
    let token = match loaded.token_source(shop).load() {
        Ok(token) => token,
        Err(error) => return (vec![ill(name("token"), error.to_string(), "")], false),
    };
    let config = &loaded.config;
    let clock = Clock::System;
    let parts = async {
        let policy = Arc::new(build::policy(
            crate::rules_file::default_rules(),
            build::limits(config),
        ));
        let transport = build::http(config, shop, &clock)?;
        let secret = SecretString::from(token.expose());
        build::shop(
            config,
            shop,
            secret,
            transport,
            (Arc::clone(store), clock.clone(), policy),
            1,
        )
        .await
    };
    let parts = match parts.await {
        Ok(parts) => parts,
        Err(error) => return (vec![ill(name("client"), error.to_string(), "")], false),
    };
    let now = clock.now();
    let query = ListQuery {
        state: Some(State::New),
        status: Some(Status::ApprovedByBank),
        from: now
            .saturating_sub(SignedDuration::from_hours(24))
            .unwrap_or(now),
        to: now,
        page: 0,
        size: 1,
        include_entries: false,
    };
    let answer = parts.ctx.reader.list(&query).await;
    let mut findings = vec![well(name("token"), format!("read from {}", token.place()))];
    let is_denied = matches!(&answer, Err(error) if error.is_denied());
    findings.push(match answer {
        Ok(page) => well(
            name("Kaspi"),
            format!(
                "answers; {} of the last day wait",
                table::counted(
                    usize::try_from(page.total_count.unwrap_or_default()).unwrap_or(0),
                    "order"
                )
            ),
        ),
        Err(error) => kaspi_ill(name("Kaspi"), &error),
    });
    findings.push(match parts.ctx.reader.skew() {
        None => ill(
            name("clock"),
            "Kaspi's clock is not known",
            "Kaspi must answer first",
        ),
        Some(skew) if skew.abs() > SKEW_MAX => ill(
            name("clock"),
            format!("{} off Kaspi's", table::age(skew)),
            "set this machine's clock (chrony, timesyncd)",
        ),
        Some(_) => well(name("clock"), "agrees with Kaspi's"),
    });
    (findings, is_denied)
}

fn kaspi_ill(what: String, error: &ApiError) -> Finding {
    ill(what, format!("{}: {error}", error.code()), error.hint())
}

fn print(findings: &[Finding], format: Format) {
    if format == Format::Json {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| json!({ "check": f.what, "ok": f.is_well, "found": f.told, "hint": f.hint }))
            .collect();
        return say(&json!(rows).to_string());
    }
    let mut out = table::table(&["", "check", "found", "what to do"]);
    for f in findings {
        let mark = if f.is_well { "ok" } else { "!!" };
        out.add_row(vec![
            mark,
            f.what.as_str(),
            f.told.as_str(),
            f.hint.as_str(),
        ]);
    }
    say(&out.to_string());
}
