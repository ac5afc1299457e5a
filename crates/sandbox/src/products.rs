//! Categories, their attributes, and imports of products (KASPI_API §7). An import has a result for each
//! SKU after a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    message::{Reply, Request},
    route::{Call, EndpointKind},
    world::World,
    writes::When,
};

/// Code, title.
const CATEGORIES: [(&str, &str); 6] = [
    ("Master - Exercise notebooks", "Тетради"),
    ("Master - Kettles", "Чайники"),
    ("Master - Headphones", "Наушники"),
    ("Master - Power banks", "Внешние аккумуляторы"),
    ("Master - Phone cases", "Чехлы для телефонов"),
    ("Master - Blankets", "Пледы"),
];

/// Code, type, multi-valued, mandatory; the same for every category.
const ATTRIBUTES: [(&str, &str, bool, bool); 4] = [
    ("color", "enum", false, true),
    ("material", "enum", true, false),
    ("wireless", "boolean", false, false),
    ("volume", "number", false, false),
];

/// Attribute, code, name.
const VALUES: [(&str, &str, &str); 5] = [
    ("color", "black", "чёрный"),
    ("color", "white", "белый"),
    ("color", "red", "красный"),
    ("material", "steel", "сталь"),
    ("material", "plastic", "пластик"),
];

/// Most products in one import.
const PRODUCTS_MAX: usize = 10_000;

/// Imports and their products.
#[derive(Debug, Clone, Default)]
pub(super) struct Products {
    imports: BTreeMap<String, Import>,
    /// Every imported product, by SKU.
    known: BTreeMap<String, Value>,
    numbered: u64,
    /// Other words for the end of an import, and for the state of each of its products.
    words: Option<(String, String)>,
}

#[derive(Debug, Clone)]
struct Import {
    done_at: Timestamp,
    items: Vec<Value>,
    result: Option<Value>,
}

impl World {
    /// SKUs of every product of a finished import.
    pub fn products(&self) -> BTreeSet<&str> {
        self.products.known.keys().map(String::as_str).collect()
    }

    /// From now on imports end with this status, and each product with this state: Kaspi documents neither.
    pub fn set_import_words(&mut self, status: &str, state: &str) {
        self.products.words = Some((status.to_owned(), state.to_owned()));
    }

    /// Refuses requests without the headers the product endpoints need, which differ from the orders'.
    pub(super) fn refuse_products(request: &Request, kind: EndpointKind) -> Option<Reply> {
        let has = |name, wanted: &str| {
            let value = request.header(name).unwrap_or_default();
            value.split([',', ';']).any(|part| part.trim() == wanted)
        };
        if !has("accept", "application/json") {
            return Some(Reply::error(406, "Accept must be application/json"));
        }
        if kind == EndpointKind::Import && !has("content-type", "text/plain") {
            return Some(Reply::error(415, "Content-Type must be text/plain"));
        }
        None
    }

    pub(super) fn read_products(
        &mut self,
        now: Timestamp,
        request: &Request,
        call: &Call,
    ) -> Reply {
        self.products.finish_due(now);
        let parameter = |name| request.parameter(name).unwrap_or_default();
        let category = parameter("c");
        let of_category = matches!(
            call.kind,
            EndpointKind::Attributes | EndpointKind::AttributeValues
        );
        if of_category && category.is_empty() {
            return Reply::error(400, "Required parameter c is empty.");
        }
        let is_known = CATEGORIES.iter().any(|(code, _)| *code == category);
        let found = match call.kind {
            EndpointKind::Categories => Some(named(CATEGORIES, "title")),
            EndpointKind::Attributes => is_known.then(attributes),
            EndpointKind::AttributeValues => {
                let of = parameter("a");
                let values = VALUES
                    .into_iter()
                    .filter(|(attribute, ..)| *attribute == of);
                let exists = ATTRIBUTES.iter().any(|(code, ..)| *code == of);
                (is_known && exists)
                    .then(|| named(values.map(|(_, code, name)| (code, name)), "name"))
            }
            EndpointKind::ImportSchema => Some(schema()),
            EndpointKind::ImportState => self.products.state(parameter("i")),
            EndpointKind::ImportResult => self.products.result(parameter("i")),
            _ => None,
        };
        found.map_or_else(
            || Reply::error(404, "Not Found"),
            |body| Reply::json(200, &body),
        )
    }

    pub(super) fn take_products(&mut self, now: Timestamp, request: &Request, when: When) -> Reply {
        let items = match serde_json::from_slice(&request.body) {
            Ok(Value::Array(items)) if (1..=PRODUCTS_MAX).contains(&items.len()) => items,
            _ => return Reply::error(400, "Body must be a JSON array of 1 to 10000 products"),
        };
        self.products.finish_due(now);
        self.products.numbered += 1;
        let code = format!("IMPORT-{}", self.products.numbered);
        let late = if when == When::Later {
            self.settings.late_by
        } else {
            Duration::default()
        };
        let takes = self.settings.import_takes + late;
        let done_at = now.saturating_add(takes).unwrap_or(now);
        if when != When::Never {
            let import = Import {
                done_at,
                items,
                result: None,
            };
            self.products.imports.insert(code.clone(), import);
        }
        Reply::json(200, &json!({"code": code, "status": "UPLOADED"}))
    }
}

impl Products {
    /// Finishes the imports due by `now`, in the order they were sent.
    fn finish_due(&mut self, now: Timestamp) {
        let due = |import: &&mut Import| import.result.is_none() && import.done_at <= now;
        for import in self.imports.values_mut().filter(due) {
            let items = std::mem::take(&mut import.items);
            let mut results = serde_json::Map::new();
            let (mut errors, mut skipped) = (0, 0);
            for item in &items {
                let sku = item["sku"].as_str().unwrap_or_default().to_owned();
                let wrong = mistakes(item);
                let outcome = if !wrong.is_empty() {
                    errors += 1;
                    json!({"state": "ERROR", "errors": wrong})
                } else if self.known.get(&sku) == Some(item) {
                    skipped += 1;
                    json!({"state": "SKIPPED"})
                } else if self.known.insert(sku.clone(), item.clone()).is_some() {
                    json!({"state": "UPDATED"})
                } else {
                    json!({"state": "CREATED"})
                };
                let outcome = match &self.words {
                    Some((_, state)) => json!({ "state": state }),
                    None => outcome,
                };
                results.insert(sku, outcome);
            }
            import.result = Some(json!({"errors": errors, "warnings": 0, "skipped": skipped,
                "total": items.len(), "result": results}));
        }
    }

    fn state(&self, code: &str) -> Option<Value> {
        let import = self.imports.get(code)?;
        let finished = self.words.as_ref().map(|(status, _)| status.as_str());
        let status = if import.result.is_some() {
            finished.unwrap_or("FINISHED")
        } else {
            "UPLOADED"
        };
        Some(json!({"code": code, "status": status}))
    }

    fn result(&self, code: &str) -> Option<Value> {
        self.imports.get(code)?.result.clone()
    }
}

/// The mistakes Kaspi finds in one product.
fn mistakes(item: &Value) -> Vec<Value> {
    let mut wrong = Vec::new();
    let mut add = |field: &str, message: String| {
        wrong.push(json!({"field": field, "message": message}));
    };
    for field in ["sku", "title", "brand"] {
        if item[field].as_str().is_none_or(str::is_empty) {
            add(field, "обязательное поле".to_owned());
        }
    }
    let category = item["category"].as_str().unwrap_or_default();
    if !CATEGORIES.iter().any(|(code, _)| *code == category) {
        add("category", format!("категория {category} не найдена"));
    }
    if item["images"].as_array().is_none_or(Vec::is_empty) {
        add("images", "нужно изображение".to_owned());
    }
    let given = item["attributes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for (code, kind, _, mandatory) in ATTRIBUTES {
        let value = given
            .iter()
            .find(|one| one["code"] == code)
            .map(|one| &one["value"]);
        let Some(value) = value else {
            if mandatory {
                add(code, "обязательный атрибут не заполнен".to_owned());
            }
            continue;
        };
        let values = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        let fits = |value: &Value| match kind {
            "enum" => VALUES
                .iter()
                .any(|(of, known, _)| *of == code && value == known),
            "boolean" => value.is_boolean(),
            _ => value.is_number(),
        };
        if !values.iter().all(fits) {
            add(code, format!("недопустимое значение {value}"));
        }
    }
    wrong
}

fn named<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>, title: &str) -> Value {
    all.into_iter()
        .map(|(code, name)| json!({"code": code, title: name}))
        .collect()
}

fn attributes() -> Value {
    ATTRIBUTES
        .map(|(code, kind, multi, mandatory)| {
            json!({"code": code, "type": kind, "multiValued": multi, "mandatory": mandatory})
        })
        .into_iter()
        .collect()
}

fn schema() -> Value {
    let text = |max: u32| json!({"type": "string", "maxLength": max});
    json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "array",
        "minItems": 1, "maxItems": PRODUCTS_MAX, "items": {"type": "object",
        "required": ["sku", "title", "brand", "category", "attributes", "images"],
        "properties": {"sku": text(64), "title": text(1024), "brand": text(256),
            "category": {"type": "string", "pattern": "^Master - "},
            "attributes": {"type": "array", "minItems": 1, "maxItems": 256},
            "images": {"type": "array", "minItems": 1}}}})
}
