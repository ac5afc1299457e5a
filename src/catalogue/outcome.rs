//! What Kaspi says of an import: neither its states nor its shape are documented.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kaspi::parse_plain;
use crate::text::shown;

/// Longest text of Kaspi's that is kept, in characters.
const TEXT_CHARS_MAX: usize = 300;

/// The outcome for one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProductOutcome {
    /// Such as `CREATED`, `UPDATED`, `SKIPPED`, `ERROR`.
    pub state: String,
    /// Kaspi's explanation, from each of the forms in which it sends one.
    pub message: String,
    /// Whether Kaspi did not take the product.
    pub failed: bool,
}

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportResult {
    /// Products with errors.
    pub errors: u64,
    /// Products with warnings.
    pub warnings: u64,
    /// Products that were unchanged.
    pub skipped: u64,
    /// All products.
    pub total: u64,
    /// By SKU.
    pub products: BTreeMap<String, ProductOutcome>,
}

impl ImportResult {
    /// Whether Kaspi did not take every product.
    pub fn has_errors(&self) -> bool {
        self.errors > 0 || self.products.values().any(|product| product.failed)
    }
}

/// Reads a result; the shape of what Kaspi says about each product is not documented.
pub(super) fn parse_result(bytes: &[u8]) -> Result<ImportResult, String> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(default)]
        errors: u64,
        #[serde(default)]
        warnings: u64,
        #[serde(default)]
        skipped: u64,
        #[serde(default)]
        total: u64,
        #[serde(default)]
        result: BTreeMap<String, Value>,
    }
    // Serde would read a list as the fields in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err("not a JSON object".to_owned());
    }
    let wire: Wire = parse_plain(bytes)?;
    let products = wire.result.into_iter();
    Ok(ImportResult {
        errors: wire.errors,
        warnings: wire.warnings,
        skipped: wire.skipped,
        total: wire.total,
        products: products.map(|(sku, value)| (sku, outcome(value))).collect(),
    })
}

fn outcome(mut value: Value) -> ProductOutcome {
    let state = value.get_mut("state").map(Value::take);
    let state = state.as_ref().and_then(Value::as_str).unwrap_or_default();
    let mut texts = Vec::new();
    flatten(&value, &mut texts);
    ProductOutcome {
        failed: is_failure(state),
        state: shown(state, TEXT_CHARS_MAX),
        message: shown(&texts.join("; "), TEXT_CHARS_MAX),
    }
}

/// Collects every text and number of a value.
fn flatten(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(values) => values.iter().for_each(|value| flatten(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| flatten(value, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether a status or state means failure. Kaspi does not document them, so any that contains one of
/// these words counts.
pub(super) fn is_failure(status: &str) -> bool {
    const FAILURES: [&str; 16] = [
        "ERROR", "FAIL", "REJECT", "INVALID", "ABORT", "CANCEL", "DECLIN", "DENI", "REFUS",
        "FORBID", "BLOCK", "UNSUC", "MISSING", "WRONG", "TIMEOUT", "EXPIRE",
    ];
    let status = status.to_ascii_uppercase();
    let mut words = status.split(|c: char| !c.is_alphanumeric());
    words.any(|word| ["NOT", "NO", "UN", "BAD"].contains(&word))
        || FAILURES.iter().any(|word| status.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::ImportState;

    #[test]
    fn a_product_message_is_read_from_any_shape() {
        let body = br#"{"errors":1,"total":2,"result":{"A":{"state":"CREATED"},
            "B":{"state":"ERROR","errors":[{"field":"brand","message":"unknown"}]}}}"#;
        let found = parse_result(body).unwrap();
        assert!(found.has_errors() && !found.products["A"].failed);
        assert_eq!(found.products["B"].message, "brand; unknown");
        let counted = parse_result(br#"{"errors":1,"result":{}}"#).unwrap();
        assert!(counted.has_errors(), "by the count alone");
        assert!(parse_result(b"[]").is_err() && parse_result(b"<html>").is_err());
    }

    #[test]
    fn an_undocumented_status_means_still_running() {
        let is_finished = |status: &str| {
            let code = "1".to_owned();
            let (status, description) = (status.to_owned(), None);
            ImportState {
                code,
                status,
                description,
            }
            .is_finished()
        };
        for status in [
            "FINISHED",
            "ABORTED",
            "FINISHED_WITH_ERRORS",
            "DECLINED",
            "NOT_CREATED",
            "Completed",
        ] {
            assert!(is_finished(status), "{status}");
        }
        for status in ["UPLOADED", "ENRICHING", "IN_PROGRESS", "VALIDATION", ""] {
            assert!(!is_finished(status), "{status}");
        }
        for state in [
            "NOT_CREATED",
            "DECLINED",
            "not updated",
            "ERROR",
            "UNSUCCESSFUL",
            "REFUSED",
        ] {
            assert!(is_failure(state), "{state}");
        }
        for state in [
            "CREATED",
            "UPDATED",
            "SKIPPED",
            "FINISHED_WITH_WARNINGS",
            "ON_MODERATION",
        ] {
            assert!(!is_failure(state), "{state}");
        }
    }
}
