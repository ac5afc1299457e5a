//! What people write to the bot.

use qabyl::domain::ids::ShopName;
use qabyl::domain::people::Role;
use qabyl::ledger::Secret;

use super::GROUP;
use super::phone::{ADMIN, CODE, NOBODY, OPERATOR, Phone, VIEWER};

#[tokio::test]
async fn held_orders_are_listed_and_each_is_shown_with_buttons() {
    let phone = Phone::new().await;
    for code in ["970000971", "970000972"] {
        phone.hold(code).await;
    }
    let listed = phone.write(VIEWER, VIEWER, "/held").await;
    let text = &listed[0].text;
    assert!(text.starts_with("Waiting for your decision: 2"), "{text}");
    assert!(
        text.contains("/order_970000971 until") && text.contains("rule 'by hand'"),
        "{text}"
    );
    let shown = phone.write(OPERATOR, OPERATOR, "/order_970000971").await;
    assert_eq!(shown[0].labels(), ["Accept", "Cancel", "Keep", "Why?"]);
    let answer = phone
        .press_in(OPERATOR, OPERATOR, "970000971", "Accept")
        .await;
    assert_eq!(answer.text, "Accepting the order");
    phone.world.brief().await;
    assert_eq!(phone.world.posts("970000971"), ["accept"]);
    phone.world.minutes(1).await;
    phone.tell().await;
    let message = phone.message(OPERATOR, "970000971");
    assert!(
        message.text.contains("Accepted, decided by Oper"),
        "{}",
        message.text
    );
    // It no longer waits: there is nothing to press.
    let shown = phone
        .write(OPERATOR, GROUP, "/order@qabyl_test_bot 970000971")
        .await;
    assert!(
        shown[0].buttons.is_empty() && shown[0].text.contains("decided by Oper"),
        "{shown:?}"
    );
    let listed = phone.write(VIEWER, VIEWER, "/held").await;
    assert!(listed[0].text.contains(": 1"), "{listed:?}");
    let unknown = phone.write(VIEWER, VIEWER, "/order 1").await;
    assert!(
        unknown[0].text.starts_with("There is no such order"),
        "{unknown:?}"
    );
    phone.bot.shutdown().await;
}

#[tokio::test]
async fn today_is_summed_up_for_the_shops_that_a_user_may_see() {
    let phone = Phone::new().await;
    phone.hold(CODE).await;
    let said = phone.write(VIEWER, GROUP, "/today").await;
    let text = &said[0].text;
    assert!(
        text.starts_with("main, today: new 1, accepted 0, cancelled 0. Waiting for you: 1"),
        "{text}"
    );
    let second = ShopName::new("second").unwrap();
    phone.user(("Other", 7004), Role::Admin, &[second]).await;
    for command in ["/today", "/held", "/order 970000950"] {
        let said = phone.write(7004, 7004, command).await;
        assert!(
            !said[0].text.contains("main") && said[0].buttons.is_empty(),
            "{said:?}"
        );
    }
    phone.bot.shutdown().await;
}

#[tokio::test]
async fn a_shop_is_paused_by_who_may_and_by_nobody_else() {
    let phone = Phone::new().await;
    for from in [OPERATOR, VIEWER, NOBODY] {
        phone.write(from, from, "/pause").await;
        let state = phone
            .world
            .store
            .shop_state(&phone.world.shop.ctx.shop)
            .await;
        assert_eq!(state.unwrap().paused, None, "{from}");
    }
    // In a group there is no answer to who is no user.
    assert!(phone.write(NOBODY, GROUP, "/pause").await.is_empty());
    let said = phone.write(ADMIN, ADMIN, "/pause").await;
    assert!(said[0].text.contains("Paused: main"), "{said:?}");
    let paused = || async {
        let state = phone
            .world
            .store
            .shop_state(&phone.world.shop.ctx.shop)
            .await;
        state.unwrap().paused
    };
    assert!(paused().await.is_some());
    let said = phone.write(VIEWER, VIEWER, "/today").await;
    assert!(said[0].text.contains("Paused: nothing is sent"), "{said:?}");
    phone.write(ADMIN, ADMIN, "/resume main").await;
    assert_eq!(paused().await, None);
    phone.bot.shutdown().await;
}

#[tokio::test]
async fn a_link_to_the_web_app_comes_in_a_private_chat_alone() {
    let mut phone = Phone::new().await;
    let said = phone.write(VIEWER, VIEWER, "/login").await;
    assert!(said[0].text.starts_with("The web app is off"), "{said:?}");
    phone.serve_web_at("https://qabyl.shop.kz");
    assert!(phone.write(VIEWER, GROUP, "/login").await.is_empty());
    let said = phone.write(NOBODY, NOBODY, "/login").await;
    assert!(!said[0].text.contains("sign-in"), "{said:?}");
    let said = phone.write(VIEWER, VIEWER, "/login").await;
    let link = said[0].text.rsplit_once("https://qabyl.shop.kz/sign-in/");
    let secret = Secret::shown(link.unwrap().1.trim()).unwrap();
    let (store, now) = (&phone.world.store, phone.world.now());
    let user = store.link_shown(&secret, now).await.unwrap();
    assert_eq!(user.unwrap().name, "View");
    phone.bot.shutdown().await;
}
