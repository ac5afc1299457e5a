//! The document of the API is what it answers: each route, status and body of the tests is held to it.

use serde_json::Value;

use super::{Api, Ask, Said};

fn document() -> Value {
    serde_json::from_str(qabyl::web::OPENAPI).unwrap()
}

/// The path of the document that a request's path is of.
fn template<'d>(document: &'d Value, path: &str) -> Option<&'d Value> {
    let path = path.split('?').next().unwrap();
    let parts: Vec<&str> = path.split('/').collect();
    let paths = document["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let own: Vec<&str> = template.split('/').collect();
        own.len() == parts.len()
            && own
                .iter()
                .zip(&parts)
                .all(|(own, part)| own == part || own.starts_with('{'))
    };
    // A path without a variable part goes first.
    let mut found: Vec<&String> = paths.keys().filter(|template| fits(template)).collect();
    found.sort_by_key(|template| template.matches('{').count());
    found.first().map(|template| &paths[*template])
}

/// Holds an answer to the document, and to the headers that every answer has.
pub(super) fn check(method: &str, path: &str, said: &Said) {
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cross-origin-opener-policy: same-origin",
        "cache-control: no-store",
    ] {
        assert!(said.head.contains(header), "{header} of {}", said.head);
    }
    assert!(
        !said.head.to_lowercase().contains("access-control"),
        "{}",
        said.head
    );
    assert!(
        !said.head.to_lowercase().contains("set-cookie"),
        "{}",
        said.head
    );
    let document = document();
    let Some(of_path) = template(&document, path) else {
        assert!([401, 404].contains(&said.status), "{path}: {}", said.status);
        return;
    };
    let operation = &of_path[method.to_lowercase()];
    if operation.is_null() {
        assert!([401, 405].contains(&said.status), "{method} {path}");
        return;
    }
    let response = &operation["responses"][said.status.to_string()];
    assert!(
        !response.is_null(),
        "{method} {path} answers {}, which is not documented: {}",
        said.status,
        said.body
    );
    let kind = said.header("content-type").unwrap_or_default();
    let schema = &response["content"][kind]["schema"];
    assert!(!schema.is_null(), "{method} {path} answers {kind}");
    fits(&document, schema, &said.body, "$");
}

/// Holds a value to a schema, as far as the document uses the language.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return fits(
            document,
            &document["components"]["schemas"][name],
            value,
            at,
        );
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let of = if value.is_null() { &any[1] } else { &any[0] };
        return fits(document, of, value, at);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_number = is == "integer" && types.contains(&"number");
    assert!(
        types.contains(&is) || is_number,
        "{at}: {value} is no {types:?}"
    );
    if let (Some(all), Some(word)) = (schema["enum"].as_array(), value.as_str()) {
        assert!(all.iter().any(|known| known == word), "{at}: {word}");
    }
    if schema["format"] == "date-time"
        && let Some(text) = value.as_str()
    {
        assert!(text.parse::<jiff::Timestamp>().is_ok(), "{at}: {text}");
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(document, &schema["items"], item, &format!("{at}[{number}]"));
    }
    let Some(object) = value
        .as_object()
        .filter(|_| schema["properties"].is_object())
    else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(object.contains_key(name), "{at}: {name} is missing");
    }
    for (name, member) in object {
        let of = &schema["properties"][name];
        assert!(!of.is_null(), "{at}: {name} is not documented");
        fits(document, of, member, &format!("{at}.{name}"));
    }
}

/// Every route of the document is there, lets nobody in without a token, and has the other methods refused.
#[tokio::test(flavor = "multi_thread")]
async fn every_documented_route_is_there_and_asks_for_a_token() {
    let api = Api::start("").await;
    let admin = api.token("crm", "admin").await;
    let document = document();
    let mut routes = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path
            .replace("{code}", "900000001")
            .replace("{source}", "shelf");
        for method in operations.as_object().unwrap().keys() {
            routes += 1;
            let line = format!("{} {path}", method.to_uppercase());
            let ask = |token| Ask {
                line: line.clone(),
                ..Ask::get("", token)
            };
            let said = api.ask(&ask("")).await.is(401);
            assert_eq!(said.header("www-authenticate"), Some("Bearer"), "{line}");
            let said = api.ask(&ask(&admin)).await;
            assert!(
                ![401, 405].contains(&said.status),
                "{line}: {}",
                said.status
            );
        }
        let other = Ask {
            line: format!("DELETE {path}"),
            ..Ask::get("", &admin)
        };
        api.ask(&other).await.is(405);
    }
    assert_eq!(routes, 10, "routes of the document");
    let said = api.ask(&Ask::get("openapi.json", &admin)).await.is(200);
    assert_eq!(said.body, document);
    api.ask(&Ask::get("nothing", &admin)).await.is(404);
    api.stop();
}
