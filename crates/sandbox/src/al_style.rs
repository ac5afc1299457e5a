//! The API of the supplier Al-Style (KASPI_API §9), on the same port below `/al-style/api`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::message::{Reply, Request};

/// Its base path.
pub(super) const ROOT: &str = "/al-style/api";

/// One article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// The manufacturer's part number.
    pub part_number: String,
    /// Its quantity as JSON: a number, `">50"` or null.
    pub quantity: Value,
}

/// The supplier's articles and behaviour.
#[derive(Debug, Clone)]
pub struct AlStyle {
    /// The accepted token.
    pub token: String,
    /// Its articles by number.
    pub articles: BTreeMap<String, Article>,
    /// A request sooner than this after the previous one is refused.
    pub pace: Duration,
    /// Answers 200 with `success: false`.
    pub fails: bool,
    /// Wraps its answers in `data`.
    pub wraps: bool,
    /// Requests answered so far, with their status.
    pub answered: Vec<u16>,
    last: Option<Timestamp>,
}

impl AlStyle {
    /// A supplier without articles.
    pub fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            articles: BTreeMap::new(),
            pace: Duration::from_secs(5),
            fails: false,
            wraps: false,
            answered: Vec::new(),
            last: None,
        }
    }

    /// Adds or replaces an article.
    pub fn put(&mut self, article: &str, quantity: impl Into<Value>) {
        let part_number = format!("PN-{article}");
        let quantity = quantity.into();
        let article = article.to_owned();
        self.articles.insert(
            article,
            Article {
                part_number,
                quantity,
            },
        );
    }

    pub(super) fn handle(&mut self, now: Timestamp, request: &Request) -> Reply {
        let reply = self.answer(now, request);
        self.answered.push(reply.status);
        reply
    }

    fn answer(&mut self, now: Timestamp, request: &Request) -> Reply {
        if request.parameter("access-token") != Some(self.token.as_str()) {
            return Reply::json(401, &json!({"success": false, "message": "Unauthorized"}));
        }
        let since = self
            .last
            .map(|last| now.duration_since(last).unsigned_abs());
        self.last = Some(now);
        if since.is_some_and(|since| since < self.pace) {
            return Reply::html(403, "Forbidden");
        }
        if self.fails {
            return Reply::json(
                200,
                &json!({"success": false, "message": "Try again later"}),
            );
        }
        let body = match request.path.strip_prefix(ROOT) {
            Some("/quantity-price") => self.quantities(request.parameter("article")),
            Some("/elements-pagination") => self.page(request),
            _ => return Reply::json(404, &json!({"success": false})),
        };
        let body = if self.wraps {
            json!({ "data": body })
        } else {
            body
        };
        Reply::json(200, &body)
    }

    fn quantities(&self, only: Option<&str>) -> Value {
        let wanted =
            |number: &str| only.is_none_or(|only| only.split(',').any(|one| one == number));
        let articles = self.articles.iter().filter(|(number, _)| wanted(number));
        articles
            .map(|(number, article)| {
                let fields = json!({"quantity": article.quantity, "price1": 1000, "price2": 1200});
                (number.clone(), fields)
            })
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn page(&self, request: &Request) -> Value {
        let number = |name: &str| request.parameter(name).and_then(|text| text.parse().ok());
        let (limit, offset) = (
            number("limit").unwrap_or(50_usize),
            number("offset").unwrap_or(0_usize),
        );
        let all = self.articles.len();
        let elements: Vec<Value> = self
            .articles
            .iter()
            .skip(offset)
            .take(limit)
            .map(|(number, article)| {
                json!({"article": number, "article_pn": article.part_number, "name": "Товар",
                    "quantity": article.quantity, "price1": 1000})
            })
            .collect();
        json!({"elements": elements, "pagination": {"totalCount": all, "totalPages": all.div_ceil(limit.max(1)),
            "currentPage": offset / limit.max(1) + 1, "limit": limit, "offset": offset}})
    }
}
