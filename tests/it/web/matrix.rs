//! Every address of the web app and the API by every role: what each may, and that what it may not changes nothing.

use std::collections::BTreeSet;

use qabyl::domain::ids::ShopName;
use qabyl::domain::people::{Actor, Grants, Role, Verb};
use qabyl::ledger::NewToken;
use qabyl_sandbox::Settings;

use super::{Browser, Sent, Web};
use crate::world::world;

const CODE: &str = "900000001";

/// What an address asks of who comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Needs {
    /// Nothing.
    Nothing,
    /// A session.
    Session,
    /// A role in the order's shop that allows this.
    Verb(Verb),
    /// The role admin in every shop.
    AdminEverywhere,
}

use Needs::{AdminEverywhere, Nothing, Session};

/// What is asked for: the address as the router has it, the method, and what it needs. A `{…}` is filled in below.
const PAGES: &[(&str, &str, Needs)] = &[
    ("/assets/{name}", "GET", Nothing),
    ("/favicon.ico", "GET", Nothing),
    ("/sign-in/{secret}", "GET", Nothing),
    ("/sign-in/{secret}", "POST", Nothing),
    ("/", "GET", Session),
    ("/waiting", "GET", Session),
    ("/waiting", "POST", Session),
    ("/orders", "GET", Session),
    ("/orders.csv", "GET", Session),
    ("/stock", "GET", Session),
    ("/stock/sku", "GET", Needs::Verb(Verb::View)),
    ("/rules", "GET", Session),
    ("/rules", "POST", Needs::Verb(Verb::View)),
    ("/log", "GET", Session),
    ("/settings", "GET", Session),
    ("/events", "GET", Session),
    ("/language", "POST", Session),
    ("/orders/{id}", "GET", Needs::Verb(Verb::View)),
    ("/orders/{id}/{verb}#cancel", "GET", Needs::Verb(Verb::View)),
    ("/orders/{id}/{verb}#keep", "POST", Needs::Verb(Verb::Hold)),
    (
        "/orders/{id}/{verb}#release",
        "POST",
        Needs::Verb(Verb::Release),
    ),
    (
        "/orders/{id}/{verb}#accept",
        "POST",
        Needs::Verb(Verb::Accept),
    ),
    (
        "/orders/{id}/{verb}#cancel",
        "POST",
        Needs::Verb(Verb::Cancel),
    ),
    (
        "/shops/{name}/{verb}#pause",
        "POST",
        Needs::Verb(Verb::Pause),
    ),
    (
        "/shops/{name}/{verb}#resume",
        "POST",
        Needs::Verb(Verb::Pause),
    ),
    ("/stock/{edit}#level", "POST", Needs::Verb(Verb::EditStock)),
    ("/stock/{edit}#map", "POST", Needs::Verb(Verb::EditStock)),
    ("/stock/{edit}#zeros", "POST", Needs::Verb(Verb::EditStock)),
    ("/settings/{kind}/{id}#sessions", "POST", AdminEverywhere),
    ("/settings/{kind}/{id}#tokens", "POST", AdminEverywhere),
    ("/sign-out", "POST", Session),
];

/// Who comes: a role, and the shop it is for; without a shop, every one.
const WHO: &[(Option<Role>, &str)] = &[
    (None, ""),
    (Some(Role::Viewer), "main"),
    (Some(Role::Operator), "main"),
    (Some(Role::Admin), "main"),
    (Some(Role::Admin), ""),
    (Some(Role::Admin), "second"),
    (Some(Role::Stock), ""),
];

/// The addresses that the router has.
fn routed(source: &str) -> BTreeSet<String> {
    let parts = source.split(".route(").skip(1);
    let named = parts.map(|part| part.split('"').nth(1).unwrap().to_owned());
    named.collect()
}

#[test]
fn the_table_has_every_address_of_the_web_app() {
    let routed = routed(include_str!("../../../src/web/pages/mod.rs"));
    let listed = PAGES
        .iter()
        .map(|(path, ..)| path.split('#').next().unwrap());
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    assert_eq!(routed, listed);
}

/// What the API has: the address, the method, a body, and what it needs in the order's shop.
const API: &[(&str, &str, &str, Verb)] = &[
    ("/api/v1/orders", "GET", "", Verb::View),
    ("/api/v1/orders/{code}", "GET", "", Verb::View),
    (
        "/api/v1/orders/{code}/{verb}#hold",
        "POST",
        "{}",
        Verb::Hold,
    ),
    (
        "/api/v1/orders/{code}/{verb}#release",
        "POST",
        "{}",
        Verb::Release,
    ),
    (
        "/api/v1/orders/{code}/{verb}#accept",
        "POST",
        "{}",
        Verb::Accept,
    ),
    (
        "/api/v1/orders/{code}/{verb}#cancel",
        "POST",
        r#"{"reason":"BUYER_NOT_REACHABLE"}"#,
        Verb::Cancel,
    ),
    ("/api/v1/stock", "GET", "", Verb::View),
    (
        "/api/v1/stock/{source}",
        "PUT",
        r#"{"levels":[]}"#,
        Verb::PushStock,
    ),
    ("/api/v1/summary", "GET", "", Verb::View),
];

#[test]
fn the_table_has_every_address_of_the_api() {
    let routed = routed(include_str!("../../../src/web/mod.rs"));
    let listed = API.iter().map(|(path, ..)| path.split('#').next().unwrap());
    let mut listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    // What the API says of itself is for every token.
    listed.insert("/api/v1/openapi.json".to_owned());
    assert_eq!(routed, listed);
}

/// A world with an order that waits for a person, its id, its version, and somebody else who is signed in.
async fn begin() -> (Web, String, String) {
    let begun = world(Settings::default()).begin_with(&[("A", 5)]).await;
    begun.place_plain(&[(CODE, "NOWHERE", 1)]);
    begun.brief().await;
    let web = Web::beside(begun).await;
    let other = web.signed_in("somebody else", Role::Admin, 1).await;
    let waiting = web.get(&other, "/waiting").await.is(200);
    let (_, rest) = waiting.body.split_once("href=\"/orders/").unwrap();
    let id = rest.split('?').next().unwrap().to_owned();
    let version = waiting.field("action=\"/orders/", "version");
    (web, id, version)
}

fn address(path: &str, id: &str) -> String {
    let (path, word) = path.split_once('#').unwrap_or((path, ""));
    match path {
        "/assets/{name}" => "/assets/style.css".to_owned(),
        "/sign-in/{secret}" => "/sign-in/none".to_owned(),
        "/stock/sku" => "/stock/sku?sku=A".to_owned(),
        // The session of somebody else, and a token that there is not.
        "/settings/{kind}/{id}" => format!("/settings/{word}/1"),
        "/orders/{id}" => format!("/orders/{id}?shop=main"),
        "/orders/{id}/{verb}" => format!("/orders/{id}/{word}?shop=main"),
        path => path
            .replace("{name}/{verb}", &format!("main/{word}"))
            .replace("{verb}", word)
            .replace("{edit}", word)
            .replace("{code}", CODE)
            .replace("{source}", "none"),
    }
}

fn grants(role: Role, shop: &str) -> Grants {
    let shops: Vec<ShopName> = ShopName::new(shop).into_iter().collect();
    Grants::of(role, &shops)
}

/// Whether a role in a shop is enough.
fn is_enough(needs: Needs, role: Role, shop: &str) -> bool {
    let main = ShopName::new("main").unwrap();
    match needs {
        Nothing | Session => true,
        Needs::Verb(verb) => grants(role, shop)
            .role_at(&main)
            .is_some_and(|role| role.may(verb)),
        AdminEverywhere => role == Role::Admin && shop.is_empty(),
    }
}

#[tokio::test]
async fn every_role_gets_from_every_address_what_it_may_and_changes_nothing_else() {
    for (number, (role, shop)) in WHO.iter().enumerate() {
        // No person has the role of programs that push stock.
        if *role == Some(Role::Stock) {
            continue;
        }
        let (web, id, version) = begin().await;
        let mut browser = Browser::default();
        let mut token = "none".to_owned();
        if let Some(role) = role {
            let shops: Vec<&str> = [*shop]
                .into_iter()
                .filter(|shop| !shop.is_empty())
                .collect();
            web.user("one", *role, &shops).await;
            browser = web.follow(&web.link("one", 2).await).await;
            token = web
                .get(&browser, "/log")
                .await
                .is(200)
                .field("/sign-out", "token");
        }
        let order = format!("main {version} {id}");
        for (place, (path, method, needs)) in PAGES.iter().enumerate() {
            let may = match role {
                None => *needs == Nothing,
                Some(role) => is_enough(*needs, *role, shop),
            };
            // A stream of events has no end to wait for.
            if may && *path == "/events" {
                continue;
            }
            let key = format!("{:032x}", 1000 * number + place);
            let fields = [
                ("token", token.as_str()),
                ("version", &version),
                ("key", &key),
                ("reason", "BUYER_NOT_REACHABLE"),
                ("order", &order),
                ("verb", "keep"),
                ("rules", "[[rule]]\nname = \"all\"\nthen = \"hold\"\n"),
                ("stock", ""),
                ("sku", "B"),
                ("on_hand", "3"),
                ("warehouse", ""),
                ("part", "A"),
                ("each", "1"),
                ("source", "test"),
                ("until", "9"),
                ("lang", "ru"),
                ("back", "/"),
            ];
            let before = web.world.store.newest_audit_row().await.unwrap();
            let address = address(path, &id);
            let said = match *method {
                "GET" => web.get(&browser, &address).await,
                // Whoever follows a link sends nothing beside it.
                _ if *path == "/sign-in/{secret}" => {
                    web.post(&browser, &address, &Sent::form(&web, &[])).await
                }
                _ => {
                    web.post(&browser, &address, &Sent::form(&web, &fields))
                        .await
                }
            };
            let what = format!("{role:?} in {shop:?}: {method} {path}: {}", said.status);
            let is_refused = matches!(said.status, 401 | 403 | 404);
            assert_eq!(is_refused, !may, "{what}\n{}", said.body);
            assert!(said.status < 500, "{what}");
            if role.is_none() && !may {
                assert_eq!(said.status, 401, "{what}");
            }
            if !may {
                let now = web.world.store.newest_audit_row().await.unwrap();
                assert_eq!(now, before, "{what}");
            }
        }
        web.end().await;
    }
}

#[tokio::test]
async fn every_token_gets_from_the_api_what_its_role_may_and_changes_nothing_else() {
    for (number, (role, shop)) in (1..).zip(WHO) {
        let (web, ..) = begin().await;
        let token = NewToken::of([number; 4], &[number; 32]);
        if let Some(role) = role {
            let by = Actor::command_line("person", "uid 1000");
            let (grants, now) = (grants(*role, shop), web.world.now());
            let made = web
                .world
                .store
                .create_token(&token, ("one", &grants, None), &by, now);
            made.await.unwrap();
        }
        for (path, method, body, verb) in API {
            let may = role.is_some_and(|role| is_enough(Needs::Verb(*verb), role, shop));
            let before = web.world.store.newest_audit_row().await.unwrap();
            let head = format!(
                "{method} {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n",
                address(path, ""),
                web.address,
                token.text,
                body.len()
            );
            let said = web.ask(&head, body).await;
            let what = format!("{role:?} in {shop:?}: {method} {path}: {}", said.status);
            // Nothing is pushed here: who may is answered that there is no such source.
            let is_refused = match *verb {
                Verb::PushStock => matches!(said.status, 401 | 403),
                _ => matches!(said.status, 401 | 403 | 404),
            };
            assert_eq!(is_refused, !may, "{what}\n{}", said.body);
            assert!(said.status < 500, "{what}");
            if !may {
                let now = web.world.store.newest_audit_row().await.unwrap();
                assert_eq!(now, before, "{what}");
            }
        }
        web.end().await;
    }
}
