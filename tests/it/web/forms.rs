//! Deciding in the browser: what must come with a form, what a role allows, and what Kaspi shows then.

use qabyl::domain::people::Role;
use qabyl_sandbox::Settings;

use super::{Sent, Shown, Web};
use crate::world::world;

const CODE: &str = "900000001";

/// A world with one order that waits for a person, as its goods are in no source.
async fn held() -> Web {
    let web = Web::begin(world(Settings::default())).await;
    web.world.place_plain(&[(CODE, "NOWHERE", 1)]);
    web.world.poll_and_decide().await;
    web
}

/// The address of the form for a decision.
fn address(shown: &Shown, word: &str) -> String {
    let mark = format!("/{word}?shop=main");
    let (before, _) = shown.body.split_once(&mark).expect(&shown.body);
    let start = before.rsplit('"').next().unwrap();
    format!("{start}{mark}")
}

fn form(web: &Web, shown: &Shown, word: &str) -> Sent {
    let address = address(shown, word);
    let field = |name| shown.field(&address, name);
    let (token, version, key) = (field("token"), field("version"), field("key"));
    Sent::form(
        web,
        &[("token", &token), ("version", &version), ("key", &key)],
    )
}

/// The same, over every interlock that the page names.
fn over(asked: &Shown, mut sent: Sent) -> Sent {
    for part in asked.body.split("name=\"override\" value=\"").skip(1) {
        let name = part.split('"').next().unwrap();
        sent.fields.push(("override", name.to_owned()));
    }
    sent
}

async fn status(web: &Web) -> String {
    web.world.brief().await;
    web.world.kaspi().order(CODE).unwrap().status.to_string()
}

#[tokio::test]
async fn an_order_is_accepted_over_an_interlock_that_is_named_and_confirmed() {
    let web = held().await;
    let browser = web.signed_in("Айгуль", Role::Operator, 1).await;
    let shown = web.get(&browser, "/waiting").await.is(200);
    assert!(shown.body.contains(CODE), "{}", shown.body);
    let (path, sent) = (address(&shown, "accept"), form(&web, &shown, "accept"));
    let asked = web.post(&browser, &path, &sent).await.is(409);
    assert!(
        asked.body.contains("value=\"unknown_stock\""),
        "{}",
        asked.body
    );
    assert_eq!(status(&web).await, "APPROVED_BY_BANK");
    let again = over(&asked, form(&web, &asked, "accept"));
    let said = web.post(&browser, &path, &again).await.is(303);
    let done = web
        .get(&browser, said.header("location").unwrap())
        .await
        .is(200);
    assert!(
        done.body.contains(&format!("Заказ {CODE}: принимаем")),
        "{}",
        done.body
    );
    assert_eq!(status(&web).await, "ACCEPTED_BY_MERCHANT");
    // The same form again does nothing again.
    web.post(&browser, &path, &again).await.is(303);
    assert_eq!(web.world.kaspi().ledger().posts_for(CODE).len(), 1);
    web.end().await;
}

#[tokio::test]
async fn an_order_is_cancelled_with_a_reason_and_kept_and_released() {
    let web = held().await;
    let browser = web.signed_in("Айгуль", Role::Admin, 1).await;
    let shown = web.get(&browser, "/waiting").await.is(200);
    let keep = form(&web, &shown, "keep");
    web.post(&browser, &address(&shown, "keep"), &keep)
        .await
        .is(303);
    let shown = web.get(&browser, "/waiting").await.is(200);
    let release = form(&web, &shown, "release");
    web.post(&browser, &address(&shown, "release"), &release)
        .await
        .is(303);
    let ask = web.get(&browser, &address(&shown, "cancel")).await.is(200);
    let path = address(&ask, "cancel");
    let sent = form(&web, &ask, "cancel");
    web.post(&browser, &path, &sent).await.is(403);
    let sent = sent
        .with_field("reason", "BUYER_NOT_REACHABLE")
        .with_field("comment", "не берёт трубку");
    let asked = web.post(&browser, &path, &sent).await;
    if asked.status == 409 {
        let objections = asked.body.matches("name=\"override\" value=\"").count();
        assert!(objections > 0, "{}", asked.body);
        let again = over(&asked, form(&web, &asked, "cancel"))
            .with_field("reason", "BUYER_NOT_REACHABLE")
            .with_field("comment", "не берёт трубку");
        web.post(&browser, &path, &again).await.is(303);
    } else {
        asked.is(303);
    }
    assert_eq!(status(&web).await, "CANCELLED");
    web.end().await;
}

#[tokio::test]
async fn each_guard_of_a_form_that_is_missing_alone_changes_nothing() {
    let web = held().await;
    let browser = web.signed_in("Айгуль", Role::Admin, 1).await;
    let other = web.follow(&web.link("Айгуль", 2).await).await;
    let shown = web.get(&browser, "/waiting").await.is(200);
    let (path, good) = (address(&shown, "keep"), form(&web, &shown, "keep"));
    let foreign = web.get(&other, "/waiting").await.field("/keep", "token");
    let rows = async || web.world.store.newest_audit_row().await.unwrap();
    let before = rows().await;
    for (what, sent) in [
        ("no origin", good.clone().with("Origin", "")),
        (
            "another origin",
            good.clone().with("Origin", "https://evil.example"),
        ),
        ("an opaque origin", good.clone().with("Origin", "null")),
        (
            "the origin of another port",
            good.clone().with("Origin", "http://127.0.0.1:1"),
        ),
        ("no fetch site", good.clone().with("Sec-Fetch-Site", "")),
        (
            "a sibling",
            good.clone().with("Sec-Fetch-Site", "same-site"),
        ),
        (
            "another site",
            good.clone().with("Sec-Fetch-Site", "cross-site"),
        ),
        ("no token", good.clone().with_field("token", "")),
        (
            "the token of another session",
            good.clone().with_field("token", &foreign),
        ),
        ("no version", good.clone().with_field("version", "")),
        ("no key", good.clone().with_field("key", "")),
    ] {
        let said = web.post(&browser, &path, &sent).await;
        assert_eq!(said.status, 403, "{what}: {}", said.body);
        assert_eq!(rows().await, before, "{what}");
    }
    let stale = good.clone().with_field("version", "0123456789ab");
    web.post(&browser, &path, &stale).await.is(409);
    assert_eq!(rows().await, before);
    web.get(&browser, &path).await.is(404);
    web.post(&browser, &path, &good).await.is(303);
    assert!(rows().await > before);
    web.end().await;
}

#[tokio::test]
async fn a_role_decides_what_it_allows_in_its_shops() {
    let web = held().await;
    let admin = web.signed_in("Админ", Role::Admin, 1).await;
    let shown = web.get(&admin, "/waiting").await.is(200);
    let paths = ["accept", "keep", "cancel"].map(|word| (word, address(&shown, word)));
    for (number, (role, shop, wanted)) in [
        (Role::Viewer, "main", [403, 403, 403]),
        (Role::Operator, "main", [409, 303, 403]),
        (Role::Admin, "second", [404, 404, 404]),
    ]
    .into_iter()
    .enumerate()
    {
        let (name, number) = (format!("user {number}"), u8::try_from(number).unwrap() + 10);
        web.user(&name, role, &[shop]).await;
        let browser = web.follow(&web.link(&name, number).await).await;
        let own = web.get(&browser, "/waiting").await.is(200);
        let token = own.field("/sign-out", "token");
        for ((word, path), wanted) in paths.iter().zip(wanted) {
            let sent = form(&web, &shown, if *word == "cancel" { "keep" } else { word })
                .with_field("token", &token)
                .with_field("reason", "BUYER_NOT_REACHABLE");
            let said = web.post(&browser, path, &sent).await;
            assert_eq!(
                said.status, wanted,
                "{role} in {shop}: {word}\n{}",
                said.body
            );
        }
        let buttons = own.body.matches("class=\"acts\"").count();
        assert_eq!(
            buttons,
            usize::from(role == Role::Operator),
            "{role} in {shop}"
        );
    }
    web.end().await;
}

#[tokio::test]
async fn in_another_mode_nothing_is_sent_and_the_page_says_so() {
    let mut begun = world(Settings::default()).begin().await;
    begun.restart_in(qabyl::config::Mode::Propose).await;
    begun.place_plain(&[(CODE, "NOWHERE", 1)]);
    begun.poll_and_decide().await;
    let web = Web::beside(begun).await;
    let browser = web.signed_in("Айгуль", Role::Operator, 1).await;
    let shown = web.get(&browser, "/waiting").await.is(200);
    let sent = form(&web, &shown, "accept");
    let said = web
        .post(&browser, &address(&shown, "accept"), &sent)
        .await
        .is(409);
    assert!(said.body.contains("ничего не отправляет"), "{}", said.body);
    web.end().await;
}
