//! The rules in words, and changed rules tried on what was decided before.

use qabyl::domain::people::Role;
use qabyl_sandbox::Settings;

use super::{Browser, Sent, Web};
use crate::world::world;

const RULES: &str = r#"
[[rule]]
name = "night"
title = { ru = "Ночью", kk = "Түнде", en = "At night" }
when = { hour = { from = 22, to = 8 }, weekday = ["sat", "sun"] }
then = "hold"
note = "Owner decides"

[[rule]]
name = "expensive"
when = { any = [{ total = { over = 300000, under = 900000 } }, { payment_mode = "PAY_WITH_CREDIT" }], deadline_in = { under = "1h" } }
then = { wait = "5m" }

[[rule]]
name = "short"
when = { any_line = { shortage = { over = 0 }, sku = ["A", "B"] }, not = { express = false } }
then = { cancel = "MERCHANT_OUT_OF_STOCK", comment = "-" }

[[rule]]
name = "everything else"
then = "accept"
"#;

async fn begin() -> (Web, Browser) {
    let described = world(Settings::default()).rules(RULES);
    let begun = described.begin_with(&[("A", 5)]).await;
    begun.place_plain(&[("900000001", "A", 1), ("900000002", "A", 1)]);
    begun.brief().await;
    let web = Web::beside(begun).await;
    let browser = web.signed_in("viewer", Role::Viewer, 1).await;
    (web, browser)
}

#[tokio::test]
async fn the_rules_in_force_are_shown_in_words_of_the_language() {
    let (web, browser) = begin().await;
    for (lang, words) in [
        (
            "ru",
            [
                "1. Ночью",
                "время в Алматы: с 22:00 до 08:00",
                "суббота, воскресенье",
                "хотя бы одно из этого:",
                "больше 300 000 ₸ и меньше 900 000 ₸",
                "кредит или рассрочка",
                "подождать 5 мин",
                "отменить: нет в наличии",
                "кроме случая, когда:",
                "артикул: A, B",
                "4. Всё остальное",
            ],
        ),
        (
            "en",
            [
                "1. At night",
                "time in Almaty: from 22:00 to 08:00",
                "Saturday, Sunday",
                "at least one of these:",
                "over 300 000 ₸ and under 900 000 ₸",
                "credit or instalments",
                "wait 5 min",
                "cancel: out of stock",
                "unless:",
                "SKU: A, B",
                "4. everything else",
            ],
        ),
    ] {
        let page = web
            .get(&browser, &format!("/rules?lang={lang}"))
            .await
            .is(200);
        let text = page.body.replace('\u{a0}', " ").to_lowercase();
        for part in words {
            assert!(
                text.contains(&part.to_lowercase()),
                "{lang}: {part}\n{text}"
            );
        }
    }
    web.end().await;
}

#[tokio::test]
async fn changed_rules_name_the_orders_that_would_differ_and_change_nothing() {
    let (web, browser) = begin().await;
    let token = web
        .get(&browser, "/rules")
        .await
        .is(200)
        .field("action=\"/rules\"", "token");
    let before = web.world.store.newest_audit_row().await.unwrap();
    let hold = "[[rule]]\nname = \"all\"\nthen = \"hold\"\n";
    let sent = Sent::form(&web, &[("token", &token), ("rules", hold)]);
    let tried = web.post(&browser, "/rules", &sent).await.is(200);
    let (_, tried_card) = tried.body.split_once("id=\"tried\"").expect(&tried.body);
    for part in [
        "900000001",
        "900000002",
        "решений: 2, другими были бы: 2",
        "принять",
    ] {
        assert!(tried_card.contains(part), "{part}: {tried_card}");
    }
    let same = Sent::form(&web, &[("token", &token), ("rules", RULES)]);
    let tried = web.post(&browser, "/rules", &same).await.is(200);
    assert!(tried.body.contains("другими были бы: 0"), "{}", tried.body);
    let wrong = "[[rule]]\nname = \"all\"\nwhen = { totl = 5 }\nthen = \"hold\"\n";
    let wrong = Sent::form(&web, &[("token", &token), ("rules", wrong)]);
    let tried = web.post(&browser, "/rules", &wrong).await.is(422);
    assert!(tried.body.contains("rules.toml:3:"), "{}", tried.body);
    let bare = sent.with_field("token", "");
    web.post(&browser, "/rules", &bare).await.is(403);
    assert_eq!(web.world.store.newest_audit_row().await.unwrap(), before);
    web.end().await;
}
