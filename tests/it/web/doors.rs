//! Who comes in, for how long, and what every answer carries.

use std::time::Duration;

use qabyl::domain::people::{Actor, Role};
use qabyl::ledger::Secret;
use qabyl_sandbox::Settings;

use super::{Browser, Sent, Web};
use crate::world::world;

#[tokio::test]
async fn a_link_signs_in_once_and_looking_at_it_uses_nothing_up() {
    let web = Web::begin(world(Settings::default())).await;
    web.user("Айгуль", Role::Operator, &[]).await;
    let link = web.link("Айгуль", 1).await;
    for _ in 0..3 {
        let shown = web.get(&Browser::default(), &link).await.is(200);
        assert!(shown.header("set-cookie").is_none(), "{}", shown.head);
        assert!(shown.body.contains("Айгуль") && shown.body.contains("<button"));
    }
    // A page of another site cannot sign anybody in.
    let elsewhere = Sent::form(&web, &[]).with("Origin", "https://evil.example");
    web.post(&Browser::default(), &link, &elsewhere)
        .await
        .is(403);
    web.post(
        &Browser::default(),
        &link,
        &Sent::form(&web, &[]).with("Origin", ""),
    )
    .await
    .is(403);
    let cross = Sent::form(&web, &[]).with("Sec-Fetch-Site", "cross-site");
    web.post(&Browser::default(), &link, &cross).await.is(403);
    let browser = web.follow(&link).await;
    web.get(&browser, "/waiting").await.is(200);
    web.post(&Browser::default(), &link, &Sent::form(&web, &[]))
        .await
        .is(410);
    web.get(&Browser::default(), &link).await.is(410);
    web.end().await;
}

#[tokio::test]
async fn a_link_signs_in_once_and_ends_after_a_quarter_of_an_hour() {
    let web = Web::begin(world(Settings::default())).await;
    web.user("Айгуль", Role::Viewer, &[]).await;
    let (store, now) = (&web.world.store, web.world.now());
    web.link("Айгуль", 1).await;
    web.link("Айгуль", 2).await;
    let sign_in = async |link: u8, new: u8, after: u64| {
        let (link, new) = (Secret::of(&[link; 32]), Secret::of(&[new; 32]));
        let peer = web.address.ip();
        let done = store.sign_in(&link, &new, peer, now + Duration::from_secs(after));
        done.await.unwrap().is_some()
    };
    assert!(sign_in(1, 11, 0).await);
    assert!(!sign_in(1, 12, 0).await, "used up");
    assert!(!sign_in(2, 13, 15 * 60).await, "too old");
    assert!(!sign_in(3, 14, 0).await, "never made");
    web.end().await;
}

#[tokio::test]
async fn a_session_lasts_a_month_from_its_last_use_and_ends_with_its_user() {
    let web = Web::begin(world(Settings::default())).await;
    let aigul = web.signed_in("Айгуль", Role::Viewer, 1).await;
    let berik = web.signed_in("Берик", Role::Viewer, 2).await;
    let day = Duration::from_hours(24);
    for _ in 0..3 {
        web.world.time.advance(day * 20);
        let shown = web.get(&aigul, "/waiting").await.is(200);
        let cookie = shown.header("set-cookie").expect("it slides");
        assert!(cookie.contains("Max-Age=2592000"), "{cookie}");
    }
    web.get(&berik, "/waiting").await.is(401);
    let by = Actor::command_line("person", "uid 1000");
    let disabled = web.world.store.disable_user("Айгуль", &by, web.world.now());
    disabled.await.unwrap();
    web.get(&aigul, "/waiting").await.is(401);
    // Back again, the user has to sign in again.
    web.user("Айгуль", Role::Viewer, &[]).await;
    web.get(&aigul, "/waiting").await.is(401);
    web.end().await;
}

#[tokio::test]
async fn who_signs_out_is_out_and_other_browsers_are_not() {
    let web = Web::begin(world(Settings::default())).await;
    let one = web.signed_in("Айгуль", Role::Viewer, 1).await;
    let link = web.link("Айгуль", 2).await;
    let other = web.follow(&link).await;
    let shown = web.get(&one, "/waiting").await.is(200);
    let token = shown.field("/sign-out", "token");
    let sent = Sent::form(&web, &[("token", &token)]);
    // The token of another session is none.
    web.post(&other, "/sign-out", &sent).await.is(403);
    let out = web.post(&one, "/sign-out", &sent).await.is(303);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    web.get(&one, "/waiting").await.is(401);
    web.get(&other, "/waiting").await.is(200);
    web.end().await;
}

#[tokio::test]
async fn the_cookie_is_strict_and_bound_to_https_where_the_way_is() {
    let public =
        world(Settings::default()).config("web", "public_url", "\"https://qabyl.shop.kz\"");
    let web = Web::begin(public).await;
    web.user("Айгуль", Role::Viewer, &[]).await;
    let local = web.follow(&web.link("Айгуль", 1).await).await;
    assert!(local.cookie.starts_with("qabyl="), "{}", local.cookie);
    let host = "Host: qabyl.shop.kz\r\n";
    let sent =
        "Origin: https://qabyl.shop.kz\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n";
    let link = web.link("Айгуль", 2).await;
    let said = web
        .ask(&format!("POST {link} HTTP/1.1\r\n{host}{sent}"), "")
        .await
        .is(303);
    let cookie = said.header("set-cookie").unwrap();
    for part in [
        "__Host-qabyl=",
        "; Path=/",
        "; HttpOnly",
        "; SameSite=Strict",
        "; Secure",
    ] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(said.header("strict-transport-security").is_some());
    // By the name of the other way it lets nobody in.
    web.get_with(&local, "/waiting", host).await.is(401);
    let named = Browser {
        cookie: cookie.split(';').next().unwrap().to_owned(),
    };
    web.get_with(&named, "/waiting", host).await.is(200);
    web.get(&named, "/waiting").await.is(401);
    // A form that states loopback does not pass at the public name.
    let shown = web.get_with(&named, "/waiting", host).await.is(200);
    let token = shown.field("/sign-out", "token");
    let body = format!("token={token}");
    let head = format!(
        "POST /sign-out HTTP/1.1\r\n{host}Cookie: {}\r\nOrigin: http://{}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
        named.cookie,
        web.address,
        body.len()
    );
    web.ask(&head, &body).await.is(403);
    web.end().await;
}

/// The cookie is strict: a link on another site arrives without it. A page of ours goes on from there.
#[tokio::test]
async fn a_link_from_another_site_goes_on_by_a_page_of_ours() {
    let web = Web::begin(world(Settings::default())).await;
    let site = "Sec-Fetch-Site: cross-site\r\n";
    let shown = web
        .get_with(&Browser::default(), "/waiting?page=2&x=%22%3E", site)
        .await
        .is(200);
    assert!(
        shown.body.contains("url=/waiting?page=2&#38;x=%22%3E"),
        "{}",
        shown.body
    );
    assert!(shown.header("set-cookie").is_none());
    let same = "Sec-Fetch-Site: same-origin\r\n";
    web.get_with(&Browser::default(), "/waiting?page=2", same)
        .await
        .is(401);
    let shown = web
        .get_with(&Browser::default(), "//evil.example/", site)
        .await;
    assert!(!shown.body.contains("url=//evil"), "{}", shown.body);
    web.end().await;
}

#[tokio::test]
async fn every_answer_carries_its_headers_and_only_our_hosts_are_answered() {
    let web = Web::begin(world(Settings::default())).await;
    let browser = web.signed_in("Айгуль", Role::Viewer, 1).await;
    for path in [
        "/waiting",
        "/",
        "/assets/style.css",
        "/assets/app.js",
        "/nowhere",
        "/assets/none",
        "/sign-in/x",
    ] {
        let shown = web.get(&browser, path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(shown.header(name), Some(value), "{path}: {}", shown.head);
        }
        let policy = shown.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        assert!(
            !shown.body.contains(" style=") && !shown.body.contains("<style"),
            "{path}"
        );
    }
    let other = "Host: evil.example\r\n";
    web.get_with(&browser, "/waiting", other).await.is(421);
    web.end().await;
}

#[tokio::test]
async fn a_page_is_in_the_language_that_was_chosen_or_that_the_browser_asks_for() {
    let web = Web::begin(world(Settings::default())).await;
    let browser = web.signed_in("Айгуль", Role::Viewer, 1).await;
    let of = async |headers: &str, path: &str| {
        let shown = web.get_with(&browser, path, headers).await.is(200);
        let (_, rest) = shown.body.split_once("<html lang=\"").unwrap();
        rest[..2].to_owned()
    };
    assert_eq!(of("", "/waiting").await, "ru");
    let accepted = "Accept-Language: de-DE, kk-KZ;q=0.9, en;q=0.8\r\n";
    assert_eq!(of(accepted, "/waiting").await, "kk");
    assert_eq!(of(accepted, "/waiting?lang=en").await, "en");
    let shown = web.get(&browser, "/waiting").await;
    let token = shown.field("/language", "token");
    let sent = Sent::form(
        &web,
        &[
            ("token", &token),
            ("lang", "en"),
            ("back", "//evil.example"),
        ],
    );
    let said = web.post(&browser, "/language", &sent).await.is(303);
    assert_eq!(said.header("location"), Some("/"));
    assert_eq!(of(accepted, "/waiting").await, "en");
    web.end().await;
}
