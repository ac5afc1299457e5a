//! Who may decide by hand: the role is checked where the decision is taken, whatever door it came by.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use qabyl::domain::ids::ShopName;
use qabyl::domain::interlocks::Name;
use qabyl::domain::people::{Actor, Grants, Refusal, Role};
use qabyl::domain::verdict::{CancelReason, Verdict};
use qabyl::ledger::{Key, Manual, ManualDecision, Terms};
use qabyl::store::StoreError;
use qabyl_sandbox::Settings;

use crate::world::{TestWorld, world};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const VERBS: [&str; 4] = ["accept", "cancel", "hold", "release"];

fn program(role: Role, shops: &[ShopName]) -> Actor {
    Actor::token("bitrix", "0a1b2c3d", Grants::of(role, shops), PEER)
}

fn cancel() -> Verdict {
    Verdict::Cancel {
        reason: CancelReason::BuyerNotReachable,
        comment: "not reached".to_owned(),
    }
}

/// Does it; the refusal, where it is one.
async fn decide(
    world: &TestWorld,
    code: &str,
    (verb, actor, terms): (&str, &Actor, Terms<'_>),
) -> Result<(), StoreError> {
    let (shop, id) = world.store.find_order(code, None).await?;
    let input = world.shop.ctx.deciding_input();
    let verdict = match verb {
        "cancel" => cancel(),
        _ => Verdict::Accept,
    };
    let what = match verb {
        "hold" => Manual::Hold("the buyer will call"),
        "release" => Manual::Release,
        _ => Manual::Answer {
            verdict: &verdict,
            input: &input,
            limits: None,
            terms,
        },
    };
    let decision = ManualDecision::plain(what, actor);
    let taken = world
        .store
        .decide_manually((&shop, &id), &decision, world.now());
    taken.await.map(|_| ())
}

fn is_not_allowed(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::NotTaken(Refusal::NotAllowed(_))))
}

/// Every role with every verb, in its own shop, in another one and in all: Kaspi gets what the role allows, and nothing
/// else.
#[tokio::test]
async fn a_role_does_what_it_allows_in_its_shops_and_nothing_else() {
    let world = world(Settings::default()).begin().await;
    let own = vec![world.shop.ctx.shop.clone()];
    let other = vec![ShopName::new("second").unwrap()];
    let may = |role: Role, verb: &str| match role {
        Role::Viewer | Role::Stock => false,
        Role::Operator => verb != "cancel",
        Role::Admin => true,
    };
    let mut number = 0;
    for role in Role::ALL {
        for verb in VERBS {
            for shops in [&own, &other, &Vec::new()] {
                number += 1;
                let code = format!("9700{number:05}");
                world.place_plain(&[(&code, "A", 1)]);
                world.poll_and_decide().await;
                if verb == "release" {
                    let owner = Actor::command_line("owner", "uid 1000");
                    let held = decide(&world, &code, ("hold", &owner, Terms::default())).await;
                    held.unwrap();
                }
                let actor = program(role, shops);
                let done = decide(&world, &code, (verb, &actor, Terms::default())).await;
                let expected = may(role, verb) && shops != &other;
                let of = format!("{role} {verb} in {shops:?}");
                assert_eq!(done.is_ok(), expected, "{of}: {done:?}");
                assert_eq!(is_not_allowed(&done), !expected, "{of}");
                world.act().await;
                let sent = match verb {
                    "accept" | "cancel" if expected => vec![verb.to_owned()],
                    _ => Vec::new(),
                };
                assert_eq!(world.posts(&code), sent, "{of}");
                let rows = world.store.audit_rows(Some(&code), 100).await.unwrap();
                let by_token = rows.iter().filter(|row| row.actor == "token:bitrix");
                let origins: Vec<String> =
                    by_token.filter_map(|row| row.operator.clone()).collect();
                assert_eq!(!origins.is_empty(), expected, "{of}: {origins:?}");
                let named = format!("api, token 0a1b2c3d, {role}, from 127.0.0.1");
                assert!(origins.iter().all(|origin| *origin == named), "{origins:?}");
            }
        }
    }
}

/// Cancels of one person are limited, by whatever name and with whatever token of the same name they come.
#[tokio::test]
async fn one_person_cannot_cancel_without_end() {
    let world = world(Settings::default()).begin().await;
    let terms = Terms {
        cancels_per_person_max: Some(2),
        ..Terms::default()
    };
    let codes: Vec<String> = (0..6).map(|n| format!("97100000{n}")).collect();
    for code in &codes {
        world.place_plain(&[(code, "A", 1)]);
    }
    world.poll_and_decide().await;
    let as_name = |name: &str| Actor::command_line(name, "uid 1000");
    for (code, name) in codes.iter().zip(["person:a", "person:b"]) {
        let done = decide(&world, code, ("cancel", &as_name(name), terms)).await;
        done.unwrap();
    }
    let third = decide(&world, &codes[2], ("cancel", &as_name("person:c"), terms)).await;
    let words = third.unwrap_err().to_string();
    assert!(words.contains("cancels_per_person_max"), "{words}");
    // Somebody else, and what is no cancel, go on.
    let token = program(Role::Admin, &[]);
    decide(&world, &codes[3], ("cancel", &token, terms))
        .await
        .unwrap();
    decide(&world, &codes[4], ("accept", &as_name("person:a"), terms))
        .await
        .unwrap();
    world.act().await;
    assert_eq!(world.posts(&codes[2]), [""; 0]);
    world.time.advance(Duration::from_mins(61));
    decide(&world, &codes[2], ("cancel", &as_name("person:c"), terms))
        .await
        .unwrap();
}

/// Where nothing is sent, an accept would look as if it were under way.
#[tokio::test]
async fn a_shop_that_only_proposes_takes_no_accept_and_names_the_mode() {
    let world = world(Settings::default()).begin().await;
    world.place_plain(&[("970000970", "A", 1)]);
    world.poll_and_decide().await;
    let terms = Terms {
        sends_nothing: Some("in mode propose"),
        ..Terms::default()
    };
    let admin = program(Role::Admin, &[]);
    for verb in ["accept", "cancel"] {
        let refused = decide(&world, "970000970", (verb, &admin, terms)).await;
        let words = refused.unwrap_err().to_string();
        for word in ["in mode propose", "mode = \"act\""] {
            assert!(words.contains(word), "{words}");
        }
    }
    decide(&world, "970000970", ("hold", &admin, terms))
        .await
        .unwrap();
}

/// The interlock that is named is overridden, and no other one; the refusal names what is in the way.
#[tokio::test]
async fn an_interlock_is_overridden_by_its_name_alone() {
    let world = world(Settings::default()).begin().await;
    world.place_plain(&[("970000980", "A", 1)]);
    world.poll_and_decide().await;
    let (shop, id) = world.store.find_order("970000980", None).await.unwrap();
    let (input, policy) = (world.shop.ctx.deciding_input(), world.shop.ctx.policy());
    let operator = program(Role::Operator, &[]);
    let accept = |named: &'static [Name]| ManualDecision {
        overrides: Some(named),
        key: Some(Key::plain("one")),
        ..ManualDecision::plain(
            Manual::Answer {
                verdict: &Verdict::Accept,
                input: &input,
                limits: Some(&policy.limits),
                terms: Terms::default(),
            },
            &operator,
        )
    };
    for named in [&[][..], &[Name::StockAge]] {
        let refused = world
            .store
            .decide_manually((&shop, &id), &accept(named), world.now())
            .await;
        let Err(StoreError::NotTaken(Refusal::Objected(names))) = refused else {
            panic!("{refused:?}");
        };
        let names: Vec<Name> = names.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [Name::UnknownStock, Name::AcceptedOrdersFresh]);
    }
    world.act().await;
    assert_eq!(world.posts("970000980"), [""; 0]);
    // A refusal leaves no key behind: the next request may say more.
    let named = accept(&[Name::UnknownStock, Name::AcceptedOrdersFresh]);
    let taken = world
        .store
        .decide_manually((&shop, &id), &named, world.now());
    assert_eq!(taken.await.unwrap().overridden.len(), 2);
    world.act().await;
    assert_eq!(world.posts("970000980"), ["accept"]);
}

/// Two programs may count their keys from one: they do not answer for each other.
#[tokio::test]
async fn a_key_is_its_owners() {
    let world = world(Settings::default()).begin().await;
    world.place_plain(&[("970000991", "A", 1), ("970000992", "A", 1)]);
    world.poll_and_decide().await;
    for (code, name) in [("970000991", "crm"), ("970000992", "1c")] {
        let (shop, id) = world.store.find_order(code, None).await.unwrap();
        let actor = Actor::token(name, "00000000", Grants::everywhere(Role::Operator), PEER);
        let decision = ManualDecision {
            key: Some(Key::plain("1")),
            ..ManualDecision::plain(Manual::Hold("a key"), &actor)
        };
        let taken = world
            .store
            .decide_manually((&shop, &id), &decision, world.now());
        assert_eq!(taken.await.unwrap().repeated, None);
        assert!(world.view(code).await.held.is_some(), "{code}");
    }
}
