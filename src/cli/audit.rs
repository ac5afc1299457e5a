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
                    "at": row.at, "actor": row.actor, "operator": row.operator, "shop": row.shop, "order": row.code,
                    "event": row.event, "detail": detail,
                })
            })
            .collect();
        say(&json!(rows).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = table::table(&["time", "actor", "shop", "order", "event", "details"]);
    for row in rows {
        out.add_row(vec![
            orders::local(row.at),
            match row.operator {
                Some(operator) => format!("{} ({operator})", row.actor),
                None => row.actor,
            },
            row.shop.unwrap_or_default(),
            row.code.unwrap_or_default(),
            row.event,
            detail_text(&row.detail),
        ]);
    }
    say(&out.to_string());
    Ok(ExitCode::SUCCESS)
}

/// The details of an entry as text: `kind: accept, end: confirmed`. Null fields are left out.
fn detail_text(detail: &str) -> String {
    let Ok(Value::Object(detail)) = serde_json::from_str(detail) else {
        return detail.to_owned();
    };
    let fields = detail.iter().filter(|(_, value)| !value.is_null());
    let fields: Vec<String> = fields
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}: {text}"),
            value => format!("{name}: {value}"),
        })
        .collect();
    fields.join(", ")
}

#[cfg(test)]
mod tests {
    use super::detail_text;

    #[test]
    fn details_are_printed_without_braces() {
        let text = detail_text(r#"{"action":10,"detail":null,"why":"Kaspi shows it"}"#);
        assert_eq!(text, "action: 10, why: Kaspi shows it");
        assert_eq!(detail_text("no object"), "no object");
    }
}
