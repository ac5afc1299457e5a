//! Manual decisions: carried out by the same machine, kept in the audit log.

use qabyl_sandbox::Settings;

use super::Desk;

const CODE: &str = "900000001";

#[tokio::test(flavor = "multi_thread")]
async fn a_held_order_is_accepted_by_a_person() {
    let desk = Desk::new(Settings::default());
    desk.place(CODE, "UNKNOWN", 1);
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts(CODE), 0);
    desk.qabyl(&["accept", CODE, "--as", "Aigerim"]).await.ok();
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.status(CODE), "ACCEPTED_BY_MERCHANT");
    let audit = desk
        .qabyl(&["audit", "--order", CODE, "--format", "json"])
        .await
        .ok()
        .out;
    for who in ["\"actor\":\"person:Aigerim\"", "\"operator\":\"uid "] {
        assert!(audit.contains(who), "{audit}");
    }
    for too_late in ["accept", "hold"] {
        desk.qabyl(&[too_late, CODE])
            .await
            .fails(1, &["ACCEPTED_BY_MERCHANT"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_reaches_kaspi_as_it_was_given() {
    let desk = Desk::new(Settings::default());
    let reasons = [
        "MERCHANT_OUT_OF_STOCK",
        "BUYER_CANCELLATION_BY_MERCHANT",
        "BUYER_NOT_REACHABLE",
    ];
    for (number, reason) in reasons.iter().enumerate() {
        let code = format!("90000001{number}");
        desk.place(&code, "UNKNOWN", 1);
        desk.qabyl(&["once"]).await.ok();
        desk.qabyl(&[
            "cancel",
            &code,
            "--reason",
            reason,
            "--comment",
            "так решили",
        ])
        .await
        .ok();
        desk.qabyl(&["once"]).await.ok();
        let world = desk.server.world();
        let order = world.order(&code).unwrap();
        assert_eq!(order.cancellation_reason.as_deref(), Some(*reason));
        assert_eq!(order.cancellation_comment.as_deref(), Some("так решили"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_order_can_still_be_cancelled_by_a_person() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,1\n").await;
    desk.place(CODE, "A", 1);
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.status(CODE), "ACCEPTED_BY_MERCHANT");
    desk.qabyl(&["cancel", CODE, "--reason", "BUYER_NOT_REACHABLE"])
        .await
        .ok();
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.status(CODE), "CANCELLED");
    // Its unit is there for the next one.
    desk.place("900000002", "A", 1);
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.status("900000002"), "ACCEPTED_BY_MERCHANT");
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_keeps_and_release_lets_go() {
    let desk = Desk::new(Settings::default());
    desk.write("qabyl.toml", &desk.config("propose", ""));
    desk.stock("sku,on_hand\nA,1\n").await;
    desk.place(CODE, "A", 1);
    desk.qabyl(&["once"]).await.ok();
    desk.qabyl(&["hold", CODE, "--why", "the buyer will call"])
        .await
        .ok();
    desk.write("qabyl.toml", &desk.config("act", ""));
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts(CODE), 0);
    let listed = desk.qabyl(&["orders", "list", "--held"]).await.ok().out;
    assert!(listed.contains("the buyer will call"), "{listed}");
    desk.qabyl(&["release", CODE]).await.ok();
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.status(CODE), "ACCEPTED_BY_MERCHANT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_everything_until_resume() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    desk.qabyl(&["once"]).await.ok();
    desk.qabyl(&["pause", "--why", "stocktaking"]).await.ok();
    desk.place(CODE, "A", 1);
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts(CODE), 0);
    let status = desk.qabyl(&["status"]).await.ok().out;
    assert!(status.contains("stocktaking"), "{status}");
    desk.qabyl(&["pause", "--shop", "nobody"])
        .await
        .fails(2, &["nobody", "main"]);
    desk.qabyl(&["resume"]).await.ok();
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.status(CODE), "ACCEPTED_BY_MERCHANT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_put_back_catches_up_with_kaspi() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,2\n").await;
    desk.place(CODE, "A", 1);
    desk.qabyl(&["hold", CODE]).await;
    desk.qabyl(&["backup", "copy.db"]).await.ok();
    desk.qabyl(&["backup", "copy.db"])
        .await
        .fails(1, &["copy.db"]);
    // After the copy an order is accepted; the database is lost with it.
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts(CODE), 1);
    desk.qabyl(&["restore", "copy.db"])
        .await
        .fails(1, &["qabyl.db"]);
    for name in ["qabyl.db", "qabyl.db-wal", "qabyl.db-shm"] {
        let _ = std::fs::remove_file(desk.path(name));
    }
    desk.qabyl(&["restore", "copy.db"]).await.ok();
    desk.place("900000002", "A", 1);
    desk.place("900000003", "A", 1);
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts(CODE), 1, "not accepted twice");
    assert_eq!(desk.status("900000002"), "ACCEPTED_BY_MERCHANT");
    assert_eq!(
        desk.status("900000003"),
        "CANCELLED",
        "its unit went to the first one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_not_worked_on() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,2\n").await;
    desk.qabyl(&["backup", "copy.db"]).await.ok();
    for name in ["qabyl.db-wal", "qabyl.db-shm"] {
        let _ = std::fs::remove_file(desk.path(name));
    }
    let mut bytes = std::fs::read(desk.path("copy.db")).unwrap();
    bytes[8192..12288].fill(0xAA);
    std::fs::write(desk.path("qabyl.db"), bytes).unwrap();
    let said = desk.qabyl(&["once"]).await;
    assert_eq!(said.code, 1, "{}", said.err);
    assert_eq!(desk.server.world().ledger().requests_total(), 0);
}

/// The reason in the list is the present one, not that of the first look: stock came, and it is not enough.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_held_orders_shows_the_present_reason() {
    let desk = Desk::new(Settings::default());
    desk.write(
        "rules.toml",
        "[[rule]]\nname = \"by hand\"\nthen = \"hold\"\n",
    );
    desk.write(
        "qabyl.toml",
        &desk.config("act", "[rules]\nfile = \"rules.toml\"\n"),
    );
    desk.stock("sku,on_hand\nB,1\n").await;
    desk.place(CODE, "A", 3);
    desk.qabyl(&["once"]).await.ok();
    let held = async || {
        desk.qabyl(&["orders", "list", "--held", "--format", "json"])
            .await
            .ok()
            .json()
    };
    let first = held().await[0]["why"].to_string();
    assert!(
        first.contains("by hand") && !first.contains("available"),
        "{first}"
    );
    desk.stock("sku,on_hand\nA,2\nB,1\n").await;
    desk.qabyl(&["once"]).await.ok();
    let now = held().await[0]["why"].to_string();
    assert!(
        now.contains("3 wanted, 2 available"),
        "{now}, and {first} before"
    );
}

/// The buyer was first: that is no refusal of Kaspi's.
#[tokio::test(flavor = "multi_thread")]
async fn an_accept_that_a_buyer_overtook_is_not_called_refused() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,1\n").await;
    desk.place(CODE, "A", 1);
    let no_effect = "post:no_effect=1".parse().unwrap();
    desk.server.world().set_faults(no_effect);
    desk.qabyl(&["once", "--timeout", "5s"]).await;
    assert!(desk.posts(CODE) > 0);
    desk.server.world().set_faults("".parse().unwrap());
    let now = qabyl::clock::Clock::System.now();
    assert!(desk.server.world().buyer_cancels(CODE, now));
    desk.qabyl(&["once"]).await.ok();
    for command in [&["orders", "list"][..], &["explain", CODE]] {
        let shown = desk.qabyl(command).await.ok().out;
        assert!(shown.contains("CANCELLED"), "{shown}");
        assert!(!shown.contains("refused"), "{shown}");
    }
}

/// An empty answer would say that a shop has nothing; a shop that is not there has no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_is_not_there_is_a_mistake() {
    let desk = Desk::new(Settings::default());
    desk.place(CODE, "UNKNOWN", 1);
    desk.qabyl(&["once"]).await.ok();
    for command in [
        &["orders", "list", "--shop", "zz"][..],
        &["orders", "show", CODE, "--shop", "zz"],
        &["explain", CODE, "--shop", "zz"],
    ] {
        desk.qabyl(command)
            .await
            .fails(2, &["there is no shop zz", "main"]);
    }
    desk.qabyl(&["orders", "list", "--shop", "main"]).await.ok();
    let shops = desk
        .qabyl(&["shops", "list", "--format", "json"])
        .await
        .ok()
        .out;
    let shops: serde_json::Value = serde_json::from_str(&shops).unwrap();
    assert_eq!(shops[0]["shop"], "main");
}
