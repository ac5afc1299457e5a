//! `qabyl audit`

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{Audit, Format};
use super::{Done, open, orders, say, table};
use crate::config::Loaded;

pub(super) async fn run(loaded: &Loaded, args: &Audit) -> Done {
    let store = open(&loaded.config).await?;
    let rows = store.audit_rows(args.order.as_deref(), args.limit).await?;
    if args.shown.format == Format::Json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                let detail: Value = serde_json::from_str(&row.detail).unwrap_or(Value::Null);
                json!({
                    "at": row.at, "actor": row.actor, "shop": row.shop, "order": row.code,
                    "event": row.event, "detail": detail,
                })
            })
            .collect();
        say(&json!(rows).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = table::table(&["at", "who", "shop", "order", "event", "detail"]);
    for row in rows {
        out.add_row(vec![
            orders::local(row.at),
            row.actor,
            row.shop.unwrap_or_default(),
            row.code.unwrap_or_default(),
            row.event,
            words(&row.detail),
        ]);
    }
    say(&out.to_string());
    Ok(ExitCode::SUCCESS)
}

/// A detail as a person reads it: `kind accept, end confirmed`, and nothing where nothing is known.
fn words(detail: &str) -> String {
    let Ok(Value::Object(detail)) = serde_json::from_str(detail) else {
        return detail.to_owned();
    };
    let told = detail.iter().filter(|(_, value)| !value.is_null());
    let told: Vec<String> = told
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}: {text}"),
            value => format!("{name}: {value}"),
        })
        .collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_detail_is_said_without_braces() {
        let said = words(r#"{"action":10,"detail":null,"why":"Kaspi shows it"}"#);
        assert_eq!(said, "action: 10, why: Kaspi shows it");
        assert_eq!(words("no object"), "no object");
    }
}
