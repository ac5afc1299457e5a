//! A list of orders as a file for a spreadsheet.

use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::super::Shared;
use super::door::Visit;
use super::orders::{Asked, MANY, goods, list};
use super::page::{Asking, asked, failed};
use crate::domain::calendar;
use crate::text::shown;

/// `GET /orders.csv`
pub(super) async fn file(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    query: Asking<Asked>,
) -> Response {
    let asked = asked(query);
    let (found, _) = match list(&shared, &visit, &asked, MANY).await {
        Ok(found) => found,
        Err(error) => return failed(&visit, &error),
    };
    let mut text = String::from("\u{feff}shop,order,created,state,status,total,goods\r\n");
    for (_, view) in &found {
        let order = &view.order;
        let created = calendar::local(order.created_at).strftime("%Y-%m-%d %H:%M:%S");
        let total = order.total.map_or_else(String::new, |total| {
            format!(
                "{}.{:02}",
                total.tiyn() / 100,
                total.tiyn().unsigned_abs() % 100
            )
        });
        let cells = [
            view.shop.clone(),
            order.code.to_string(),
            created.to_string(),
            order.state.to_string(),
            order.status.to_string(),
            total,
            goods(view),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"orders.csv\"",
        ),
    ];
    (headers, text).into_response()
}

/// A cell of a file: a spreadsheet would take one that begins like a formula for one.
fn csv_cell(text: &str) -> String {
    let text = shown(text, 1000);
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if is_formula { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::csv_cell;

    #[test]
    fn a_cell_is_no_formula_and_ends_where_it_ends() {
        for formula in ["=1+1", "+7", "-1", "@SUM(A1)"] {
            assert_eq!(csv_cell(formula), format!("\"'{formula}\""));
        }
        assert_eq!(csv_cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
