//! Kaspi's catalogue over HTTP: categories, attributes, values, and imports of products.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kaspi::{ApiError, PlainApi, PostError, parse_plain};
use crate::text::shown;

/// Longest text of Kaspi's that is kept, in characters.
const TEXT_CHARS_MAX: usize = 300;

/// A category, or a value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The code an import uses.
    pub code: String,
    /// The name people know it by.
    #[serde(alias = "name", default)]
    pub title: String,
}

/// One attribute of a category's products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// The code an import uses.
    pub code: String,
    /// `boolean`, `enum`, `string`, `number`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Whether it may have several values.
    #[serde(default)]
    pub multi_valued: bool,
    /// Whether a product must have it.
    #[serde(default)]
    pub mandatory: bool,
}

/// The progress of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportState {
    /// The code its result is read by.
    pub code: String,
    /// `UPLOADED`, `FINISHED`, or another: Kaspi does not document them.
    #[serde(default)]
    pub status: String,
    /// Kaspi's explanation, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl ImportState {
    /// Whether Kaspi has finished it, successfully or not.
    pub fn is_finished(&self) -> bool {
        self.status == "FINISHED" || self.is_failed()
    }

    /// Whether the import failed as a whole.
    pub fn is_failed(&self) -> bool {
        is_failure(&self.status)
    }
}

/// The outcome for one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProductOutcome {
    /// Such as `CREATED`, `UPDATED`, `SKIPPED`, `ERROR`.
    pub state: String,
    /// Kaspi's explanation, from whatever shape it came in.
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

/// The catalogue as one shop sees it.
pub struct Client {
    api: PlainApi,
}

impl Client {
    /// Over one shop's access to Kaspi.
    pub fn new(api: PlainApi) -> Self {
        Self { api }
    }

    /// All categories, about 4300.
    ///
    /// # Errors
    /// As every read.
    pub async fn categories(&self) -> Result<Vec<Named>, ApiError> {
        let path = "/products/classification/categories";
        self.api.get(path, &[], parse_plain).await
    }

    /// The attributes of a category's products.
    ///
    /// # Errors
    /// As every read.
    pub async fn attributes(&self, category: &str) -> Result<Vec<Attribute>, ApiError> {
        let path = "/products/classification/attributes";
        self.api.get(path, &[("c", category)], parse_plain).await
    }

    /// The values an attribute of a category may have.
    ///
    /// # Errors
    /// As every read.
    pub async fn values(&self, category: &str, attribute: &str) -> Result<Vec<Named>, ApiError> {
        let path = "/products/classification/attribute/values";
        let query = [("c", category), ("a", attribute)];
        self.api.get(path, &query, parse_plain).await
    }

    /// The progress of an import.
    ///
    /// # Errors
    /// As every read.
    pub async fn import_state(&self, code: &str) -> Result<ImportState, ApiError> {
        let path = "/products/import";
        self.api.get(path, &[("i", code)], parse_plain).await
    }

    /// The result of an import, product by product.
    ///
    /// # Errors
    /// As every read.
    pub async fn import_result(&self, code: &str) -> Result<ImportResult, ApiError> {
        let path = "/products/import/result";
        self.api.get(path, &[("i", code)], parse_result).await
    }

    /// Sends a file of products, once. `body` is a checked [`Products`](super::products::Products) file.
    ///
    /// # Errors
    /// By what is known of its effect.
    pub async fn import(&self, body: Vec<u8>) -> Result<ImportState, PostError> {
        // Kaspi wants JSON under this content type (KASPI_API §7).
        let answer = self
            .api
            .post_once("/products/import", "text/plain", body)
            .await?;
        parse_plain(&answer.body).map_err(|why| {
            PostError::Unknown(format!(
                "HTTP {} with a body that is not understood: {why}",
                answer.status
            ))
        })
    }
}

/// Reads a result; the shape of what Kaspi says about each product is not documented.
fn parse_result(bytes: &[u8]) -> Result<ImportResult, String> {
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
fn is_failure(status: &str) -> bool {
    const FAILURES: [&str; 6] = ["ERROR", "FAIL", "REJECT", "INVALID", "ABORT", "CANCEL"];
    let status = status.to_ascii_uppercase();
    FAILURES.iter().any(|word| status.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(is_finished("FINISHED") && is_finished("ABORTED"));
        assert!(!is_finished("UPLOADED") && !is_finished("ENRICHING"));
    }
}
