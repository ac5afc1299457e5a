//! "Settings": who comes in and by what, when it was last used, and an end to it.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::super::Shared;
use super::door::Visit;
use super::form;
use super::page::{Page, clock, failed, message, screen, see};
use crate::domain::people::{Grants, Refusal};
use crate::domain::session::EndedBy;
use crate::lang::Lang;
use crate::net::Peer;
use crate::store::StoreError;
use crate::text::shown;

struct Row {
    id: String,
    name: String,
    roles: String,
    used: String,
    /// Whether it is the one that asks.
    is_own: bool,
    is_ended: bool,
}

struct Channel {
    name: String,
    state: String,
    is_failing: bool,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    page: Page,
    /// Whether others are shown, and may be ended.
    manages: bool,
    sessions: Vec<Row>,
    users: Vec<Row>,
    tokens: Vec<Row>,
    channels: Vec<Channel>,
}

/// `GET /settings`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
) -> Response {
    screen(&visit, settings(&shared, &visit).await)
}

fn roles(lang: Lang, grants: &Grants) -> String {
    let words = grants.0.iter().map(|grant| {
        let role = lang.word(&format!("web-role-{}", grant.role.as_str()));
        match &grant.shop {
            Some(shop) => format!("{role} ({shop})"),
            None => role,
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

async fn settings(shared: &Shared, visit: &Visit) -> Result<Settings, StoreError> {
    let (lang, now, store) = (visit.lang, shared.clock.now(), &shared.store);
    let visitor = visit.visitor.as_ref();
    let manages = visitor.is_some_and(|visitor| visitor.actor.manages_people());
    let own = visitor.map(|visitor| (visitor.session.id, visitor.session.user.id));
    let mut sessions = Vec::new();
    for session in store.sessions(now).await? {
        let is_own_user = own.is_some_and(|(_, user)| user == session.user.id);
        if manages || is_own_user {
            sessions.push(Row {
                id: session.id.to_string(),
                name: shown(&session.user.name, 64),
                roles: roles(lang, &session.user.grants),
                used: clock(session.last_used_at, now),
                is_own: own.is_some_and(|(id, _)| id == session.id),
                is_ended: false,
            });
        }
    }
    let (mut users, mut tokens, mut channels) = (Vec::new(), Vec::new(), Vec::new());
    if manages {
        users.extend(store.users().await?.into_iter().map(|user| Row {
            id: String::new(),
            name: shown(&user.name, 64),
            roles: roles(lang, &user.grants),
            used: String::new(),
            is_own: own.is_some_and(|(_, id)| id == user.id),
            is_ended: user.disabled_at.is_some(),
        }));
        tokens.extend(store.tokens().await?.into_iter().map(|token| {
            Row {
                is_ended: !token.is_live(now),
                name: shown(&token.name, 64),
                roles: roles(lang, &token.grants),
                used: token
                    .last_used_at
                    .map_or_else(|| lang.word("web-never"), |at| clock(at, now)),
                is_own: false,
                id: token.id,
            }
        }));
        let configured = &shared.loaded.config.channels;
        let states = store.channels().await?.into_iter();
        let states =
            states.filter(|state| configured.iter().any(|channel| channel.name == state.name));
        channels.extend(states.map(|state| {
            let key = if state.failures > 0 {
                "web-channel-failing"
            } else {
                "web-channel-ok"
            };
            Channel {
                name: shown(&state.name, 64),
                state: lang.text(key, &[("count", state.delivered.into())]),
                is_failing: state.failures > 0,
            }
        }));
    }
    Ok(Settings {
        page: Page::of(shared, visit, ("settings", "web-nav-settings")).await?,
        manages,
        sessions,
        users,
        tokens,
        channels,
    })
}

/// `POST /settings/sessions/ID` and `POST /settings/tokens/ID`: ends it.
pub(super) async fn end(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
    sent: Body,
) -> Response {
    let (visitor, _) = match form::read(&visit, (&headers, &peer), sent).await {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let (now, by) = (shared.clock.now(), &visitor.actor);
    let ended = match (kind.as_str(), id.parse::<i64>()) {
        ("sessions", Ok(session)) => {
            let ended = shared.store.end_session(session, EndedBy::Revoked, by, now);
            ended.await.map(|_| ())
        }
        ("tokens", _) => shared.store.revoke_tokens(&id, by, now).await.map(|_| ()),
        _ => return message(&visit, StatusCode::NOT_FOUND, "web-not-found"),
    };
    match ended {
        Ok(()) | Err(StoreError::Refused(_)) => see("/settings"),
        Err(StoreError::NotTaken(Refusal::NotAllowed(_))) => {
            message(&visit, StatusCode::FORBIDDEN, "web-refused-role")
        }
        Err(error) => failed(&visit, &error),
    }
}
