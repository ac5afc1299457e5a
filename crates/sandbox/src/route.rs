//! Parses a request: its endpoint, and the order it is about.

use serde_json::Value;

use super::message::{Method, Request};

/// The endpoints, as the ledger distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointKind {
    /// `GET /v2/orders` by filters.
    List,
    /// `GET /v2/orders` by `filter[orders][code]`.
    ByCode,
    /// `GET /v2/orders/{id}`.
    Order,
    /// `GET /v2/orders/{id}/entries`.
    Entries,
    /// `GET /v2/masterproducts/{id}/merchantProduct`.
    MerchantProduct,
    /// `GET /v2/orderentries/{id}/product`.
    EntryProduct,
    /// `POST /v2/orders`.
    Write,
    /// `GET /products/classification/categories`.
    Categories,
    /// `GET /products/classification/attributes`.
    Attributes,
    /// `GET /products/classification/attribute/values`.
    AttributeValues,
    /// `GET /products/import/schema`.
    ImportSchema,
    /// `GET /products/import`.
    ImportState,
    /// `GET /products/import/result`.
    ImportResult,
    /// `POST /products/import`.
    Import,
    /// Anything else.
    Unknown,
}

impl EndpointKind {
    /// Whether it is a product endpoint (KASPI_API §7), which needs other headers.
    pub(super) fn is_product_endpoint(self) -> bool {
        matches!(
            self,
            Self::Categories
                | Self::Attributes
                | Self::AttributeValues
                | Self::ImportSchema
                | Self::ImportState
                | Self::ImportResult
                | Self::Import
        )
    }

    /// A product endpoint, by the path after `/products/`.
    fn product_endpoint(method: Method, path: &str) -> Self {
        match (method, path) {
            (Method::Get, "classification/categories") => Self::Categories,
            (Method::Get, "classification/attributes") => Self::Attributes,
            (Method::Get, "classification/attribute/values") => Self::AttributeValues,
            (Method::Get, "import/schema") => Self::ImportSchema,
            (Method::Get, "import/result") => Self::ImportResult,
            (Method::Get, "import") => Self::ImportState,
            (Method::Post, "import") => Self::Import,
            _ => Self::Unknown,
        }
    }
}

/// What a write asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WriteKind {
    /// `ACCEPTED_BY_MERCHANT`.
    Accept,
    /// `CANCELLED`.
    Cancel,
    /// Any other status, or none.
    Other,
}

/// A parsed request.
pub(super) struct Call {
    pub(super) kind: EndpointKind,
    /// The id in the path, or in the body of a write.
    pub(super) id: Option<String>,
    /// The body of a write, where it is JSON.
    pub(super) body: Option<Value>,
    pub(super) write: Option<WriteKind>,
}

/// The parameter that finds one order by its code.
pub(super) const CODE_FILTER: &str = "filter[orders][code]";

impl Call {
    pub(super) fn read(request: &Request) -> Self {
        if let Some(path) = request.path.strip_prefix("/shop/api/products/") {
            return Self {
                kind: EndpointKind::product_endpoint(request.method, path),
                id: None,
                body: None,
                write: None,
            };
        }
        let path = request
            .path
            .strip_prefix("/shop/api/v2/")
            .unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        let (kind, id) = match (request.method, parts.as_slice()) {
            (Method::Get, ["orders"]) if request.parameter(CODE_FILTER).is_some() => {
                (EndpointKind::ByCode, None)
            }
            (Method::Get, ["orders"]) => (EndpointKind::List, None),
            (Method::Get, ["orders", id]) => (EndpointKind::Order, Some(*id)),
            (Method::Get, ["orders", id, "entries"]) => (EndpointKind::Entries, Some(*id)),
            (Method::Get, ["masterproducts", id, "merchantProduct"]) => {
                (EndpointKind::MerchantProduct, Some(*id))
            }
            (Method::Get, ["orderentries", id, "product"]) => {
                (EndpointKind::EntryProduct, Some(*id))
            }
            (Method::Post, ["orders"]) => return Self::read_write(request),
            _ => (EndpointKind::Unknown, None),
        };
        Self {
            kind,
            id: id.map(str::to_owned),
            body: None,
            write: None,
        }
    }

    fn read_write(request: &Request) -> Self {
        let body: Option<Value> = serde_json::from_slice(&request.body).ok();
        let text = |pointer| {
            body.as_ref()
                .and_then(|body| body.pointer(pointer))
                .and_then(Value::as_str)
        };
        let write = match text("/data/attributes/status") {
            Some("ACCEPTED_BY_MERCHANT") => WriteKind::Accept,
            Some("CANCELLED") => WriteKind::Cancel,
            _ => WriteKind::Other,
        };
        Self {
            kind: EndpointKind::Write,
            id: text("/data/id").map(str::to_owned),
            write: Some(write),
            body,
        }
    }
}
