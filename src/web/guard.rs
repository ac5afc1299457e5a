//! Who may ask at all: one `Host` that is ours, a client within its limits, then one door each for programs, with a
//! token, and for people, with a session (`src/web/pages/door.rs`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::answer::Answer;
use super::limits::{Kind, WRONG_DELAY, is_slow};
use super::pages::door;
use super::{PER_CLIENT_MAX, Shared};
use crate::config::Web;
use crate::domain::people::Actor;
use crate::events::log_event;
use crate::net::{Network, Peer, is_loopback_host, protect};

/// What a page may load and do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Where people reach it by HTTPS, they always do.
const HSTS: &str = "max-age=31536000";

/// Who asks: their token was good.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) actor: Arc<Actor>,
    /// The id of the token.
    token: Arc<str>,
}

impl Caller {
    /// Counts a request of theirs.
    pub(super) fn take(&self, shared: &Shared, kind: Kind) -> Result<(), Answer> {
        shared.limits.take(&self.token, kind).map_err(|wait| {
            let what = match kind {
                Kind::Read => "more than 10 reads a second",
                Kind::Write => "more than 1 write a second",
            };
            Answer::problem(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", what).after(wait)
        })
    }
}

/// Checks a request, and gives every answer its headers.
pub(super) async fn check(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let answer = match admit(&shared, &mut request) {
        Err(answer) => (*answer).into_response(),
        Ok((client, _of_client)) if is_for_programs(request.uri().path()) => {
            match caller(&shared, request.headers(), client).await {
                Err(answer) => (*answer).into_response(),
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    next.run(request).await
                }
            }
        }
        Ok((client, _of_client)) => door::enter(&shared, client, request, next).await,
    };
    with_headers(answer, shared.loaded.config.web.is_https())
}

fn with_headers(mut answer: Response, is_https: bool) -> Response {
    let headers = answer.headers_mut();
    protect(headers, POLICY);
    if is_https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static(HSTS),
        );
    }
    answer
}

pub(super) fn is_for_programs(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// Lets a request of a client come to its door; what it holds while it runs counts against the client.
fn admit(
    shared: &Shared,
    request: &mut Request,
) -> Result<(IpAddr, Option<crate::net::OfClient>), Box<Answer>> {
    let peer = request.extensions().get::<ConnectInfo<Peer>>().cloned();
    let Some(ConnectInfo(peer)) = peer else {
        return Err(Box::new(Answer::bad_request("no connection")));
    };
    peer.has_asked();
    check_host(request, &shared.loaded.config.web)?;
    let proxies = &shared.proxies;
    let is_proxy = is_one_of(proxies, peer.address.ip());
    let client = client(request.headers(), peer.address.ip(), proxies);
    let of_client = if is_proxy {
        let one = shared
            .limits
            .behind_proxy
            .one_more(client, PER_CLIENT_MAX)
            .ok_or_else(|| {
                let what = "too many requests of one client at once";
                let problem =
                    Answer::problem(StatusCode::TOO_MANY_REQUESTS, "too-many-connections", what);
                Box::new(problem.after(1))
            })?;
        Some(one)
    } else {
        None
    };
    Ok((client, of_client))
}

/// Exactly one `Host`: that of the public address, or loopback. Another one is a web page that reaches for us through a
/// browser, or a proxy that passes everything on.
fn check_host(request: &Request, web: &Web) -> Result<(), Box<Answer>> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Box::new(Answer::bad_request("send one Host header")));
    };
    let host = host.to_str().unwrap_or_default();
    let named_in_line = request
        .uri()
        .authority()
        .map(axum::http::uri::Authority::as_str);
    if is_ours(host, web) && named_in_line.is_none_or(|named| is_ours(named, web)) {
        return Ok(());
    }
    let what = "this is not the host that is asked for: see web.public_url";
    Err(Box::new(Answer::problem(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected",
        what,
    )))
}

fn is_ours(host: &str, web: &Web) -> bool {
    is_loopback_host(host) || is_public(host, web)
}

/// Whether it is the host of the public address.
pub(super) fn is_public(host: &str, web: &Web) -> bool {
    let Some((name, port)) = web.public_host() else {
        return false;
    };
    let host = host.to_lowercase();
    // The default port may be written, or not.
    let default = if web.is_https() { 443 } else { 80 };
    host == format!("{name}:{port}") || (port == default && host == name)
}

fn is_one_of(proxies: &[Network], address: IpAddr) -> bool {
    proxies.iter().any(|proxy| proxy.contains(address))
}

/// The client: the peer, or the last one that a trusted proxy names and that is no proxy itself.
fn client(headers: &HeaderMap, peer: IpAddr, proxies: &[Network]) -> IpAddr {
    if !is_one_of(proxies, peer) {
        return peer;
    }
    let named = headers.get_all("x-forwarded-for").iter();
    let named = named.filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = named.flat_map(|value| value.split(',')).collect();
    for text in named.into_iter().rev() {
        let Ok(address) = text.trim().parse::<IpAddr>() else {
            return peer;
        };
        if !is_one_of(proxies, address) {
            return address.to_canonical();
        }
    }
    peer
}

/// Counts a wrong token, session or link of a client. After many, each answer is delayed.
pub(super) async fn note_wrong(shared: &Shared, client: IpAddr) {
    let count = shared.limits.note_wrong(client);
    if count == 1 || (is_slow(count) && !is_slow(count - 1)) {
        log_event!(
            API_REFUSED,
            peer = client.to_string(),
            count,
            "a request carried a token, session or link that lets nobody in"
        );
    }
    if is_slow(count) {
        shared.clock.sleep(WRONG_DELAY).await;
    }
}

/// Whose token it is.
async fn caller(
    shared: &Shared,
    headers: &HeaderMap,
    client: IpAddr,
) -> Result<Caller, Box<Answer>> {
    let unauthenticated = |detail: &str| {
        Box::new(Answer::problem(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            detail,
        ))
    };
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else {
        let what =
            "send one header `Authorization: Bearer qab_…` with a token of `qabyl token create`";
        return Err(unauthenticated(what));
    };
    let text = value.to_str().unwrap_or_default();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    let now = shared.clock.now();
    let found = shared.store.token_shown(token, now).await;
    let Some(found) = found.map_err(|error| Box::new(Answer::from(error)))? else {
        note_wrong(shared, client).await;
        let what = "the token is unknown, revoked or expired: `qabyl token list` shows which";
        return Err(unauthenticated(what));
    };
    if shared.limits.is_to_be_noted(&found.id) {
        let noted = shared.store.note_token_used(&found.id, now).await;
        noted.map_err(|error| Box::new(Answer::from(error)))?;
    }
    let actor = Actor::token(&found.name, &found.id, found.grants, client);
    Ok(Caller {
        actor: Arc::new(actor),
        token: found.id.into(),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::client;
    use crate::net::Network;

    #[test]
    fn what_is_forwarded_is_believed_from_a_proxy_alone() {
        let proxies: Vec<Network> =
            vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let of = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            client(&headers, peer.parse().unwrap(), &proxies).to_string()
        };
        assert_eq!(of("8.8.8.8", &["1.2.3.4"]), "8.8.8.8");
        assert_eq!(of("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(of("127.0.0.1", &["1.2.3.4"]), "1.2.3.4");
        // What the client wrote itself comes first, what proxies add after it.
        assert_eq!(
            of("127.0.0.1", &["6.6.6.6, 1.2.3.4", "10.1.1.1"]),
            "1.2.3.4"
        );
        assert_eq!(of("127.0.0.1", &["1.2.3.4, nonsense"]), "127.0.0.1");
    }
}
