//! Which products a file holds, whatever its layout: the order of products, fields and attributes, white space and
//! escapes do not count.

use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

use crate::text::hex;

/// A digest of the products of a checked file.
pub fn digest(body: &[u8]) -> Result<String, serde_json::Error> {
    let mut products: Vec<Value> = serde_json::from_slice(body)?;
    for product in &mut products {
        if let Some(attributes) = product.get_mut("attributes").and_then(Value::as_array_mut) {
            attributes.sort_by_key(|attribute| attribute["code"].to_string());
        }
        plain_numbers(product);
    }
    products.sort_by_key(|product| product["sku"].to_string());
    // Fields of an object are written in the order of their names.
    let text = Value::Array(products).to_string();
    Ok(hex(&Sha256::digest(text)))
}

/// Writes 1.0 and 1 alike.
fn plain_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let plain = number.as_f64().and_then(Number::from_f64);
            *number = plain.unwrap_or_else(|| number.clone());
        }
        Value::Array(values) => values.iter_mut().for_each(plain_numbers),
        Value::Object(fields) => fields.values_mut().for_each(plain_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::digest;

    #[test]
    fn the_layout_of_a_file_does_not_count() {
        let one = r#"[{"sku":"A","title":"Чайник","weight":1.0,"attributes":[{"code":"b","value":[1,2]},{"code":"a","value":"x"}],
            "images":[{"url":"https://e.kz/1"},{"url":"https://e.kz/2"}]},{"sku":"B","title":"Т"}]"#;
        let same = r#"[ {"title":"Т", "sku":"B"}, {"images":[{"url":"https://e.kz/1"},{"url":"https://e.kz/2"}],
            "attributes":[{"value":"x","code":"a"},{"code":"b","value":[1,2]}], "weight":1, "sku":"\u0041",
            "title":"\u0427айник"}]"#;
        let of = |text: &str| digest(text.as_bytes()).unwrap();
        assert_eq!(of(one), of(same));
        for (from, to) in [
            ("Чайник", "чайник"),
            ("\"x\"", "\"y\""),
            ("1.0", "1.5"),
            ("[1,2]", "[1]"),
            ("e.kz/1", "e.kz/3"),
            ("\"B\"", "\"C\""),
        ] {
            assert_ne!(of(one), of(&one.replace(from, to)), "{from} to {to}");
        }
    }
}
