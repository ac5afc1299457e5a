//! One SKU: its levels, the SKUs that look like it, and, for who may, what edits them.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::super::Shared;
use super::door::Visit;
use super::form::{self, Fields};
use super::page::{Asking, Page, asked, failed, html, message, see};
use super::stock::{Row, address, levels_of, may_edit, seen_stocks, sellers};
use crate::domain::ids::Sku;
use crate::domain::people::Refusal;
use crate::domain::stock::{OnHand, StockRow};
use crate::ledger::Editor;
use crate::net::Peer;
use crate::runtime::build;
use crate::store::{Fallen, StoreError};
use crate::text::{listed_name, shown};

/// Units of a level, and units of a part, at most: more is a slip of the finger.
const UNITS_MAX: u32 = 1_000_000;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    sku: String,
    /// The stock; empty: that of every shop.
    #[serde(default)]
    stock: String,
    /// What was done before.
    #[serde(default)]
    done: String,
}

/// What an SKU stands for.
struct Part {
    sku: String,
    href: String,
    each: i64,
}

#[derive(Template)]
#[template(path = "sku.html")]
struct SkuPage {
    page: Page,
    sku: String,
    stock: String,
    rows: Vec<Row>,
    /// Warehouses that the SKU is listed at, for the form.
    warehouses: Vec<String>,
    parts: Vec<Part>,
    /// SKUs that look like it, as they stand, and their addresses.
    near: Vec<(String, String)>,
    may_edit: bool,
    units_max: u32,
    done: String,
    problem: String,
}

/// `GET /stock/sku`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    query: Asking<Asked>,
) -> Response {
    let asked = asked(query);
    page(&shared, &visit, &asked, (StatusCode::OK, String::new()))
        .await
        .unwrap_or_else(|error| failed(&visit, &error))
}

async fn page(
    shared: &Shared,
    visit: &Visit,
    asked: &Asked,
    (status, problem): (StatusCode, String),
) -> Result<Response, StoreError> {
    let stocks = seen_stocks(shared, visit);
    let Ok(sku) = Sku::new(asked.sku.trim()) else {
        return Ok(message(visit, StatusCode::NOT_FOUND, "web-not-found"));
    };
    if !stocks.contains(&asked.stock.as_str()) {
        return Ok(message(visit, StatusCode::NOT_FOUND, "web-not-found"));
    }
    // A level of every shop's stock is seen by each of them.
    let of = Some(asked.stock.as_str()).filter(|stock| !stock.is_empty());
    let parts = shared.store.parts_of(of, sku.as_str()).await?;
    let mut names = vec![sku.as_str()];
    names.extend(parts.iter().map(|part| part.part.as_str()));
    let rows = levels_of(shared, visit, &stocks, &names).await?;
    let own = rows.iter().filter(|row| row.sku == sku.as_str());
    let mut warehouses: Vec<String> = own.map(|row| row.warehouse.clone()).collect();
    warehouses.sort_unstable();
    warehouses.dedup();
    let near = if rows.is_empty() {
        shared.store.skus_like(of, &sku).await?
    } else {
        Vec::new()
    };
    let done = match asked.done.as_str() {
        "level" => visit.lang.word("web-done-level"),
        "map" => visit.lang.word("web-done-map"),
        _ => String::new(),
    };
    let mut page = Page::of(shared, visit, ("stock", "web-sku")).await?;
    page.title = format!("{} {}", page.title, shown(sku.as_str(), 80));
    "/stock".clone_into(&mut page.back);
    let near = near.into_iter().map(|sku| {
        let href = address(&sku, &asked.stock);
        (sku, href)
    });
    let parts = parts.into_iter().map(|part| Part {
        href: address(part.part.as_str(), &asked.stock),
        sku: part.part.to_string(),
        each: part.each,
    });
    let template = SkuPage {
        page,
        stock: asked.stock.clone(),
        rows,
        warehouses,
        parts: parts.collect(),
        near: near.collect(),
        may_edit: may_edit(shared, visit, &asked.stock),
        units_max: UNITS_MAX,
        done,
        problem,
        sku: sku.to_string(),
    };
    Ok(html(status, &template))
}

/// What a form edits.
enum Edit {
    Level(StockRow),
    Map(Sku, Option<(Sku, i64)>),
    Zeros(Fallen),
}

/// What a form asks for; otherwise the text that says what is wrong with it.
fn edit(shared: &Shared, word: &str, fields: &Fields) -> Result<Edit, &'static str> {
    let get = |field: &'static str| fields.get(field).map_or("", str::trim);
    let name = |field: &'static str| match listed_name(field, get(field)) {
        Ok(()) => Ok(get(field)),
        Err(_) => Err("web-wrong-sku"),
    };
    let sku = |field: &'static str| Sku::new(name(field)?).map_err(|_| "web-wrong-sku");
    let units = |field: &'static str, least: u32| {
        let units = get(field).parse::<u32>().ok();
        let units = units.filter(|units| (least..=UNITS_MAX).contains(units));
        units.ok_or("web-wrong-units")
    };
    match word {
        "level" => Ok(Edit::Level(StockRow {
            sku: sku("sku")?,
            warehouse: name("warehouse")?.to_owned(),
            on_hand: OnHand::Exactly(units("on_hand", 0)?),
            as_of: shared.clock.now(),
        })),
        "map" if get("part").is_empty() => Ok(Edit::Map(sku("sku")?, None)),
        "map" => {
            let (of, part) = (sku("sku")?, sku("part")?);
            if of == part {
                return Err("web-wrong-part");
            }
            Ok(Edit::Map(of, Some((part, i64::from(units("each", 1)?)))))
        }
        "zeros" => Ok(Edit::Zeros(Fallen {
            stock: get("stock").to_owned(),
            source: get("source").to_owned(),
            until: get("until").parse().map_err(|_| "web-not-our-form")?,
            levels: 0,
        })),
        _ => Err("web-not-our-form"),
    }
}

/// `POST /stock/level|map|zeros`
pub(super) async fn change(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(word): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Response {
    let (visitor, fields) = match form::read(&visit, (&headers, &peer), sent).await {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let stock = fields.get("stock").unwrap_or_default().to_owned();
    if !seen_stocks(&shared, &visit).contains(&stock.as_str()) {
        return message(&visit, StatusCode::NOT_FOUND, "web-not-found");
    }
    let asked = Asked {
        sku: fields.get("sku").unwrap_or_default().to_owned(),
        stock,
        done: String::new(),
    };
    let edit = match edit(&shared, &word, &fields) {
        Ok(edit) => edit,
        Err("web-not-our-form") => {
            return message(&visit, StatusCode::FORBIDDEN, "web-not-our-form");
        }
        Err(key) => {
            let problem = (StatusCode::UNPROCESSABLE_ENTITY, visit.lang.word(key));
            let shown = page(&shared, &visit, &asked, problem).await;
            return shown.unwrap_or_else(|error| failed(&visit, &error));
        }
    };
    let sellers = sellers(&shared, &asked.stock);
    let by = Editor {
        actor: &visitor.actor,
        shops: &sellers,
    };
    match carry_out(&shared, (&asked.stock, edit), by).await {
        Ok(()) if word == "zeros" => see("/stock?done=zeros"),
        Ok(()) => {
            let address = address(asked.sku.trim(), &asked.stock);
            see(&format!("{address}&done={word}"))
        }
        Err(StoreError::NotTaken(Refusal::NotAllowed(_))) => {
            message(&visit, StatusCode::FORBIDDEN, "web-refused-role")
        }
        Err(StoreError::Refused(why)) => {
            let problem = (StatusCode::CONFLICT, visit.lang.sentence(&why));
            let shown = page(&shared, &visit, &asked, problem).await;
            shown.unwrap_or_else(|error| failed(&visit, &error))
        }
        Err(error) => failed(&visit, &error),
    }
}

async fn carry_out(
    shared: &Shared,
    (stock, edit): (&str, Edit),
    by: Editor<'_>,
) -> Result<(), StoreError> {
    let (store, now) = (&shared.store, shared.clock.now());
    match edit {
        Edit::Level(row) => {
            let semantics = build::semantics(&shared.loaded.config);
            store.set_level((stock, row, semantics), by, now).await?;
        }
        Edit::Map(sku, part) => {
            let part = part.as_ref().map(|(part, each)| (part, *each));
            store.map_sku((stock, &sku, part), by, now).await?;
        }
        Edit::Zeros(seen) => {
            store.confirm_falls(&seen, by, now).await?;
        }
    }
    Ok(())
}
