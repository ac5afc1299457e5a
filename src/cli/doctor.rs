//! `qabyl doctor`: checks what the daemon depends on and suggests fixes.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::json;

use super::args::{Format, Shown};
use super::{DENIED, Done, FAILED, open, say, shops, table, translated};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Shop};
use crate::domain::order::{State, Status};
use crate::kaspi::{ApiError, ListQuery};
use crate::runtime::build;
use crate::status::shop_troubles::is_asked_by_doctor;
use crate::status::troubles;
use crate::store::Store;

/// With a larger difference, windows and deadlines would be wrong.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(60);

/// The result of one check.
pub(super) struct Finding {
    check: String,
    pub(super) ok: bool,
    pub(super) found: String,
    /// What to do about it; empty where it is ok.
    pub(super) hint: String,
}

fn ok(check: impl Into<String>, found: impl Into<String>) -> Finding {
    Finding {
        check: check.into(),
        ok: true,
        found: found.into(),
        hint: String::new(),
    }
}

fn failing(check: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding {
        check: check.into(),
        ok: false,
        found: found.into(),
        hint: hint.into(),
    }
}

pub(super) async fn run(loaded: &Loaded, args: &Shown) -> Done {
    let config = &loaded.config;
    let mut findings = files(loaded);
    findings.push(rules(config));
    findings.extend(shops::same_tokens(loaded).map(|why| failing("tokens", why, "")));
    let mut denied = false;
    match open(config).await {
        Err(error) => {
            findings.push(failing("database", error.words(), error.hint()));
        }
        Ok(store) => {
            findings.push(ok("database", config.database.path.display().to_string()));
            findings.push(stock(config, &store).await?);
            let now = Clock::System.now();
            for trouble in troubles::find(loaded, &store, now).await? {
                let found = trouble.what_in_full();
                // It asks Kaspi itself, below.
                if is_asked_by_doctor(&trouble) {
                    continue;
                }
                findings.push(failing(trouble.of, found, trouble.hint));
            }
            let store = Arc::new(store);
            for shop in &config.shops {
                let (found, is_denied) = check_shop(loaded, shop, &store).await;
                denied |= is_denied;
                findings.extend(found);
            }
        }
    }
    print(&findings, args.format);
    let all_ok = findings.iter().all(|finding| finding.ok);
    let code = if denied { DENIED } else { FAILED };
    Ok(ExitCode::from(if all_ok { 0 } else { code }))
}

/// The files that settings come from.
fn files(loaded: &Loaded) -> Vec<Finding> {
    let path = |file: &Path| file.display().to_string();
    let file = loaded.file.as_deref();
    let file = file.map_or_else(|| "no file: defaults and environment".to_owned(), path);
    let dotenv = loaded.dotenv().map(|file| ok(".env", path(file)));
    [ok("configuration", file)]
        .into_iter()
        .chain(dotenv)
        .collect()
}

fn rules(config: &Config) -> Finding {
    match shops::rules(config) {
        Ok(rules) => {
            let counted = table::counted(rules.list.len(), "rule");
            let own = config.rules.file.as_deref();
            let own = own.filter(|_| shops::missing_rules_file(config).is_none());
            let place =
                own.map_or_else(|| "embedded".to_owned(), |file| file.display().to_string());
            ok("rules", format!("{counted}, {place}"))
        }
        Err(failure) => failing("rules", failure.error.to_string(), "fix the rules file"),
    }
}

async fn stock(config: &Config, store: &Store) -> Result<Finding, super::Failure> {
    let now = Clock::System.now();
    let Some((newest, oldest)) = store.stock_age().await? else {
        return Ok(failing(
            "stock",
            "there is no stock: every order will be held",
            "qabyl stock import FILE.csv",
        ));
    };
    let age = now.duration_since(oldest);
    let limit = build::limits(config).stock_max_age;
    if limit.is_some_and(|limit| age > limit) {
        return Ok(failing(
            "stock",
            format!(
                "the oldest level is {} old: orders for it will be held",
                table::age(age)
            ),
            "import stock more often, or raise interlocks.stock_max_age",
        ));
    }
    Ok(ok(
        "stock",
        format!(
            "newest level {} old, oldest {}",
            table::age(now.duration_since(newest)),
            table::age(age)
        ),
    ))
}

/// Asks Kaspi with the shop's token; also whether Kaspi denies the shop access.
pub(super) async fn check_shop(
    loaded: &Loaded,
    shop: &Shop,
    store: &Arc<Store>,
) -> (Vec<Finding>, bool) {
    let name = |what: &str| format!("{}: {what}", shop.name);
    let token = match loaded.token_source(shop).load() {
        Ok(token) => token,
        Err(error) => return (vec![failing(name("token"), error.to_string(), "")], false),
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
        Err(error) => return (vec![failing(name("client"), error.to_string(), "")], false),
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
    let mut findings = vec![ok(name("token"), format!("read from {}", token.place()))];
    let is_denied = matches!(&answer, Err(error) if error.is_denied());
    findings.push(match answer {
        Ok(page) => ok(
            name("Kaspi"),
            format!(
                "answers; {} from the last day await the merchant",
                table::counted(
                    usize::try_from(page.total_count.unwrap_or_default()).unwrap_or(0),
                    "order"
                )
            ),
        ),
        Err(error) => kaspi_failing(name("Kaspi"), &error),
    });
    findings.push(match parts.ctx.reader.skew() {
        None => failing(
            name("clock"),
            "Kaspi's time is unknown",
            "fix the access to Kaspi first",
        ),
        Some(skew) if skew.abs() > SKEW_MAX => failing(
            name("clock"),
            format!("differs from Kaspi's by {}", table::age(skew)),
            "set this machine's clock (chrony, timesyncd)",
        ),
        Some(_) => ok(name("clock"), "agrees with Kaspi's"),
    });
    (findings, is_denied)
}

fn kaspi_failing(check: String, error: &ApiError) -> Finding {
    failing(check, format!("{}: {error}", error.code()), error.hint())
}

fn print(findings: &[Finding], format: Format) {
    if format == Format::Json {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| json!({ "check": f.check, "ok": f.ok, "found": f.found, "hint": f.hint }))
            .collect();
        return say(&json!(rows).to_string());
    }
    let mut out = table::table(&["", "check", "found", "what to do"]);
    for f in findings {
        let mark = if f.ok { "ok" } else { "!!" };
        out.add_row(vec![
            mark.to_owned(),
            translated(&f.check),
            translated(&f.found),
            translated(&f.hint),
        ]);
    }
    say(&out.to_string());
}
