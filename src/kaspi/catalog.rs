//! Categories, their attributes, and the import of products (KASPI_API §7), below the base without
//! `/v2`. An import is one POST and never repeated here: nothing tells Kaspi that it is the same one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::gate::Blocked;
use super::transport::{Method, TransportError, WireRequest};
use super::{ApiError, Reader, Shared, json};
use crate::text::shown;

/// Longest message of Kaspi that is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// A category, or a value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// As it is written in an import.
    pub code: String,
    /// As people say it.
    #[serde(alias = "name", default)]
    pub title: String,
}

/// What a category's products are described by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// As it is written in an import.
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

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportState {
    /// By which it is asked for.
    pub code: String,
    /// `UPLOADED`, `FINISHED`, or others, none of them documented.
    #[serde(default)]
    pub status: String,
    /// Kaspi's words, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl ImportState {
    /// Whether Kaspi is through with it, well or not.
    pub fn is_over(&self) -> bool {
        self.status == "FINISHED" || self.is_failed()
    }

    /// Whether the import as a whole came to nothing.
    pub fn is_failed(&self) -> bool {
        is_bad(&self.status)
    }
}

/// What became of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProductOutcome {
    /// Kaspi's word.
    pub state: String,
    /// What else was said of it.
    pub told: String,
    /// Whether it was not taken.
    pub failed: bool,
}

/// What became of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportResult {
    /// Products with errors.
    pub errors: u64,
    /// Products with warnings.
    pub warnings: u64,
    /// Products left as they were.
    pub skipped: u64,
    /// Products in all.
    pub total: u64,
    /// By SKU.
    pub products: BTreeMap<String, ProductOutcome>,
}

impl ImportResult {
    /// Whether a product was not taken.
    pub fn has_errors(&self) -> bool {
        self.errors > 0 || self.products.values().any(|product| product.failed)
    }
}

/// Why an import has no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Kaspi said no; nothing was taken.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// Proven: nothing left.
    #[error("nothing was sent: {0}")]
    NotSent(String),
    /// It may have been taken, or not.
    #[error("whether Kaspi took the import is not known: {0}")]
    Unknown(String),
}

/// Reads the catalogue and sends products in.
pub struct Catalog {
    shared: Arc<Shared>,
    reader: Reader,
}

impl Catalog {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let reader = Reader::new(Arc::clone(&shared));
        Self { shared, reader }
    }

    /// All categories, about 4300.
    ///
    /// # Errors
    /// As every read.
    pub async fn categories(&self) -> Result<Vec<Named>, ApiError> {
        self.get("/products/classification/categories", &[], parse)
            .await
    }

    /// What the products of a category are described by.
    ///
    /// # Errors
    /// As every read.
    pub async fn attributes(&self, category: &str) -> Result<Vec<Attribute>, ApiError> {
        let path = "/products/classification/attributes";
        self.get(path, &[("c", category)], parse).await
    }

    /// The values an attribute of a category may have.
    ///
    /// # Errors
    /// As every read.
    pub async fn values(&self, category: &str, attribute: &str) -> Result<Vec<Named>, ApiError> {
        let path = "/products/classification/attribute/values";
        self.get(path, &[("c", category), ("a", attribute)], parse)
            .await
    }

    /// How far an import is.
    ///
    /// # Errors
    /// As every read.
    pub async fn import_state(&self, code: &str) -> Result<ImportState, ApiError> {
        self.get("/products/import", &[("i", code)], parse).await
    }

    /// What became of an import's products.
    ///
    /// # Errors
    /// As every read.
    pub async fn import_result(&self, code: &str) -> Result<ImportResult, ApiError> {
        self.get("/products/import/result", &[("i", code)], result)
            .await
    }

    /// Sends products in, once. `body` is a checked [`Products`](super::products::Products) file.
    ///
    /// # Errors
    /// By what is known of it, see [`ImportError`].
    pub async fn import(&self, body: Vec<u8>) -> Result<ImportState, ImportError> {
        let path = "/products/import";
        let request = self.request(Method::Post, path, &[], Some(body));
        let held_back = |until: Timestamp| {
            ImportError::NotSent(format!("requests are held back until {until}"))
        };
        let permit = self.shared.gate.acquire(Method::Post).await;
        let permit = permit.map_err(|why| match why {
            Blocked::Paused { until } | Blocked::Breaker { until } => held_back(until),
        })?;
        let answer = self.shared.transport.send(&request).await;
        drop(permit);
        self.shared.gate.record(Method::Post, &answer);
        let answer = answer.map_err(|error| match error {
            TransportError::NotSent(why) => ImportError::NotSent(why),
            error => ImportError::Unknown(error.to_string()),
        })?;
        match self.reader.judge(&answer) {
            // An outage said by status is no proof that nothing was taken before it.
            Err(ApiError::Outage(why)) => Err(ImportError::Unknown(why)),
            Err(error) => Err(error.into()),
            Ok(()) => parse(&answer.body).map_err(|why| {
                ImportError::Unknown(format!("HTTP {}, whose body says: {why}", answer.status))
            }),
        }
    }

    async fn get<T>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        parse: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let request = self.request(Method::Get, path, query, None);
        self.reader.repeat(&request, parse).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> WireRequest {
        let query = query.iter().map(|(name, value)| pair(name, value));
        let mut request = self
            .shared
            .request(method, path.to_owned(), query.collect(), body);
        let is_import = method == Method::Post;
        request
            .headers
            .retain(|(name, _)| is_import || *name != "Content-Type");
        for (name, value) in &mut request.headers {
            match *name {
                "Accept" => "application/json".clone_into(value),
                // What Kaspi wants of an import, JSON as it is (KASPI_API §7).
                "Content-Type" => "text/plain".clone_into(value),
                _ => {}
            }
        }
        request
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Parses one JSON text and says which field was wrong, without repeating what stood there.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json);
    let value = value.map_err(|error| json::error_text(&error))?;
    json.end()
        .map_err(|_| "more than one JSON text".to_owned())?;
    Ok(value)
}

/// The result's products, whatever else is said of each.
fn result(bytes: &[u8]) -> Result<ImportResult, String> {
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
    // A list would be taken for the fields in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err("not a JSON object".to_owned());
    }
    let wire: Wire = parse(bytes)?;
    let products = wire.result.into_iter();
    Ok(ImportResult {
        errors: wire.errors,
        warnings: wire.warnings,
        skipped: wire.skipped,
        total: wire.total,
        products: products.map(|(sku, told)| (sku, outcome(told))).collect(),
    })
}

fn outcome(mut told: Value) -> ProductOutcome {
    let state = told.get_mut("state").map(Value::take);
    let state = state.as_ref().and_then(Value::as_str).unwrap_or_default();
    let mut words = Vec::new();
    flatten(&told, &mut words);
    let words = words.join("; ");
    ProductOutcome {
        failed: is_bad(state),
        state: shown(state, MESSAGE_CHARS_MAX),
        told: shown(&words, MESSAGE_CHARS_MAX),
    }
}

/// Every word and number in a value of a shape that is not documented.
fn flatten(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::String(text) => words.push(text.clone()),
        Value::Number(number) => words.push(number.to_string()),
        Value::Array(values) => values.iter().for_each(|value| flatten(value, words)),
        Value::Object(fields) => fields.values().for_each(|value| flatten(value, words)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether a word says that something came to nothing: these are not documented.
fn is_bad(word: &str) -> bool {
    const BAD: [&str; 6] = ["ERROR", "FAIL", "REJECT", "INVALID", "ABORT", "CANCEL"];
    let word = word.to_ascii_uppercase();
    BAD.iter().any(|bad| word.contains(bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_product_is_kept_in_whatever_shape() {
        let body = br#"{"errors":1,"total":2,"result":{"A":{"state":"CREATED"},
            "B":{"state":"ERROR","errors":[{"field":"brand","message":"unknown"}]}}}"#;
        let found = result(body).unwrap();
        assert!(found.has_errors() && !found.products["A"].failed);
        assert_eq!(found.products["B"].told, "brand; unknown");
        let counted = result(br#"{"errors":1,"result":{}}"#).unwrap();
        assert!(counted.has_errors(), "by the count alone");
        assert!(result(b"[]").is_err() && result(b"<html>").is_err());
    }

    #[test]
    fn a_word_nobody_knows_is_not_the_end() {
        let is_over = |status: &str| {
            let code = "1".to_owned();
            let (status, description) = (status.to_owned(), None);
            ImportState {
                code,
                status,
                description,
            }
            .is_over()
        };
        assert!(is_over("FINISHED") && is_over("ABORTED"));
        assert!(!is_over("UPLOADED") && !is_over("ENRICHING"));
    }
}
