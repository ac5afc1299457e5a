//! Kaspi's catalogue over HTTP: categories, attributes, values, and imports of products.

use serde::{Deserialize, Serialize};

use super::outcome::{ImportResult, is_failure, parse_result};
use crate::kaspi::{ApiError, PlainApi, PostError, parse_plain};

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
        let status = self.status.to_ascii_uppercase();
        let ends = ["FINISH", "COMPLET", "DONE", "SUCCE"];
        ends.iter().any(|word| status.contains(word)) || self.is_failed()
    }

    /// Whether the import failed as a whole.
    pub fn is_failed(&self) -> bool {
        is_failure(&self.status)
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
