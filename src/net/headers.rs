//! Headers of every answer that a browser may get from us.

use axum::http::{HeaderMap, HeaderValue, header};

/// Adds the headers that keep a page to itself; `policy` is its Content-Security-Policy.
pub fn protect(headers: &mut HeaderMap, policy: &'static str) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
