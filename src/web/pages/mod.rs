//! The web app: pages made on the server, which work without scripts. A page asks use cases and read models, and decides
//! nothing itself.

mod assets;
mod card;
mod confirm;
mod decide;
pub(super) mod door;
mod form;
mod live;
mod log;
mod many;
mod order;
mod orders;
mod page;
mod plots;
mod rule_words;
mod rules;
mod settings;
mod sign_in;
mod sku;
mod stock;
mod table;
mod today;
mod waiting;

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::Shared;
use super::answer::Answer;
use super::guard::is_for_programs;
use door::Visit;
pub(super) use live::Live;

/// The addresses of the web app.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(today::show))
        .route("/waiting", get(waiting::show).post(many::decide))
        .route("/orders", get(orders::show))
        .route("/orders.csv", get(table::file))
        .route("/stock", get(stock::show))
        .route("/stock/sku", get(sku::show))
        .route("/stock/{edit}", post(sku::change))
        .route("/rules", get(rules::show).post(rules::try_out))
        .route("/log", get(log::show))
        .route("/settings", get(settings::show))
        .route("/settings/{kind}/{id}", post(settings::end))
        .route("/orders/{id}", get(order::show))
        .route("/shops/{name}/{verb}", post(today::pause))
        .route("/orders/{id}/{verb}", get(decide::ask).post(decide::decide))
        .route(
            "/sign-in/{secret}",
            get(sign_in::ask).post(sign_in::sign_in),
        )
        .route("/sign-out", post(sign_in::sign_out))
        .route("/language", post(sign_in::language))
        .route("/events", get(live::events))
        .route(
            "/assets/{name}",
            get(async |Path(name): Path<String>| assets::asset(&name)),
        )
        .route("/favicon.ico", get(async || assets::icon()))
}

/// No such address.
pub(super) fn not_found(request: &Request) -> Response {
    if is_for_programs(request.uri().path()) {
        return Answer::not_found("there is no such address").into_response();
    }
    match request.extensions().get::<Visit>() {
        Some(visit) => page::message(visit, StatusCode::NOT_FOUND, "web-not-found"),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
