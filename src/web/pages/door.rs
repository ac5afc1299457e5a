//! The door for people: a session in a cookie. Without one there is a page that says how to sign in.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::super::Shared;
use super::super::guard::{is_public, note_wrong};
use super::page;
use crate::domain::people::Actor;
use crate::domain::session::UNUSED_MAX;
use crate::lang::Lang;
use crate::ledger::Secret;
use crate::mutant::mutant;
use crate::store::{Session, StoreError};

/// A user who is signed in.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(super) actor: Arc<Actor>,
    pub(super) session: Arc<Session>,
    /// What the forms of the session carry.
    pub(super) form_token: Arc<str>,
}

/// A request of a browser.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(super) client: IpAddr,
    pub(super) lang: Lang,
    /// Scheme, host and port by which the browser came: forms that come from elsewhere change nothing.
    origin: Arc<str>,
    /// Whether the way from the browser is encrypted: its cookie has another name.
    is_secure: bool,
    pub(super) visitor: Option<Visitor>,
    /// The path that was asked for.
    pub(super) path: Arc<str>,
}

impl Visit {
    fn of(shared: &Shared, client: IpAddr, request: &Request) -> Self {
        let web = &shared.loaded.config.web;
        let host = request.headers().get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let host = host.to_lowercase();
        let is_public = is_public(&host, web);
        let origin = if is_public {
            web.public_url.to_lowercase()
        } else {
            format!("http://{host}")
        };
        let asked = request.uri().query().and_then(asked_language);
        Self {
            client,
            lang: asked
                .or_else(|| accepted_language(request.headers()))
                .unwrap_or(Lang::Ru),
            origin: without_default_port(&origin).into(),
            is_secure: is_public && web.is_https(),
            visitor: None,
            path: request.uri().path().into(),
        }
    }

    /// The name of the cookie. With this prefix a browser takes it from this host by HTTPS alone.
    const fn cookie_name(&self) -> &'static str {
        if self.is_secure {
            "__Host-qabyl"
        } else {
            "qabyl"
        }
    }

    /// Sets the cookie of a session, or, without one, removes it.
    pub(super) fn cookie(&self, secret: Option<&Secret>) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let age = if secret.is_some() {
            UNUSED_MAX.as_secs()
        } else {
            0
        };
        let value = secret.map_or("", Secret::text);
        format!(
            "{}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}",
            self.cookie_name()
        )
    }

    /// The secret in the one cookie of this name.
    fn secret(&self, headers: &HeaderMap) -> Option<Secret> {
        let all = headers.get_all(header::COOKIE).iter();
        let all = all.filter_map(|value| value.to_str().ok());
        let mut named = all
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.cookie_name());
        match (named.next(), named.next()) {
            (Some((_, value)), None) => Secret::shown(value),
            _ => None,
        }
    }

    /// Whether a form was sent by one of our pages: browsers say from which page a request comes.
    pub(super) fn is_from_our_page(&self, headers: &HeaderMap) -> bool {
        self.is_from_our_origin(headers) && headers.contains_key("sec-fetch-site")
    }

    /// The same of a program that states the origin alone.
    pub(super) fn is_from_our_origin(&self, headers: &HeaderMap) -> bool {
        let is_only = |name: &str, wanted: &str| {
            let all: Vec<_> = headers.get_all(name).iter().collect();
            matches!(&all[..], [value] if value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
        };
        let site = "sec-fetch-site";
        (is_only("origin", &self.origin) || mutant("r17_other_origin_decides"))
            && (!headers.contains_key(site) || is_only(site, "same-origin"))
    }
}

fn without_default_port(origin: &str) -> &str {
    let port = if origin.starts_with("https:") {
        ":443"
    } else {
        ":80"
    };
    origin.strip_suffix(port).unwrap_or(origin)
}

fn asked_language(query: &str) -> Option<Lang> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, code) = pairs.find(|(name, _)| *name == "lang")?;
    Lang::ALL.into_iter().find(|lang| lang.code() == code)
}

/// The first language of the browser that is ours.
fn accepted_language(headers: &HeaderMap) -> Option<Lang> {
    let accepted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    accepted
        .split(',')
        .find_map(|one| Lang::of_locale(one.split(';').next()?.trim()))
}

/// Whether a page is shown without a session.
fn is_open(path: &str) -> bool {
    path == "/favicon.ico" || path.starts_with("/assets/") || path.starts_with("/sign-in/")
}

/// Lets a request of a browser in.
pub(crate) async fn enter(
    shared: &Shared,
    client: IpAddr,
    mut request: Request,
    next: Next,
) -> Response {
    let mut visit = Visit::of(shared, client, &request);
    let secret = visit.secret(request.headers());
    let mut used = None;
    if let Some(secret) = &secret {
        match visitor(shared, client, secret).await {
            Err(error) => return page::failed(&visit, &error),
            Ok(None) => {}
            Ok(Some((visitor, is_noted))) => {
                let chosen = visitor.session.language.as_deref();
                let has_asked = request.uri().query().and_then(asked_language).is_some();
                if let Some(lang) = chosen.and_then(Lang::of_locale).filter(|_| !has_asked) {
                    visit.lang = lang;
                }
                used = is_noted.then_some(secret);
                visit.visitor = Some(visitor);
            }
        }
    }
    if visit.visitor.is_none() && !is_open(request.uri().path()) {
        if secret.is_some() {
            note_wrong(shared, client).await;
        }
        return outside(&visit, &request);
    }
    let cookie = used.map(|secret| visit.cookie(Some(secret)));
    request.extensions_mut().insert(visit);
    let mut answer = next.run(request).await;
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok())
        && !answer.headers().contains_key(header::SET_COOKIE)
    {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// What a request without a session gets. A link on another site arrives without the cookie, which is strict: a page of
/// ours follows the link once more.
fn outside(visit: &Visit, request: &Request) -> Response {
    let site = request.headers().get("sec-fetch-site");
    let is_from_elsewhere = site.is_some_and(|site| site == "cross-site" || site == "same-site");
    let target = request.uri().path_and_query().map(ToString::to_string);
    let target = target.filter(|target| !target.starts_with("//"));
    match target {
        Some(target) if is_from_elsewhere && request.method() == Method::GET => {
            page::go_on(visit, &target)
        }
        _ if request.uri().path() == "/events" => StatusCode::UNAUTHORIZED.into_response(),
        _ => page::message(visit, StatusCode::UNAUTHORIZED, "web-signed-out"),
    }
}

/// Whose session it is, and whether its use was noted just now.
async fn visitor(
    shared: &Shared,
    client: IpAddr,
    secret: &Secret,
) -> Result<Option<(Visitor, bool)>, StoreError> {
    let now = shared.clock.now();
    let Some(session) = shared.store.session_shown(secret, now).await? else {
        return Ok(None);
    };
    let is_to_be_noted = shared
        .limits
        .is_to_be_noted(&format!("session {}", session.id));
    if is_to_be_noted {
        shared.store.note_session_used(session.id, now).await?;
    }
    let user = &session.user;
    let actor = Actor::user(
        (user.id, &user.name),
        session.id,
        user.grants.clone(),
        client,
    );
    let visitor = Visitor {
        actor: Arc::new(actor),
        form_token: secret.form_token().into(),
        session: Arc::new(session),
    };
    Ok(Some((visitor, is_to_be_noted)))
}
