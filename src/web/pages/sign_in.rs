//! Signing in by a link, signing out, and the language of the pages.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::super::guard::note_wrong;
use super::super::{Shared, body};
use super::door::Visit;
use super::form;
use super::page::{Page, failed, html, message, see};
use crate::domain::session::EndedBy;
use crate::lang::Lang;
use crate::ledger::Secret;
use crate::net::{self, Peer};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    page: Page,
    name: String,
}

/// `GET /sign-in/SECRET`: a button. A link preview that fetches the page does not use the link up.
pub(super) async fn ask(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    Path(secret): Path<String>,
) -> Response {
    let now = shared.clock.now();
    let Some(secret) = Secret::shown(&secret) else {
        return refuse(&shared, &visit).await;
    };
    match shared.store.link_shown(&secret, now).await {
        Err(error) => failed(&visit, &error),
        Ok(None) => refuse(&shared, &visit).await,
        Ok(Some(user)) => {
            let template = SignIn {
                page: Page::plain(&visit, "web-sign-in"),
                name: user.name,
            };
            html(StatusCode::OK, &template)
        }
    }
}

async fn refuse(shared: &Shared, visit: &Visit) -> Response {
    note_wrong(shared, visit.client).await;
    message(visit, StatusCode::GONE, "web-link-ended")
}

/// `POST /sign-in/SECRET`: uses the link up, and begins a session.
pub(super) async fn sign_in(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Response {
    let is_empty = body::read(sent, &headers, &peer, 0).await.is_ok();
    if !is_empty || !visit.is_from_our_origin(&headers) {
        return message(&visit, StatusCode::FORBIDDEN, "web-not-our-form");
    }
    let (Some(link), Ok(bytes)) = (Secret::shown(&secret), net::random_bytes()) else {
        return refuse(&shared, &visit).await;
    };
    let (new, now) = (Secret::of(&bytes), shared.clock.now());
    match shared.store.sign_in(&link, &new, visit.client, now).await {
        Err(error) => failed(&visit, &error),
        Ok(None) => refuse(&shared, &visit).await,
        Ok(Some(_)) => with_cookie(see("/"), &visit.cookie(Some(&new))),
    }
}

fn with_cookie(mut answer: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// `POST /sign-out`
pub(super) async fn sign_out(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    sent: Body,
) -> Response {
    let (visitor, _) = match form::read(&visit, (&headers, &peer), sent).await {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let now = shared.clock.now();
    let (id, by) = (visitor.session.id, &visitor.actor);
    let ended = shared.store.end_session(id, EndedBy::SignedOut, by, now);
    match ended.await {
        Err(error) => failed(&visit, &error),
        Ok(_) => with_cookie(see("/"), &visit.cookie(None)),
    }
}

/// `POST /language`: keeps the language with the session.
pub(super) async fn language(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    sent: Body,
) -> Response {
    let (visitor, fields) = match form::read(&visit, (&headers, &peer), sent).await {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let code = fields.get("lang").unwrap_or_default();
    if let Some(lang) = Lang::ALL.into_iter().find(|lang| lang.code() == code) {
        let set = shared
            .store
            .set_session_language(visitor.session.id, lang.code());
        if let Err(error) = set.await {
            return failed(&visit, &error);
        }
    }
    see(own_path(fields.get("back").unwrap_or_default()))
}

/// A path of ours; anything else is the first page.
pub(super) fn own_path(path: &str) -> &str {
    let is_own = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains(['\\', '\r', '\n'])
        && path.is_ascii();
    if is_own { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn a_form_leads_to_pages_of_ours_alone() {
        assert_eq!(own_path("/waiting?page=2"), "/waiting?page=2");
        for other in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nb",
        ] {
            assert_eq!(own_path(other), "/", "{other}");
        }
    }
}
