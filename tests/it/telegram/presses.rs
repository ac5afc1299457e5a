//! What a press does, and what it does not do.

use std::time::Duration;

use qabyl::domain::ids::ShopName;
use qabyl::domain::people::{Actor, Role};
use qabyl::ledger::{PressDid, Pressed, WhyNothing};

use super::GROUP;
use super::phone::{ADMIN, CODE, NOBODY, OPERATOR, PRIVATE, Phone, VIEWER};
use crate::migrations::look_into;

#[tokio::test]
async fn an_accept_that_is_pressed_reaches_kaspi_and_every_chat_says_who_decided() {
    let phone = Phone::new().await;
    phone.hold(CODE).await;
    let message = phone.message(GROUP, CODE);
    for part in ["× 2, available: 5", "₸", "Decide by:", "rule 'by hand'"] {
        assert!(message.text.contains(part), "{part} in {}", message.text);
    }
    assert_eq!(message.labels(), ["Accept", "Cancel", "Keep", "Why?"]);
    let answer = phone.press(OPERATOR, CODE, "Accept").await;
    assert_eq!(answer.text, "Accepting the order");
    let shown = phone.message(GROUP, CODE);
    assert!(
        shown.text.contains("Being accepted, decided by Oper"),
        "{}",
        shown.text
    );
    assert!(shown.buttons.is_empty());
    phone.world.brief().await;
    assert_eq!(phone.world.posts(CODE), ["accept"]);
    phone.world.minutes(2).await;
    phone.tell().await;
    for (chat, text) in [
        (GROUP, "✅ Accepted, decided by Oper"),
        (PRIVATE, "✅ Принят, решение: Oper"),
    ] {
        let message = phone.message(chat, CODE);
        assert!(message.text.ends_with(text), "{}", message.text);
        assert!(message.buttons.is_empty(), "{message:?}");
    }
    let rows = phone.world.store.audit_rows(Some(CODE), 100).await.unwrap();
    let by = rows.iter().find(|row| row.actor == "user:Oper").unwrap();
    let origin = by.operator.as_deref().unwrap_or_default();
    assert!(
        origin.contains("telegram") && origin.contains("operator"),
        "{origin}"
    );
    phone.end().await;
}

#[tokio::test]
async fn a_press_of_somebody_who_may_not_does_nothing_and_is_answered() {
    let phone = Phone::new().await;
    let second = ShopName::new("second").unwrap();
    phone.user(("Other", 7004), Role::Admin, &[second]).await;
    phone.user(("Gone", 7005), Role::Admin, &[]).await;
    let owner = Actor::command_line("owner", "uid 1000");
    let gone = phone
        .world
        .store
        .disable_user("Gone", &owner, phone.world.now());
    gone.await.unwrap();
    phone.hold(CODE).await;
    for (from, label, text) in [
        (NOBODY, "Accept", "You are no user"),
        (7005, "Accept", "You are no user"),
        (NOBODY, "Why?", "You are no user"),
        (7004, "Accept", "Your role does not allow"),
        (VIEWER, "Accept", "Your role does not allow"),
        (VIEWER, "Keep", "Your role does not allow"),
        (OPERATOR, "Cancel", "Your role does not allow"),
    ] {
        let answer = phone.press(from, CODE, label).await;
        assert!(answer.text.starts_with(text), "{label}: {answer:?}");
    }
    phone.world.brief().await;
    assert_eq!(phone.world.posts(CODE), Vec::<String>::new());
    for actor in ["user:Other", "user:Gone", "user:View", "user:Oper"] {
        assert_eq!(
            phone.rows_of(CODE, actor).await,
            Vec::<String>::new(),
            "{actor}"
        );
    }
    // They are not in the way of those who may.
    let why = phone.press(VIEWER, CODE, "Why?").await;
    assert!(why.alert && why.text.contains("rule 'by hand'"), "{why:?}");
    phone.press(OPERATOR, CODE, "Accept").await;
    phone.world.brief().await;
    assert_eq!(phone.world.posts(CODE), ["accept"]);
    phone.end().await;
}

#[tokio::test]
async fn a_button_is_good_once_in_its_message_and_until_the_deadline() {
    let phone = Phone::new().await;
    for code in ["970000951", "970000952", "970000953"] {
        phone.hold(code).await;
    }
    let first = phone.message(GROUP, "970000951");
    let data = |code: &str, label: &str| {
        let message = phone.message(GROUP, code);
        let data = message.data(label).map(str::to_owned);
        ((GROUP, message.id), data.unwrap())
    };
    // Made up, and of another message.
    let (place, good) = data("970000952", "Accept");
    let wrong = "0123456789abcdef0123456789abcdef";
    for (place, data) in [
        (place, wrong),
        ((GROUP, first.id), good.as_str()),
        ((7777, place.1), good.as_str()),
    ] {
        let answer = phone.press_data(ADMIN, place, data).await;
        assert!(answer.text.contains("no longer valid"), "{answer:?}");
    }
    // Used, by the same person and by another one.
    let (place, accept) = data("970000951", "Accept");
    let (_, keep) = data("970000951", "Keep");
    phone.press_data(OPERATOR, place, &accept).await;
    for (from, data) in [(OPERATOR, &accept), (ADMIN, &accept), (ADMIN, &keep)] {
        let answer = phone.press_data(from, place, data).await;
        assert!(answer.text.contains("used already"), "{answer:?}");
    }
    // Elsewhere it is still shown, and decided all the same.
    let other = phone.message(PRIVATE, "970000951");
    let late = other.data("Принять").unwrap().to_owned();
    let answer = phone.press_data(ADMIN, (PRIVATE, other.id), &late).await;
    assert!(answer.text.contains("уже решён"), "{answer:?}");
    // The deadline passes, and the bot is asked all the time.
    let (place, late) = data("970000953", "Accept");
    for _ in 0..181 {
        phone.world.time.advance(Duration::from_mins(1));
        phone.listen_for_nothing().await;
    }
    let answer = phone.press_data(OPERATOR, place, &late).await;
    assert!(answer.text.contains("time of this button"), "{answer:?}");
    phone.tell().await;
    let message = phone.message(GROUP, "970000953");
    assert!(
        message.buttons.is_empty() && message.text.contains("The deadline has passed"),
        "{message:?}"
    );
    phone.world.brief().await;
    assert_eq!(phone.world.posts("970000952"), Vec::<String>::new());
    assert_eq!(phone.world.posts("970000953"), Vec::<String>::new());
    phone.bot.shutdown().await;
}

#[tokio::test]
async fn a_press_about_another_version_does_nothing_and_the_message_shows_the_new_one() {
    let phone = Phone::new().await;
    phone.hold(CODE).await;
    let mut database = look_into(phone.world.store.path()).await;
    let amended = "UPDATE lines SET quantity = 3, body = json_set(body, '$.quantity', 3);
        UPDATE orders SET body = json_set(body, '$.total', json_extract(body, '$.total') * 3)";
    sqlx::raw_sql(amended).execute(&mut database).await.unwrap();
    let message = phone.message(GROUP, CODE);
    let accept = message.data("Accept").unwrap().to_owned();
    let answer = phone
        .press_data(OPERATOR, (GROUP, message.id), &accept)
        .await;
    assert!(answer.text.contains("The order has changed"), "{answer:?}");
    phone.world.act().await;
    assert_eq!(phone.world.posts(CODE), Vec::<String>::new());
    phone.tell().await;
    let shown = phone.message(GROUP, CODE);
    assert!(shown.text.contains("× 3"), "{}", shown.text);
    assert_eq!(shown.labels(), ["Accept", "Cancel", "Keep", "Why?"]);
    phone.bot.shutdown().await;
}

#[tokio::test]
async fn an_update_that_comes_again_is_not_done_again() {
    let phone = Phone::new().await;
    phone.hold(CODE).await;
    let message = phone.message(GROUP, CODE);
    let (accept, keep) = (
        message.data("Accept").unwrap(),
        message.data("Keep").unwrap(),
    );
    let press = |data| Pressed {
        update: (123_456, 900),
        telegram: OPERATOR,
        place: (GROUP, message.id),
        data,
        is_late: false,
    };
    let (store, now) = (&phone.world.store, phone.world.now());
    let unknown = |_: &ShopName| None;
    let kept = store.press(&press(keep), &unknown, now).await.unwrap();
    assert_eq!(kept.did, PressDid::Kept);
    let (shop, id) = store.find_order(CODE, None).await.unwrap();
    store.release_order(&shop, &id, "owner", now).await.unwrap();
    for data in [keep, accept] {
        let again = store.press(&press(data), &unknown, now).await.unwrap();
        assert_eq!(again.did, PressDid::Nothing(WhyNothing::Repeated));
    }
    assert_eq!(phone.rows_of(CODE, "user:Oper").await, ["order.held"]);
    phone.end().await;
}

#[tokio::test]
async fn a_press_that_was_fetched_after_an_outage_asks_again() {
    let phone = Phone::new().await;
    phone.hold(CODE).await;
    phone.listen_for_nothing().await;
    phone.world.time.advance(Duration::from_secs(121));
    let answer = phone.press(OPERATOR, CODE, "Accept").await;
    assert!(
        answer.alert && answer.text.contains("more than two minutes"),
        "{answer:?}"
    );
    phone.world.brief().await;
    assert_eq!(phone.world.posts(CODE), Vec::<String>::new());
    let message = phone.message(GROUP, CODE);
    assert!(message.text.contains("press again"), "{}", message.text);
    phone.press(OPERATOR, CODE, "Accept").await;
    phone.world.brief().await;
    assert_eq!(phone.world.posts(CODE), ["accept"]);
    phone.end().await;
}

#[tokio::test]
async fn a_cancel_needs_a_second_press_of_the_same_person_within_a_minute() {
    let phone = Phone::new().await;
    phone.hold(CODE).await;
    let reason = "Cancel: the buyer cannot be reached";
    let answer = phone.press(ADMIN, CODE, "Cancel").await;
    assert_eq!(answer.text, "Choose the reason for the cancel");
    let message = phone.message(GROUP, CODE);
    assert!(message.text.contains("within a minute"), "{}", message.text);
    phone.user(("Second", 7006), Role::Admin, &[]).await;
    let answer = phone.press(7006, CODE, reason).await;
    assert!(answer.text.contains("Somebody else"), "{answer:?}");
    // The minute passes: the first buttons are back.
    let late = phone.message(GROUP, CODE);
    let data = late.data(reason).unwrap().to_owned();
    phone.world.time.advance(Duration::from_secs(50));
    let answer = phone.press_data(ADMIN, (GROUP, late.id), &data).await;
    assert!(answer.text.contains("time of this button"), "{answer:?}");
    phone.tell().await;
    assert_eq!(phone.message(GROUP, CODE).labels()[0], "Accept");
    phone.world.brief().await;
    assert_eq!(phone.world.posts(CODE), Vec::<String>::new());
    // One goes back, and then cancels after all.
    phone.press(ADMIN, CODE, "Cancel").await;
    phone.press(ADMIN, CODE, "« Back").await;
    phone.press(ADMIN, CODE, "Cancel").await;
    let answer = phone.press(ADMIN, CODE, reason).await;
    // The goods are there: what speaks against it is named, and asks once more.
    let answer = if answer.text.contains("Checks object") {
        let message = phone.message(GROUP, CODE);
        assert!(
            message.text.contains("What speaks against cancelling"),
            "{}",
            message.text
        );
        phone.press(ADMIN, CODE, "Cancel all the same").await
    } else {
        answer
    };
    assert_eq!(answer.text, "Cancelling the order");
    phone.world.once().await;
    phone.tell().await;
    assert_eq!(phone.world.posts(CODE), ["cancel"]);
    let given = {
        let world = phone.world.kaspi();
        world.order(CODE).unwrap().cancellation_reason.clone()
    };
    assert_eq!(given.as_deref(), Some("BUYER_NOT_REACHABLE"));
    let message = phone.message(GROUP, CODE);
    assert!(
        message.text.ends_with("❌ Cancelled, decided by Adam"),
        "{}",
        message.text
    );
    phone.bot.shutdown().await;
}

#[tokio::test]
async fn interlocks_that_object_are_named_and_overridden_by_a_second_press() {
    let phone = Phone::with("", &[("B", 5)]).await;
    phone.hold(CODE).await;
    let answer = phone.press(OPERATOR, CODE, "Accept").await;
    assert!(answer.text.contains("Checks object"), "{answer:?}");
    let message = phone.message(GROUP, CODE);
    for part in [
        "What speaks against accepting:",
        "stock of a line is unknown",
    ] {
        assert!(message.text.contains(part), "{part} in {}", message.text);
    }
    phone.world.brief().await;
    assert_eq!(phone.world.posts(CODE), Vec::<String>::new());
    // What is read in time does not object as well.
    phone.world.poll_and_decide().await;
    let answer = phone.press(OPERATOR, CODE, "Accept all the same").await;
    assert_eq!(answer.text, "Accepting the order");
    let rows = phone.rows_of(CODE, "user:Oper").await;
    assert!(
        rows.contains(&"interlocks.overridden".to_owned()),
        "{rows:?}"
    );
    phone.world.brief().await;
    assert_eq!(phone.world.posts(CODE), ["accept"]);
    phone.bot.shutdown().await;
}

#[tokio::test]
async fn what_was_decided_elsewhere_is_shown_and_its_buttons_do_nothing() {
    let phone = Phone::new().await;
    for code in ["970000961", "970000962", "970000963"] {
        phone.hold(code).await;
    }
    let message = phone.message(GROUP, "970000961");
    let accept = message.data("Accept").unwrap().to_owned();
    let now = phone.world.now();
    assert!(phone.world.kaspi().cabinet_cancels("970000961", now));
    assert!(phone.world.kaspi().cabinet_accepts("970000962", now));
    phone.press(OPERATOR, "970000963", "Keep").await;
    phone.world.minutes(3).await;
    let answer = phone
        .press_data(OPERATOR, (GROUP, message.id), &accept)
        .await;
    assert!(answer.text.contains("decided already"), "{answer:?}");
    phone.tell().await;
    for (code, text) in [
        ("970000961", "Cancelled at Kaspi, not by Qabyl"),
        ("970000962", "Accepted in the cabinet"),
        ("970000963", "Kept on hold by Oper"),
    ] {
        let message = phone.message(GROUP, code);
        assert!(message.text.contains(text), "{}", message.text);
        assert!(message.buttons.is_empty(), "{message:?}");
    }
    phone.bot.shutdown().await;
}

#[tokio::test]
async fn a_group_gets_twenty_messages_a_minute_and_a_chat_one_a_second() {
    let phone = Phone::new().await;
    for n in 0..30 {
        phone
            .world
            .place_plain(&[(&format!("9800000{n:02}"), "B", 1)]);
    }
    phone.world.poll_and_decide().await;
    let count = |chat| super::messages(&phone.bot, chat).len();
    let (mut group, mut private) = (count(GROUP), count(PRIVATE));
    let before = (group, private);
    for second in 1..=60 {
        phone.world.time.advance(Duration::from_secs(1));
        phone.tell_once().await;
        let now = (count(GROUP), count(PRIVATE));
        assert!(
            now.0 <= group + 1 && now.1 <= private + 1,
            "second {second}: {now:?}"
        );
        (group, private) = now;
    }
    assert_eq!((group - before.0, private - before.1), (20, 30));
    phone.world.time.advance(Duration::from_secs(1));
    for _ in 0..20 {
        phone.tell().await;
    }
    assert_eq!(count(GROUP), before.0 + 30);
    phone.bot.shutdown().await;
}
