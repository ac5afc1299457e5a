use serde_json::{Value, json};

use super::*;

fn product(sku: &str) -> Value {
    json!({"sku": sku, "title": "Т", "brand": "Б", "category": "Master - Test",
        "attributes": [{"code": "color", "value": "red"}], "images": [{"url": "https://e.kz/1.jpg"}]})
}

fn mistakes(products: &Value) -> Vec<(usize, String)> {
    let text = serde_json::to_string_pretty(products).unwrap();
    let found = check(text.as_bytes()).err().unwrap_or_default();
    found
        .iter()
        .map(|one| (one.line, one.to_string()))
        .collect()
}

/// One product with one field changed has exactly this mistake.
fn wrong(field: &str, value: Value, message: &str) {
    let mut one = product("A");
    one[field] = value;
    let found = mistakes(&json!([one]));
    let [(_, only)] = found.as_slice() else {
        panic!("{field}: {found:?}");
    };
    assert!(only.starts_with("A: ") && only.contains(message), "{only}");
}

#[test]
fn the_limits_are_those_of_the_schema() {
    let long = |chars| json!("я".repeat(chars));
    for (field, max) in [("title", 1024), ("brand", 256)] {
        let mut one = product("A");
        one[field] = long(max);
        assert_eq!(mistakes(&json!([one])), [], "{field}");
        wrong(field, long(max + 1), &max.to_string());
    }
    assert_eq!(mistakes(&json!([product(&"s".repeat(64))])), []);
    assert_eq!(mistakes(&json!([product(&"s".repeat(65))])).len(), 1);
    wrong("category", json!("Чайники"), "catalog categories");
    wrong("images", json!([]), "1 or more");
    wrong("images", json!([{"url": "file:///x"}]), "images[0].url");
    wrong("attributes", json!([]), "1 to 256");
    wrong(
        "attributes",
        json!([{"code": "a", "value": null}]),
        "attributes[0].value",
    );
    let many: Vec<_> = (0..257)
        .map(|n| json!({"code": n.to_string(), "value": 1}))
        .collect();
    wrong("attributes", json!(many), "has 257");
    wrong("weight", json!(-1), "weight");
    wrong("brand", json!(7), "expected a string");
    let crowd = |many: usize| Value::Array((0..many).map(|n| product(&n.to_string())).collect());
    assert_eq!(mistakes(&crowd(PRODUCTS_MAX)), []);
    assert_eq!(mistakes(&crowd(PRODUCTS_MAX + 1)).len(), 1);
    assert_eq!(mistakes(&json!([])).len(), 1);
}

#[test]
fn every_mistake_is_reported_with_its_line() {
    let text = b"[\n {\"sku\":\"A\",\n  \"title\":\"\"},\n {\"title\":7},\n 5\n]";
    let found = check(text).unwrap_err();
    let reported: Vec<_> = found
        .iter()
        .map(|one| (one.line, one.to_string()))
        .collect();
    let has = |line, words: &str| reported.contains(&(line, words.to_owned()));
    assert!(has(3, "A: title: is empty"), "{reported:?}");
    assert!(
        has(2, "A: brand: is missing") && has(2, "A: images: is missing"),
        "{reported:?}"
    );
    assert!(has(4, "product 2: sku: is missing"), "{reported:?}");
    assert!(has(5, "product 3: expected an object"), "{reported:?}");
    let twice = mistakes(&json!([product("A"), product("B"), product("A")]));
    assert_eq!(twice.len(), 1);
    assert!(twice[0].1.contains("SKU of product 1"), "{twice:?}");
}

#[test]
fn the_body_is_the_file_without_its_byte_order_mark() {
    let text = json!([product("A"), product("B")]).to_string();
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let products = check(&marked).unwrap();
    assert_eq!((products.skus.len(), products.body), (2, text.into_bytes()));
    assert_eq!(check(b"[\n\xff]").unwrap_err()[0].line, 2);
    assert_eq!(check(b"{}").unwrap_err().len(), 1);
    assert!(check(b"[1] [2]").is_err());
}
