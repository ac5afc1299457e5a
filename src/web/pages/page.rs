//! What stands around every page, and pages that say one thing.

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;

use super::super::{Shared, log_unanswered};
use super::door::Visit;
use crate::domain::calendar;
use crate::domain::people::Verb;
use crate::lang::{Arg, Lang};
use crate::pipeline::Ctx;
use crate::store::StoreError;

/// What stands around every page.
pub(super) struct Page {
    pub(super) lang: Lang,
    /// The key of its title.
    pub(super) title: String,
    /// The screen that is marked as the present one.
    pub(super) screen: &'static str,
    /// What forms carry; empty where nobody is signed in.
    pub(super) token: String,
    pub(super) user: String,
    /// Orders that wait for a person.
    pub(super) waiting: usize,
    /// When the orders were last listed: the time in Almaty, and whether that is too long ago.
    pub(super) listed: String,
    pub(super) is_late: bool,
    /// The address that the form for the language returns to.
    pub(super) back: String,
}

impl Page {
    /// Around a page that says nothing of orders.
    pub(super) fn plain(visit: &Visit, title: &str) -> Self {
        let visitor = visit.visitor.as_ref();
        Self {
            lang: visit.lang,
            title: visit.lang.word(title),
            screen: "",
            token: visitor.map_or_else(String::new, |visitor| visitor.form_token.to_string()),
            user: visitor.map_or_else(String::new, |visitor| visitor.session.user.name.clone()),
            waiting: 0,
            listed: String::new(),
            is_late: false,
            back: visit.path.to_string(),
        }
    }

    /// Around a screen, with what is known of the visitor's shops.
    pub(super) async fn of(
        shared: &Shared,
        visit: &Visit,
        (screen, title): (&'static str, &str),
    ) -> Result<Self, StoreError> {
        let mut page = Self {
            screen,
            ..Self::plain(visit, title)
        };
        let now = shared.clock.now();
        let mut lists = Vec::new();
        for ctx in shops(shared, visit) {
            let totals = shared.store.totals(Some(&ctx.shop)).await?;
            page.waiting += usize::try_from(totals.held).unwrap_or_default();
            let (listed, _) = shared.store.lists_read(&ctx.shop).await?;
            lists.push(listed);
        }
        // One that was never listed is before all others.
        let listed = lists.into_iter().min().flatten();
        page.is_late = listed.is_none_or(|at| now.duration_since(at) > crate::status::LIST_AGE_MAX);
        page.listed = listed.map_or_else(|| visit.lang.word("web-never"), |at| clock(at, now));
        Ok(page)
    }

    /// A text of the catalogue.
    pub(super) fn t(&self, key: &str) -> String {
        self.lang.word(key)
    }

    /// The same with one value.
    pub(super) fn t1(&self, key: &str, name: &str, value: &str) -> String {
        self.lang.text(key, &[(name, value.into())])
    }

    /// The same with a number.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "templates pass everything by reference"
    )]
    pub(super) fn count(&self, key: &str, count: &usize) -> String {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        self.lang.text(key, &[("count", Arg::from(count))])
    }

    /// Marks the link of the present screen.
    pub(super) fn current(&self, screen: &str) -> &'static str {
        if self.screen == screen {
            "page"
        } else {
            "false"
        }
    }
}

/// The shops that the visitor may see.
pub(super) fn shops<'s>(shared: &'s Shared, visit: &Visit) -> Vec<&'s Ctx> {
    let Some(visitor) = &visit.visitor else {
        return Vec::new();
    };
    let shops = shared.shops.iter().map(AsRef::as_ref);
    shops
        .filter(|ctx| visitor.actor.may(Verb::View, &ctx.shop))
        .collect()
}

/// The time in Almaty; the day too where it is another one.
pub(super) fn clock(at: Timestamp, now: Timestamp) -> String {
    let (local, today) = (calendar::local(at), calendar::local(now));
    let form = if local.date() == today.date() {
        "%H:%M"
    } else {
        "%d.%m %H:%M"
    };
    local.strftime(form).to_string()
}

/// An answer with a page.
pub(super) fn html(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (status, kind, html).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The query of an address, where it can be read.
pub(super) type Asking<T> = Result<Query<T>, QueryRejection>;

/// What a query asks for: nothing, where it cannot be read.
pub(super) fn asked<T: Default>(query: Asking<T>) -> T {
    query.map_or_else(|_| T::default(), |Query(asked)| asked)
}

/// An answer with a screen, unless the database did not answer.
pub(super) fn screen(visit: &Visit, template: Result<impl Template, StoreError>) -> Response {
    match template {
        Ok(template) => html(StatusCode::OK, &template),
        Err(error) => failed(visit, &error),
    }
}

/// Sends the browser to another page of ours.
pub(super) fn see(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    page: Page,
    text: String,
    hint: String,
}

/// A page that says one thing: the text of the key, and what to do, the text of its attribute `hint`.
pub(super) fn message(visit: &Visit, status: StatusCode, key: &str) -> Response {
    let hint = visit.lang.find(&format!("{key}.hint"), &[]);
    let template = Message {
        page: Page::plain(visit, &format!("{key}.title")),
        text: visit.lang.word(key),
        hint: hint.unwrap_or_default(),
    };
    html(status, &template)
}

/// The database did not answer.
pub(super) fn failed(visit: &Visit, error: &StoreError) -> Response {
    log_unanswered(error);
    let key = "web-unavailable";
    let template = Message {
        page: Page::plain(visit, &format!("{key}.title")),
        text: format!("{} ({})", visit.lang.word(key), error.code()),
        hint: visit.lang.word(&format!("{key}.hint")),
    };
    html(StatusCode::SERVICE_UNAVAILABLE, &template)
}

#[derive(Template)]
#[template(path = "go_on.html")]
struct GoOn<'a> {
    page: Page,
    target: &'a str,
}

/// A page that follows a link of ours once more, from our own site.
pub(super) fn go_on(visit: &Visit, target: &str) -> Response {
    let template = GoOn {
        page: Page::plain(visit, "web-go-on"),
        target,
    };
    html(StatusCode::OK, &template)
}
