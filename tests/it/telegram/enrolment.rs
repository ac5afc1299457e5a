//! A user's account is linked by a code that is good for ten minutes, once, and not guessed.

use std::time::Duration;

use qabyl::domain::people::{Actor, Grants, Role};
use qabyl::ledger::{Enrolled, EnrolmentCode};
use qabyl_sandbox::Settings;

use super::{AIGUL, bot, desk, log, says};
use crate::cli::daemon::{Daemon, until};
use crate::world::{TestWorld, world};

const BOT: i64 = 123_456;
const UNKNOWN: i64 = 6666;

fn owner() -> Actor {
    Actor::command_line("owner", "uid 1000")
}

async fn add(world: &TestWorld, name: &str, random: u8) -> String {
    let (grants, now, owner) = (Grants::everywhere(Role::Operator), world.now(), owner());
    let added = world.store.add_user((name, None), &grants, &owner, now);
    added.await.unwrap();
    let code = EnrolmentCode::of(&[random; 10]);
    let offered = world.store.offer_enrolment((name, &code), &owner, now);
    assert!(offered.await.unwrap());
    code.to_string()
}

async fn sends(world: &TestWorld, update: i64, from: i64, code: &str) -> Enrolled {
    let sent = world.store.enrol((BOT, update), (from, code), world.now());
    sent.await.unwrap()
}

#[tokio::test]
async fn a_code_is_good_once_and_for_ten_minutes() {
    let world = world(Settings::default()).begin().await;
    let code = add(&world, "Aigul", 1).await;
    let late = add(&world, "Berik", 2).await;
    let linked = sends(&world, 1, AIGUL, &code.to_lowercase()).await;
    assert!(matches!(linked, Enrolled::Linked(user) if user.name == "Aigul"));
    assert_eq!(sends(&world, 1, AIGUL, &code).await, Enrolled::Repeated);
    assert_eq!(sends(&world, 2, UNKNOWN, &code).await, Enrolled::Wrong);
    let taken = Enrolled::Taken("Aigul".to_owned());
    assert_eq!(sends(&world, 3, AIGUL, &late).await, taken);
    world.time.advance(Duration::from_secs(601));
    assert_eq!(sends(&world, 4, UNKNOWN, &late).await, Enrolled::Wrong);
    let users = world.store.users().await.unwrap();
    let numbers: Vec<Option<i64>> = users.iter().map(|user| user.telegram).collect();
    assert_eq!(numbers, [Some(AIGUL), None]);
    let rows = world.store.audit_rows(None, 50).await.unwrap();
    let by = rows.iter().find(|row| row.event == "user.linked").unwrap();
    let origin = by.operator.as_deref().unwrap_or_default();
    assert!(
        by.actor == "user:Aigul" && origin.contains("7001"),
        "{by:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_disabled_user_links_no_account() {
    let world = world(Settings::default()).begin().await;
    let code = add(&world, "Aigul", 1).await;
    let owner = owner();
    let disabled = world.store.disable_user("Aigul", &owner, world.now());
    disabled.await.unwrap();
    assert_eq!(sends(&world, 1, AIGUL, &code).await, Enrolled::Wrong);
    world.finish().await;
}

#[tokio::test]
async fn somebody_who_guesses_is_not_listened_to_for_a_while() {
    let world = world(Settings::default()).begin().await;
    let code = add(&world, "Aigul", 1).await;
    for update in 1..6 {
        let guess = format!("AAAAA-AAAA{update}");
        assert_eq!(
            sends(&world, update, UNKNOWN, &guess).await,
            Enrolled::Wrong
        );
    }
    assert_eq!(sends(&world, 6, UNKNOWN, &code).await, Enrolled::TooMany);
    // The one whose code it is is not in their way.
    let linked = sends(&world, 7, AIGUL, &code).await;
    assert!(matches!(linked, Enrolled::Linked(_)), "{linked:?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sends_the_code_to_the_bot_and_is_known_from_then_on() {
    let bot = bot();
    let desk = desk(&bot);
    let said = desk
        .qabyl(&["user", "add", "Aigul", "--role", "operator"])
        .await
        .ok();
    let code = said
        .out
        .split("/start ")
        .nth(1)
        .expect(&said.out)
        .trim()
        .to_owned();
    let daemon = Daemon::start(&desk);
    bot.with(|bot| bot.says(UNKNOWN, UNKNOWN, "/start ABCDE-FGHJK"));
    until("a wrong code is refused", || {
        says(&bot, UNKNOWN, "not valid")
    })
    .await;
    // In a group everybody reads the code: it does nothing there.
    bot.with(|bot| bot.says(AIGUL, super::GROUP, &format!("/start {code}")));
    bot.with(|bot| bot.says(AIGUL, AIGUL, &format!("/start {code}")));
    until("she is known", || says(&bot, AIGUL, "Done, Aigul")).await;
    let listed = desk.qabyl(&["user", "list", "--format", "json"]).await.ok();
    assert_eq!(listed.json()[0]["telegram"], AIGUL);
    // One who is linked gets no code.
    let again = desk
        .qabyl(&["user", "add", "Aigul", "--role", "admin"])
        .await
        .ok();
    assert!(!again.out.contains("/start"), "{}", again.out);
    assert_eq!(daemon.stop(), Some(0));
    let log = log(&desk);
    assert!(log.contains("telegram.linked") && log.contains("telegram.refused"));
    for hidden in [
        "Aigul",
        "Hidden-name",
        "hidden_username",
        super::BOT_TOKEN,
        &code,
    ] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
    bot.shutdown().await;
}
