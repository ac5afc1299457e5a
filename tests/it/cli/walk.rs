//! From an empty folder to decided orders, in the order of the README.

use qabyl::clock::Clock;
use qabyl_sandbox::{EndpointKind, Fault, Method, Script, Settings, State, Status};

use super::Desk;
use crate::migrations::look_into;

const CODE: &str = "900000001";

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_is_missing_and_what_is_well() {
    let desk = Desk::new(Settings::default());
    desk.qabyl(&["doctor"])
        .await
        .fails(1, &["stock", "qabyl stock import"]);
    desk.stock("sku,on_hand\nA,5\n").await;
    desk.qabyl(&["doctor"]).await.ok();
    desk.server.world().set_tokens(["another"]);
    let json = ["doctor", "--format", "json"];
    let refused = desk.qabyl(&json).await;
    refused.fails(3, &["K401", "Settings, API token, Generate"]);
    desk.server.world().set_down(true);
    desk.qabyl(&json).await.fails(1, &["K500", "connection"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn proposing_sends_nothing_and_acting_does() {
    let desk = Desk::new(Settings::default());
    desk.write("qabyl.toml", &desk.config("propose", ""));
    desk.stock("sku,on_hand\nA,5\nB,0\n").await;
    desk.place(CODE, "A", 1);
    desk.place("900000002", "B", 1);
    desk.place("900000003", "WHO-KNOWS", 1);
    desk.qabyl(&["once"]).await.ok();
    let posted = desk
        .server
        .world()
        .ledger()
        .requests_of(EndpointKind::Write);
    assert_eq!(posted, 0, "a dry run");
    let listed = desk.qabyl(&["orders", "list"]).await.ok().out;
    assert!(
        listed.contains("accept") && listed.contains("cancel"),
        "{listed}"
    );

    desk.write("qabyl.toml", &desk.config("act", ""));
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.status(CODE), "ACCEPTED_BY_MERCHANT");
    assert_eq!(desk.status("900000002"), "CANCELLED");
    assert_eq!(desk.status("900000003"), "APPROVED_BY_BANK");
    let held = desk
        .qabyl(&["orders", "list", "--held", "--check", "--format", "json"])
        .await;
    assert_eq!(held.code, 4, "{}", held.out);
    assert_eq!(held.json().as_array().unwrap().len(), 1);
    desk.qabyl(&["status", "--check"]).await.fails(4, &["main"]);
    desk.qabyl(&["once", "--check"]).await.fails(4, &["main"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_lasts_is_a_trouble_of_the_shop() {
    let desk = Desk::new(Settings::default());
    desk.qabyl(&["once"]).await.ok();
    desk.server.world().set_down(true);
    desk.qabyl(&["once", "--timeout", "2s"])
        .await
        .fails(1, &["K500"]);
    let since = async |minutes: i64| {
        let mut inside = look_into(&desk.path("qabyl.db")).await;
        let back = "UPDATE scans SET started_at = started_at - ?";
        let back = sqlx::query(back).bind(minutes * 60_000);
        back.execute(&mut inside).await.unwrap();
    };
    let check = ["status", "--check", "--format", "json"];
    since(3).await;
    desk.qabyl(&check).await.ok();
    since(3).await;
    let output = desk.qabyl(&check).await;
    output.fails(4, &["new orders not listed since", "doctor"]);
    // What was said last depends on how many requests the two seconds had room for.
    let causes = ["no usable answer", "after several outages in a row"];
    assert!(
        causes.iter().any(|why| output.out.contains(why)),
        "{}",
        output.out
    );
    desk.server.world().set_down(false);
    desk.qabyl(&["once"]).await.ok();
    desk.qabyl(&check).await.ok();
}

/// A status Qabyl does not know is shown as such, and not as decided elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_status_is_shown_as_unknown() {
    let desk = Desk::new(Settings::default());
    desk.place(CODE, "A", 1);
    desk.qabyl(&["once"]).await.ok();
    let (status, now) = (Status::Other("ON_THE_MOON".to_owned()), Clock::System.now());
    let changed = desk.server.world().force(CODE, State::New, status, now);
    assert!(changed);
    desk.qabyl(&["once"]).await.ok();
    let output = desk.qabyl(&["explain", CODE]).await.ok().out;
    assert!(output.contains("ON_THE_MOON"), "{output}");
    let listed = desk.qabyl(&["orders", "list"]).await.ok().out;
    assert!(listed.contains("unknown status"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_plan_shows_what_is_asked_next() {
    let desk = Desk::new(Settings::default());
    desk.qabyl(&["once"]).await.ok();
    let plan = desk.qabyl(&["explain", "--plan"]).await.ok().out;
    for part in [
        "Shop main",
        "list NEW + APPROVED_BY_BANK placed",
        "nothing before",
        "act\n    nothing",
    ] {
        assert!(plan.contains(part), "`{part}` is missing:\n{plan}");
    }
    let json = desk.qabyl(&["explain", "--plan", "--format", "json"]).await;
    let rows: serde_json::Value = serde_json::from_str(&json.ok().out).unwrap();
    assert_eq!(rows[0]["class"], "new orders");
    let other = desk.qabyl(&["explain", "--plan", "--shop", "other"]).await;
    other.fails(2, &["there is no shop other"]);
    desk.qabyl(&["explain"]).await.fails(2, &["CODE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_the_whole_story_on_one_screen() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\nB,1\n").await;
    desk.place(CODE, "A", 2);
    desk.place("900000002", "B", 3);
    let lost = Script::once(Fault::DropAfter).on(Method::Post).order(CODE);
    desk.server.world().script(lost);
    desk.qabyl(&["once"]).await.ok();
    let output = desk.qabyl(&["explain", CODE]).await.ok().out;
    for part in [
        "Order 900000001 of shop main",
        "A",
        "A: wants 2, available 5 = on hand 5 − reserved 0 − safety 0",
        "rule 'everything else' said accept",
        "no interlock objected",
        "request 1 at",
        "unknown: the connection broke",
        "confirmed",
        "Status at Kaspi",
        "KASPI_DELIVERY ACCEPTED_BY_MERCHANT",
    ] {
        assert!(output.contains(part), "`{part}` is missing:\n{output}");
    }
    assert!(
        output.lines().count() <= 40,
        "more than a screen:\n{output}"
    );
    let cancelled = desk.qabyl(&["explain", "900000002"]).await.ok().out;
    for part in [
        "wants 3, available 1",
        "rule 'short' said cancel",
        "MERCHANT_OUT_OF_STOCK",
        "applied",
    ] {
        assert!(
            cancelled.contains(part),
            "`{part}` is missing:\n{cancelled}"
        );
    }
    let json = desk
        .qabyl(&["explain", CODE, "--format", "json"])
        .await
        .ok()
        .json();
    assert_eq!(json["code"], CODE, "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_the_interlock_that_objected() {
    let desk = Desk::new(Settings::default());
    let patient = desk.config("act", "").replace("\"0s\"", "\"10m\"");
    desk.write("qabyl.toml", &patient);
    desk.stock("sku,on_hand\nA,0\n").await;
    desk.place(CODE, "A", 1);
    desk.qabyl(&["once", "--timeout", "3s"]).await;
    let output = desk.qabyl(&["explain", CODE]).await.ok().out;
    assert!(
        output.contains("interlock shortage_confirmed asks to wait"),
        "{output}"
    );
    assert_eq!(desk.posts(CODE), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_three_and_says_what_to_do() {
    let desk = Desk::new(Settings::default());
    desk.server.world().set_tokens(["another"]);
    let said = desk.qabyl(&["once"]).await;
    said.fails(3, &["K401", "token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shop_down_leaves_the_other_at_work() {
    let desk = Desk::new(Settings::default());
    desk.write("other", "a-token-nobody-knows");
    let two = desk.config(
        "act",
        "[[shops]]\nname = \"second\"\ntoken_file = \"other\"\nmode = \"act\"\n[confirm]\nlast_units = 0\n",
    );
    // The last units would wait for the other shop.
    desk.write("qabyl.toml", &two);
    desk.stock("sku,on_hand\nA,50\n").await;
    // Before its first complete sweep its orders may hold anything of the stock that both sell.
    let both = [super::TOKEN, "a-token-nobody-knows"];
    desk.server.world().set_tokens(both);
    desk.qabyl(&["once"]).await.ok();
    desk.server.world().set_tokens([super::TOKEN]);
    desk.place(CODE, "A", 1);
    let said = desk.qabyl(&["once"]).await;
    assert_eq!(said.code, 3, "{}", said.err);
    assert_eq!(desk.status(CODE), "ACCEPTED_BY_MERCHANT");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_may_come_from_a_dotenv_file() {
    let desk = Desk::new(Settings::default());
    let config = desk
        .config("act", "")
        .replace("token_file = \"token\"\n", "");
    desk.write("qabyl.toml", &config);
    desk.qabyl(&["once"]).await.fails(2, &["KASPI_TOKEN"]);
    desk.write(".env", &format!("KASPI_TOKEN={}\n", super::TOKEN));
    desk.qabyl(&["once"]).await.ok();
}

/// A POST of unknown outcome needs a person too, for those who ask.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_told_to_those_who_check() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,50\n").await;
    desk.place(CODE, "A", 1);
    let script = Script::once(Fault::Http500).on(Method::Post);
    desk.server.world().script(script.times(100));
    desk.qabyl(&["once", "--timeout", "2s", "--check"])
        .await
        .fails(4, &["main"]);
    desk.qabyl(&["status", "--check"]).await.fails(4, &["main"]);
    desk.qabyl(&["status"]).await.ok();
}
