//! Checks a file of products against the limits of Kaspi's schema before it is sent (KASPI_API §7),
//! and reports all mistakes at once, each with its line, product and field.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::text::shown;

/// Most products in one import.
pub const PRODUCTS_MAX: usize = 10_000;
/// Most attributes of one product.
const ATTRIBUTES_MAX: usize = 256;
/// Text fields: name, longest value in characters, whether it is mandatory.
const TEXTS: [(&str, usize, bool); 5] = [
    ("sku", 64, true),
    ("title", 1024, true),
    ("brand", 256, true),
    ("category", usize::MAX, true),
    ("description", usize::MAX, false),
];
/// Every category's code begins with it.
const CATEGORY_PREFIX: &str = "Master - ";

/// A checked file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Products {
    /// The SKUs, in the file's order.
    pub skus: Vec<String>,
    /// The request's body.
    pub body: Vec<u8>,
}

/// One mistake in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// The product's SKU, or its position where it has none.
    pub product: Option<String>,
    /// Such as `images[1].url`.
    pub field: Option<String>,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.product, &self.field].into_iter().flatten() {
            write!(f, "{}: ", shown(part, usize::MAX))?;
        }
        f.write_str(&shown(&self.problem, usize::MAX))
    }
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Checks a file.
///
/// # Errors
/// All its mistakes.
pub fn check(bytes: &[u8]) -> Result<Products, Vec<Mistake>> {
    let whole = |line, problem: String| {
        let (product, field) = (None, None);
        let mistake = Mistake {
            line,
            product,
            field,
            problem,
        };
        vec![mistake]
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        whole(line_after(before), "is not UTF-8".to_owned())
    })?;
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        let problem = format!("expected a JSON list of products: {error}");
        whole(error.line().max(1), problem)
    })?;
    if items.is_empty() || items.len() > PRODUCTS_MAX {
        let problem = format!(
            "has {} products; Kaspi takes 1 to {PRODUCTS_MAX}",
            items.len()
        );
        return Err(whole(1, problem));
    }
    let mut mistakes = Mistakes {
        text,
        found: Vec::new(),
    };
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(items.len());
    let mut skus = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let Some(sku) = mistakes.product(place + 1, item) else {
            continue;
        };
        if let Some(first) = seen.get(&sku) {
            let problem = format!("is also the SKU of product {first}");
            mistakes.add(item, &sku, "sku", problem);
        } else {
            seen.insert(sku.clone(), place + 1);
            skus.push(sku);
        }
    }
    if mistakes.found.is_empty() {
        let body = bytes.to_vec();
        Ok(Products { skus, body })
    } else {
        Err(mistakes.found)
    }
}

fn line_after(before: &[u8]) -> usize {
    before.split(|byte| *byte == b'\n').count()
}

/// The mistakes found so far.
struct Mistakes<'a> {
    text: &'a str,
    found: Vec<Mistake>,
}

impl<'a> Mistakes<'a> {
    /// Adds a mistake at a piece of the text.
    fn add(&mut self, at: &RawValue, product: &str, field: &str, problem: impl Into<String>) {
        let offset = (at.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        self.found.push(Mistake {
            line: line_after(before),
            product: Some(product.to_owned()),
            field: (!field.is_empty()).then(|| field.to_owned()),
            problem: problem.into(),
        });
    }

    /// Checks one product and returns its SKU, if it has one.
    fn product(&mut self, place: usize, item: &'a RawValue) -> Option<String> {
        let named = format!("product {place}");
        let Some(fields) = read::<Fields<'_>>(item) else {
            self.add(item, &named, "", "expected an object");
            return None;
        };
        let sku = fields.get("sku").and_then(|sku| read::<String>(sku));
        let sku = sku.filter(|sku| !sku.trim().is_empty());
        let name = sku.clone().unwrap_or(named);
        for (field, chars_max, is_needed) in TEXTS {
            match fields.get(field) {
                Some(value) => self.text_field(value, (&name, field), chars_max),
                None if is_needed => self.add(item, &name, field, "is missing"),
                None => {}
            }
        }
        if let Some(weight) = fields.get("weight") {
            let number = read::<f64>(weight);
            let number = number.or_else(|| read::<String>(weight)?.trim().parse().ok());
            if !number.is_some_and(|number| number.is_finite() && number >= 0.0) {
                self.add(weight, &name, "weight", "expected a number, 0 or more");
            }
        }
        self.attributes(item, &fields, &name);
        self.images(item, &fields, &name);
        sku
    }

    fn text_field(&mut self, value: &RawValue, (name, field): (&str, &str), chars_max: usize) {
        let Some(text) = read::<String>(value) else {
            return self.add(value, name, field, "expected a string");
        };
        let chars = text.chars().count();
        if text.trim().is_empty() && field != "description" {
            self.add(value, name, field, "is empty");
        } else if chars > chars_max {
            let problem = format!("has {chars} characters; Kaspi takes {chars_max}");
            self.add(value, name, field, problem);
        } else if field == "category" && !text.starts_with(CATEGORY_PREFIX) {
            let problem = format!(
                "{text:?} is not a category code: those begin with {CATEGORY_PREFIX:?} (qabyl catalog categories)"
            );
            self.add(value, name, field, problem);
        }
    }

    /// The objects of a list, each with its field name; anything else in it is a mistake.
    fn list(
        &mut self,
        (item, fields): (&'a RawValue, &Fields<'a>),
        (name, field): (&str, &str),
        max: usize,
    ) -> Vec<(String, &'a RawValue, Fields<'a>)> {
        let Some(raw) = fields.get(field) else {
            self.add(item, name, field, "is missing");
            return Vec::new();
        };
        let Some(values) = read::<Vec<&'a RawValue>>(raw) else {
            self.add(raw, name, field, "expected a list");
            return Vec::new();
        };
        if values.is_empty() || values.len() > max {
            let most = if max == usize::MAX {
                "or more".to_owned()
            } else {
                format!("to {max}")
            };
            self.add(
                raw,
                name,
                field,
                format!("has {}; Kaspi takes 1 {most}", values.len()),
            );
        }
        let mut read_ones = Vec::new();
        for (place, value) in values.into_iter().enumerate() {
            let at = format!("{field}[{place}]");
            match read::<Fields<'a>>(value) {
                Some(fields) => read_ones.push((at, value, fields)),
                None => self.add(value, name, &at, "expected an object"),
            }
        }
        read_ones
    }

    fn attributes(&mut self, item: &'a RawValue, fields: &Fields<'a>, name: &str) {
        for (at, raw, attribute) in self.list((item, fields), (name, "attributes"), ATTRIBUTES_MAX)
        {
            match attribute.get("code") {
                None => self.add(raw, name, &format!("{at}.code"), "is missing"),
                Some(code) if read::<String>(code).is_none_or(|code| code.trim().is_empty()) => {
                    self.add(code, name, &format!("{at}.code"), "expected a string");
                }
                Some(_) => {}
            }
            match attribute.get("value") {
                None => self.add(raw, name, &format!("{at}.value"), "is missing"),
                Some(value) if value.get() == "null" || value.get().starts_with('{') => {
                    let problem = "expected a string, a number, true, false, or a list of these";
                    self.add(value, name, &format!("{at}.value"), problem);
                }
                Some(_) => {}
            }
        }
    }

    fn images(&mut self, item: &'a RawValue, fields: &Fields<'a>, name: &str) {
        for (at, raw, image) in self.list((item, fields), (name, "images"), usize::MAX) {
            let field = format!("{at}.url");
            let Some(url) = image.get("url") else {
                self.add(raw, name, &field, "is missing");
                continue;
            };
            let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
            if !read::<String>(url).as_ref().is_some_and(is_url) {
                self.add(
                    url,
                    name,
                    &field,
                    "expected a URL that begins with https://",
                );
            }
        }
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
#[path = "products_tests.rs"]
mod tests;
