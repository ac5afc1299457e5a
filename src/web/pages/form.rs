//! A form that a page of ours sends: what must come with it before anything changes.

use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;

use super::super::body;
use super::door::{Visit, Visitor};
use super::page;
use crate::net::Peer;
use crate::text::is_same_secret;

/// Largest form: a comment is its longest part.
const FORM_MAX: usize = 16 * 1024;
/// Largest form with rules: a query of an address is not longer either.
pub(super) const RULES_MAX: usize = 60 * 1024;

/// The fields of a form.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(found, _)| found == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// All values of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(found, _)| found == name);
        named.map(|(_, value)| value.as_str())
    }
}

/// Reads a form of a user who is signed in. A form that another site may have sent is refused for every user.
pub(super) async fn read<'v>(
    visit: &'v Visit,
    from: (&HeaderMap, &Peer),
    sent: Body,
) -> Result<(&'v Visitor, Fields), Box<Response>> {
    read_at_most(visit, from, sent, FORM_MAX).await
}

/// As [`read`], of at most so many bytes.
pub(super) async fn read_at_most<'v>(
    visit: &'v Visit,
    (headers, peer): (&HeaderMap, &Peer),
    sent: Body,
    bytes_max: usize,
) -> Result<(&'v Visitor, Fields), Box<Response>> {
    let refused = || {
        Box::new(page::message(
            visit,
            StatusCode::FORBIDDEN,
            "web-not-our-form",
        ))
    };
    let Some(visitor) = &visit.visitor else {
        return Err(refused());
    };
    if !visit.is_from_our_page(headers) {
        return Err(refused());
    }
    let is_form = body::kind(headers).as_deref() == Some("application/x-www-form-urlencoded");
    let bytes = body::read(sent, headers, peer, bytes_max).await;
    let Ok(bytes) = bytes else {
        return Err(Box::new(page::message(
            visit,
            StatusCode::PAYLOAD_TOO_LARGE,
            "web-too-large",
        )));
    };
    let fields = is_form
        .then(|| parse(&bytes))
        .flatten()
        .ok_or_else(refused)?;
    let token = fields.get("token").unwrap_or_default();
    if !is_same_secret(token.as_bytes(), visitor.form_token.as_bytes()) {
        return Err(refused());
    }
    Ok((visitor, fields))
}

/// A form is written as the query of an address is.
fn parse(bytes: &[u8]) -> Option<Fields> {
    let text = std::str::from_utf8(bytes).ok()?;
    let uri: Uri = format!("/?{text}").parse().ok()?;
    let Query(fields) = Query::try_from_uri(&uri).ok()?;
    Some(Fields(fields))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn fields_are_decoded_and_may_come_several_times() {
        let form = parse("a=1+2&b=%D0%B4&a=%26".as_bytes()).unwrap();
        assert_eq!(form.get("a"), Some("1 2"));
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1 2", "&"]);
        assert_eq!(form.get("b"), Some("д"));
        assert_eq!(form.get("c"), None);
        assert!(parse(b"a=\xff").is_none());
    }
}
