//! Stock edited in the browser: what it changes for orders, and who may.

use qabyl::domain::people::Role;
use qabyl_sandbox::Settings;

use super::{Browser, Sent, Web};
use crate::world::world;

const CODE: &str = "900000001";

/// A world whose order waits for a person, as its goods are in no source; something that looks like them is.
async fn held() -> (Web, Browser) {
    let begun = world(Settings::default())
        .begin_with(&[("WARE-0017", 5)])
        .await;
    begun.place_plain(&[(CODE, "ware-17", 1)]);
    begun.brief().await;
    let web = Web::beside(begun).await;
    let browser = web.signed_in("admin", Role::Admin, 1).await;
    (web, browser)
}

/// A form of the page of an SKU.
async fn form(web: &Web, browser: &Browser, sku: &str, fields: &[(&'static str, &str)]) -> Sent {
    let page = web.get(browser, "/stock").await.is(200);
    let token = page.field("/sign-out", "token");
    let mut sent = Sent::form(web, fields).with_field("token", &token);
    sent.fields.push(("sku", sku.to_owned()));
    sent.fields.push(("stock", String::new()));
    sent
}

async fn status(web: &Web) -> String {
    web.world.brief().await;
    web.world.kaspi().order(CODE).unwrap().status.to_string()
}

#[tokio::test]
async fn a_level_that_a_person_sets_lets_the_order_that_waits_for_it_go() {
    let (web, browser) = held().await;
    assert_eq!(status(&web).await, "APPROVED_BY_BANK");
    let waiting = web.get(&browser, "/waiting").await.is(200);
    assert!(
        waiting
            .body
            .contains("href=\"/stock/sku?sku=ware-17&#38;stock=\""),
        "{}",
        waiting.body
    );
    let fields = [("on_hand", "3"), ("warehouse", "")];
    let sent = form(&web, &browser, "ware-17", &fields).await;
    let said = web.post(&browser, "/stock/level", &sent).await.is(303);
    let done = web
        .get(&browser, said.header("location").unwrap())
        .await
        .is(200);
    assert!(done.body.contains("Остаток сохранён"), "{}", done.body);
    assert!(done.body.contains("вручную"), "{}", done.body);
    assert_eq!(status(&web).await, "ACCEPTED_BY_MERCHANT");
    let log = web.get(&browser, "/log?by=people").await.is(200);
    assert!(log.body.contains("остатки загружены"), "{}", log.body);
    web.end().await;
}

#[tokio::test]
async fn an_sku_that_looks_like_another_is_named_and_mapped_to_it() {
    let (web, browser) = held().await;
    let page = web
        .get(&browser, "/stock/sku?sku=ware-0017&stock=")
        .await
        .is(200);
    assert!(page.body.contains(">WARE-0017</a>"), "{}", page.body);
    let fields = [("part", "WARE-0017"), ("each", "2")];
    let sent = form(&web, &browser, "ware-17", &fields).await;
    web.post(&browser, "/stock/map", &sent).await.is(303);
    let page = web.get(&browser, "/stock/sku?sku=ware-17").await.is(200);
    assert!(page.body.contains("× 2"), "{}", page.body);
    assert_eq!(status(&web).await, "ACCEPTED_BY_MERCHANT");
    let shown = web.get(&browser, "/stock?from=WARE-0017").await.is(200);
    let row = shown.body.split("WARE-0017</a>").nth(1).unwrap();
    assert!(row.contains(">3</td>"), "two of five are promised: {row}");
    // An empty field takes the map away again.
    let sent = form(&web, &browser, "ware-17", &[("part", "")]).await;
    web.post(&browser, "/stock/map", &sent).await.is(303);
    let parts = web.world.store.stock_parts(None).await.unwrap();
    assert_eq!(parts, []);
    web.end().await;
}

#[tokio::test]
async fn a_fall_to_zero_stops_cancels_until_a_person_confirms_it() {
    let described = world(Settings::default()).config("interlocks", "stock_collapse_share", "0.5");
    let begun = described.begin().await;
    begun.feed(&[("A", 5), ("B", 5)]).await;
    begun.feed(&[("A", 0), ("B", 0)]).await;
    let web = Web::beside(begun).await;
    let browser = web.signed_in("admin", Role::Admin, 1).await;
    let page = web.get(&browser, "/stock").await.is(200);
    let field = |name| page.field("action=\"/stock/zeros\"", name);
    let (token, source, until) = (field("token"), field("source"), field("until"));
    let fields = [
        ("token", token.as_str()),
        ("source", source.as_str()),
        ("stock", ""),
    ];
    // Of a fall that was not seen nothing is confirmed.
    let sent = Sent::form(&web, &fields);
    let earlier = sent.clone().with_field("until", "0");
    web.post(&browser, "/stock/zeros", &earlier).await.is(303);
    let falls = async || web.world.store.collapses_now().await.unwrap().len();
    assert_eq!(falls().await, 1);
    let seen = sent.with_field("until", &until);
    web.post(&browser, "/stock/zeros", &seen).await.is(303);
    assert_eq!(falls().await, 0);
    let page = web.get(&browser, "/stock").await.is(200);
    assert!(!page.body.contains("/stock/zeros"), "{}", page.body);
    web.end().await;
}

#[tokio::test]
async fn who_may_not_edit_stock_changes_nothing() {
    let (web, admin) = held().await;
    let rows = async || web.world.store.newest_audit_row().await.unwrap();
    let level = [("on_hand", "3"), ("warehouse", "")];
    let map = [("part", "WARE-0017"), ("each", "1")];
    let zeros = [("source", "by hand"), ("until", "99")];
    for (number, role, shop) in [
        (10, Role::Viewer, "main"),
        (11, Role::Operator, "main"),
        (12, Role::Admin, "second"),
    ] {
        let name = format!("user {number}");
        web.user(&name, role, &[shop]).await;
        let browser = web.follow(&web.link(&name, number).await).await;
        let page = web.get(&browser, "/stock/sku?sku=ware-17").await;
        assert!(!page.body.contains("/stock/level"), "{role} in {shop}");
        // Who sees none of the shops that sell from it sees no stock.
        let refused = if shop == "main" { 403 } else { 404 };
        for (path, fields) in [
            ("/stock/level", &level),
            ("/stock/map", &map),
            ("/stock/zeros", &zeros),
        ] {
            let sent = form(&web, &browser, "ware-17", fields).await;
            let before = rows().await;
            web.post(&browser, path, &sent).await.is(refused);
            assert_eq!(rows().await, before, "{path} by {role} in {shop}");
        }
    }
    // Nor does a form that is wrong.
    for (path, fields, status) in [
        ("/stock/level", [("on_hand", "-1"), ("warehouse", "")], 422),
        (
            "/stock/level",
            [("on_hand", "много"), ("warehouse", "")],
            422,
        ),
        (
            "/stock/level",
            [("on_hand", "1"), ("warehouse", "a\u{1}b")],
            422,
        ),
        ("/stock/map", [("part", "WARE-0017"), ("each", "0")], 422),
        ("/stock/map", [("part", "ware-17"), ("each", "1")], 422),
        ("/stock/other", [("part", "ware-17"), ("each", "1")], 403),
    ] {
        let sent = form(&web, &admin, "ware-17", &fields).await;
        let before = rows().await;
        web.post(&admin, path, &sent).await.is(status);
        let bare = sent.clone().with_field("token", "");
        web.post(&admin, path, &bare).await.is(403);
        assert_eq!(rows().await, before, "{path} {fields:?}");
    }
    web.end().await;
}
