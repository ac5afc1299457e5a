//! Users and tokens: who is added with which role, what a token lets in, and what is left of it in the database.

use std::time::Duration;

use qabyl::domain::ids::ShopName;
use qabyl::domain::people::{Actor, Grants, Role};
use qabyl::ledger::NewToken;
use qabyl_sandbox::Settings;
use serde_json::Value;

use crate::cli::Desk;
use crate::world::world;

fn owner() -> Actor {
    Actor::command_line("person", "uid 1000")
}

fn token(number: u8) -> NewToken {
    NewToken::of([number; 4], &[number; 32])
}

#[tokio::test]
async fn a_token_lets_in_until_it_is_revoked_or_expires() {
    let world = world(Settings::default()).begin().await;
    let (store, now) = (&world.store, world.now());
    let grants = Grants::everywhere(Role::Operator);
    let ends = now + Duration::from_mins(1);
    for (number, expires_at) in [(1, None), (2, Some(ends))] {
        let of = ("crm", &grants, expires_at);
        store
            .create_token(&token(number), of, &owner(), now)
            .await
            .unwrap();
    }
    let shown = async |number: u8, after: u64| {
        let text = token(number).text;
        let found = store.token_shown(&text, now + Duration::from_secs(after));
        found.await.unwrap().map(|token| token.grants)
    };
    assert_eq!(shown(1, 0).await.as_ref(), Some(&grants));
    assert_eq!(shown(2, 59).await.as_ref(), Some(&grants));
    assert_eq!(shown(2, 60).await, None, "expired");
    assert_eq!(shown(3, 0).await, None, "never made");
    let with_another_secret = format!("qab_01010101_{}", "00".repeat(32));
    let found = store.token_shown(&with_another_secret, now).await.unwrap();
    assert_eq!(found, None, "the id is known, the secret is not");
    // A third live one is refused; one that expired makes room.
    let third = ("crm", &grants, None);
    let refused = store.create_token(&token(3), third, &owner(), now).await;
    let words = refused.unwrap_err().to_string();
    assert!(
        words.contains("01010101") && words.contains("02020202"),
        "{words}"
    );
    store
        .create_token(&token(3), third, &owner(), ends)
        .await
        .unwrap();
    let revoked = store
        .revoke_tokens("01010101", &owner(), now)
        .await
        .unwrap();
    assert_eq!(revoked, ["01010101"]);
    assert_eq!(shown(1, 0).await, None, "revoked");
    assert_eq!(shown(3, 0).await.as_ref(), Some(&grants));
}

/// A person who left must not go on by a program of theirs.
#[tokio::test]
async fn a_disabled_user_takes_the_tokens_of_that_name_along() {
    let world = world(Settings::default()).begin().await;
    let (store, now) = (&world.store, world.now());
    let grants = Grants::everywhere(Role::Admin);
    store
        .add_user(("Берик", Some(77)), &grants, &owner(), now)
        .await
        .unwrap();
    let same = store
        .add_user(("Айгуль", Some(77)), &grants, &owner(), now)
        .await;
    assert!(same.unwrap_err().to_string().contains("Берик"));
    let of = ("Берик", &grants, None);
    store
        .create_token(&token(1), of, &owner(), now)
        .await
        .unwrap();
    assert_eq!(store.disable_user("Берик", &owner(), now).await.unwrap(), 1);
    assert_eq!(store.token_shown(&token(1).text, now).await.unwrap(), None);
    let again = store.create_token(&token(2), of, &owner(), now).await;
    assert!(again.unwrap_err().to_string().contains("disabled"));
    assert!(store.users().await.unwrap()[0].disabled_at.is_some());
}

/// A role follows its shop to a new name: another shop may have the old name later.
#[tokio::test]
async fn roles_are_per_shop_and_the_last_word_counts() {
    let world = world(Settings::default()).begin().await;
    let (store, now) = (&world.store, world.now());
    let shop = |name: &str| ShopName::new(name).unwrap();
    let first = Grants::of(Role::Viewer, &[shop("main"), shop("second")]);
    store
        .add_user(("Aigul", None), &first, &owner(), now)
        .await
        .unwrap();
    let more = Grants::of(Role::Admin, &[shop("second")]);
    store
        .add_user(("Aigul", None), &more, &owner(), now)
        .await
        .unwrap();
    let user = &store.users().await.unwrap()[0];
    assert_eq!(user.grants.role_at(&shop("main")), Some(Role::Viewer));
    assert_eq!(user.grants.role_at(&shop("second")), Some(Role::Admin));
    assert_eq!(user.grants.role_at(&shop("third")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_prints_a_token_once_and_the_audit_log_names_who_made_it() {
    let desk = Desk::new(Settings::default());
    let create = ["token", "create", "1c", "--role", "stock", "--as", "Aigul"];
    let made = desk.qabyl(&create).await.ok();
    let token = made.out.trim();
    assert!(token.starts_with("qab_") && token.len() == 77, "{token}");
    assert!(!made.err.contains(token), "{}", made.err);
    let listed = desk
        .qabyl(&["token", "list", "--format", "json"])
        .await
        .json();
    assert_eq!(listed[0]["name"], "1c");
    assert_eq!(listed[0]["state"], "live");
    assert_eq!(
        listed[0]["roles"],
        serde_json::json!([{ "shop": null, "role": "stock" }])
    );
    let secret = token.rsplit('_').next().unwrap();
    for name in ["qabyl.db", "qabyl.db-wal"] {
        let Ok(bytes) = std::fs::read(desk.path(name)) else {
            continue;
        };
        let holds = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!holds, "{name} holds the secret");
    }
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    desk.qabyl(&["token", "revoke", "1c"]).await.ok();
    desk.qabyl(&["token", "revoke", &id])
        .await
        .fails(1, &["not revoked"]);
    let audit = desk.qabyl(&["audit", "--format", "json"]).await.json();
    let events = |row: &Value| row["event"].as_str().unwrap_or_default().to_owned();
    let rows = audit.as_array().unwrap();
    for event in ["token.created", "token.revoked"] {
        let row = rows.iter().find(|row| events(row) == event).unwrap();
        assert!(!row.to_string().contains(secret), "{row}");
        let operator = row["operator"].as_str().unwrap();
        assert!(operator.contains("command line, admin"), "{row}");
    }
    assert!(audit.to_string().contains("person:Aigul"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_added_listed_and_disabled_and_mistakes_are_named() {
    let desk = Desk::new(Settings::default());
    let add = [
        "user",
        "add",
        "Айгуль",
        "--role",
        "operator",
        "--shop",
        "main",
        "--telegram",
        "42",
    ];
    desk.qabyl(&add).await.ok();
    let listed = desk
        .qabyl(&["user", "list", "--format", "json"])
        .await
        .json();
    assert_eq!(listed[0]["user"], "Айгуль");
    assert_eq!(listed[0]["telegram"], 42);
    assert_eq!(
        listed[0]["roles"],
        serde_json::json!([{ "shop": "main", "role": "operator" }])
    );
    for (wrong, naming) in [
        (
            &["user", "add", "B", "--role", "boss"][..],
            "viewer, operator, admin, stock",
        ),
        (
            &["user", "add", "B", "--role", "admin", "--shop", "nowhere"],
            "known: main",
        ),
        (&["user", "add", "a\u{202e}b", "--role", "admin"], "letters"),
        (&["token", "create", "B"], "--role"),
    ] {
        desk.qabyl(wrong).await.fails(2, &[naming]);
    }
    desk.qabyl(&["user", "disable", "Berik"])
        .await
        .fails(1, &["no user Berik"]);
    desk.qabyl(&["user", "disable", "Айгуль"]).await.ok();
    let shown = desk.qabyl(&["user", "list"]).await.ok().out;
    assert!(shown.contains("disabled"), "{shown}");
    let help = desk.qabyl(&["user", "--help"]).await.ok().out;
    assert!(help.contains("signs in at the web app"), "{help}");
}
