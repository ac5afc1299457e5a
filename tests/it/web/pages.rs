//! What the screens show, in every language, and what may be done on them beside deciding.

use qabyl::domain::people::Role;
use qabyl_sandbox::Settings;

use super::{Browser, Sent, Web};
use crate::world::world;

const CODE: &str = "900000001";
const SCREENS: [&str; 9] = [
    "/",
    "/waiting",
    "/orders",
    "/stock",
    "/stock/sku?sku=A",
    "/stock/sku?sku=NOWHERE",
    "/rules",
    "/log",
    "/settings",
];

/// A world with an order that was accepted, and one that waits for a person.
async fn busy() -> (Web, Browser) {
    let begun = world(Settings::default()).begin_with(&[("A", 5)]).await;
    begun.place_plain(&[("900000002", "A", 1), (CODE, "NOWHERE", 1)]);
    begun.brief().await;
    let web = Web::beside(begun).await;
    let browser = web.signed_in("admin", Role::Admin, 1).await;
    (web, browser)
}

/// The words of a page: what stands between its marks, and in the attributes that are read out.
fn words(html: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in html.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        // Rules are written in words of their own.
        if tag.starts_with("textarea") {
            continue;
        }
        for name in [
            "aria-label=\"",
            "placeholder=\"",
            "title=\"",
            "data-lost=\"",
        ] {
            if let Some((_, rest)) = tag.split_once(name) {
                words.push(rest.split('"').next().unwrap_or_default().to_owned());
            }
        }
        if !tag.contains("lang=\"en\"") && !tag.contains("lang=\"kk\"") {
            words.push(text.to_owned());
        }
    }
    let words = words.iter().flat_map(|text| text.split_whitespace());
    words.map(str::to_owned).collect()
}

/// Names, and what was stored as it is.
const NAMES: &[&str] = &[
    "Qabyl", "abyl", "Kaspi", "SKU", "A", "NOWHERE", "main", "admin", "test", "qabyl", "user",
    "status", "CSV",
];

#[tokio::test]
async fn no_screen_in_russian_or_kazakh_has_an_english_sentence() {
    let (web, browser) = busy().await;
    let shown = web.get(&browser, "/waiting").await.is(200);
    let (_, rest) = shown.body.split_once("href=\"/orders/").unwrap();
    let id = rest.split('?').next().unwrap();
    let order = format!("/orders/{id}?shop=main");
    let cancel = format!("/orders/{id}/cancel?shop=main");
    for lang in ["ru", "kk"] {
        for path in SCREENS.into_iter().chain([order.as_str(), cancel.as_str()]) {
            let mark = if path.contains('?') { '&' } else { '?' };
            let page = web
                .get(&browser, &format!("{path}{mark}lang={lang}"))
                .await
                .is(200);
            let (_, body) = page.body.split_once("<body>").unwrap();
            let foreign: Vec<String> = words(body)
                .into_iter()
                .filter(|word| word.chars().filter(char::is_ascii_alphabetic).count() > 1)
                .filter(|word| !word.contains(|c: char| ('\u{400}'..='\u{4ff}').contains(&c)))
                .filter(|word| !NAMES.contains(&word.trim_matches(|c: char| !c.is_alphanumeric())))
                .collect();
            assert!(foreign.is_empty(), "{path} in {lang}: {foreign:?}");
        }
    }
    web.end().await;
}

#[tokio::test]
async fn the_sums_of_the_day_add_up() {
    let (web, browser) = busy().await;
    let sums = web
        .world
        .store
        .day_sums(
            &web.world.shop.ctx.shop,
            qabyl::domain::calendar::moment(
                qabyl::domain::calendar::local(web.world.now())
                    .date()
                    .at(0, 0, 0, 0),
            )
            .unwrap(),
        )
        .await
        .unwrap();
    assert_eq!((sums.new, sums.accepted, sums.held), (2, 1, 1), "{sums:?}");
    let parts = sums.accepted
        + sums.cancelled
        + sums.held
        + sums.waiting
        + sums.decided
        + sums.undecided
        + sums.other;
    assert_eq!(parts, sums.new, "{sums:?}");
    web.get(&browser, "/").await.is(200);
    web.end().await;
}

#[tokio::test]
async fn an_order_is_found_by_its_number_and_its_sku_and_written_to_a_table() {
    let (web, browser) = busy().await;
    let said = web
        .get(&browser, &format!("/orders?q={CODE}"))
        .await
        .is(303);
    let order = web
        .get(&browser, said.header("location").unwrap())
        .await
        .is(200);
    assert!(order.body.contains(CODE), "{}", order.body);
    let found = web.get(&browser, "/orders?q=nowh").await.is(200);
    assert!(
        found.body.contains(CODE) && !found.body.contains("900000002"),
        "{}",
        found.body
    );
    let held = web.get(&browser, "/orders?state=held").await.is(200);
    assert!(held.body.contains(CODE) && !held.body.contains("900000002"));
    let table = web.get(&browser, "/orders.csv").await.is(200);
    assert_eq!(table.body.matches("\"main\"").count(), 2, "{}", table.body);
    web.get(&browser, "/orders?q=%22%3E%3Cscript%3E")
        .await
        .is(200);
    let shown = web.get(&browser, "/orders?q=%22%3E%3Cscript%3E").await;
    assert!(!shown.body.contains("<script>"), "{}", shown.body);
    web.end().await;
}

#[tokio::test]
async fn a_shop_is_paused_and_resumed_by_who_may() {
    let (web, admin) = busy().await;
    let operator = web.signed_in("operator", Role::Operator, 2).await;
    let token = web.get(&operator, "/").await.field("/sign-out", "token");
    let sent = Sent::form(&web, &[("token", &token)]);
    web.post(&operator, "/shops/main/pause", &sent)
        .await
        .is(403);
    let shown = web.get(&admin, "/").await.is(200);
    let token = shown.field("/shops/main/pause", "token");
    let sent = Sent::form(&web, &[("token", &token)]);
    let state = async || {
        web.world
            .store
            .shop_state(&web.world.shop.ctx.shop)
            .await
            .unwrap()
    };
    web.post(&admin, "/shops/main/pause", &sent).await.is(303);
    assert!(state().await.paused.is_some());
    web.post(&admin, "/shops/main/resume", &sent).await.is(303);
    assert!(state().await.paused.is_none());
    web.post(&admin, "/shops/other/pause", &sent).await.is(404);
    web.end().await;
}

#[tokio::test]
async fn a_session_is_ended_by_its_user_or_by_who_is_admin_everywhere() {
    let (web, admin) = busy().await;
    let operator = web.signed_in("operator", Role::Operator, 2).await;
    let of_admin = web.get(&admin, "/settings").await.is(200);
    assert!(
        of_admin.body.matches("/settings/sessions/").count() == 2,
        "{}",
        of_admin.body
    );
    let of_operator = web.get(&operator, "/settings").await.is(200);
    assert_eq!(of_operator.body.matches("/settings/sessions/").count(), 1);
    let token = of_operator.field("/settings/sessions/2", "token");
    let sent = Sent::form(&web, &[("token", &token)]);
    web.post(&operator, "/settings/sessions/1", &sent)
        .await
        .is(403);
    web.get(&admin, "/").await.is(200);
    let token = of_admin.field("/settings/sessions/2", "token");
    let sent = Sent::form(&web, &[("token", &token)]);
    web.post(&admin, "/settings/sessions/2", &sent)
        .await
        .is(303);
    web.get(&operator, "/").await.is(401);
    web.end().await;
}

#[tokio::test]
async fn who_cancels_reads_first_what_it_does_to_the_share_of_cancels() {
    let described = world(Settings::default()).config("interlocks", "cancel_share_max", "0.07");
    let begun = described.begin_with(&[("A", 5)]).await;
    begun.place_plain(&[("900000002", "A", 1), (CODE, "NOWHERE", 1)]);
    begun.brief().await;
    let web = Web::beside(begun).await;
    let browser = web.signed_in("admin", Role::Admin, 1).await;
    let today = web.get(&browser, "/").await.is(200);
    assert!(today.body.contains("Выше 7 %"), "{}", today.body);
    let shown = web.get(&browser, "/waiting").await.is(200);
    let (_, rest) = shown.body.split_once("href=\"/orders/").unwrap();
    let id = rest.split('?').next().unwrap();
    let path = format!("/orders/{id}/cancel?shop=main");
    let asked = web.get(&browser, &path).await.is(200);
    let (_, share) = asked.body.split_once("id=\"share\">").expect(&asked.body);
    let share = share.split('<').next().unwrap().replace('\u{a0}', " ");
    for part in ["сейчас доля отмен 0,0 %", "станет 50,0 %", "выше 7 %"] {
        assert!(share.to_lowercase().contains(part), "{part}: {share}");
    }
    assert!(asked.body.contains("alert late\" id=\"share\""));
    web.end().await;
}

#[tokio::test]
async fn a_trouble_and_its_next_step_are_in_the_language_of_the_page() {
    let begun = world(Settings::default()).begin_with(&[("A", 0)]).await;
    let web = Web::beside(begun).await;
    let browser = web.signed_in("admin", Role::Admin, 1).await;
    for (lang, words) in [
        ("ru", "ни у одного товара нет остатка"),
        ("en", "not one SKU has units"),
    ] {
        let page = web.get(&browser, &format!("/?lang={lang}")).await.is(200);
        assert!(page.body.contains(words), "{lang}: {}", page.body);
        assert_eq!(page.body.contains("not one SKU"), lang == "en");
        assert_eq!(page.body.contains("lists the levels"), lang == "en");
    }
    web.end().await;
}
