//! Kits and aliases, reservations, the stock audit, and what the merchant's own feed must lower.

use qabyl_sandbox::Settings;
use serde_json::{Value, json};

use super::Desk;
use crate::migrations::look_into;

impl Desk {
    async fn json(&self, args: &[&str]) -> Value {
        let args = [args, &["--format", "json"]].concat();
        self.qabyl(&args).await.ok().json()
    }

    async fn decide(&self) {
        self.qabyl(&["once", "--timeout", "20s"]).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kit_takes_its_parts_and_an_alias_what_it_stands_for() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nCUP,7\nPOT,2\n").await;
    desk.write(
        "map.csv",
        "sku;part;quantity\nSET;CUP;3\nSET;POT;1\nCUP_1;CUP;\nODD;SPOON;2\n",
    );
    let map = desk.qabyl(&["stock", "map", "map.csv"]).await.ok().out;
    assert!(
        map.contains("3 SKUs are mapped") && map.contains("SPOON is in no stock source"),
        "{map}"
    );
    desk.place("900000001", "SET", 2);
    desk.decide().await;
    desk.place("900000002", "CUP_1", 1);
    desk.decide().await;
    desk.place("900000003", "CUP", 1);
    desk.place("900000004", "SET", 1);
    desk.place("900000005", "ODD", 1);
    desk.decide().await;
    for (code, expected) in [
        ("900000001", "ACCEPTED_BY_MERCHANT"),
        ("900000002", "ACCEPTED_BY_MERCHANT"),
        ("900000003", "CANCELLED"),
        ("900000004", "CANCELLED"),
        // A part that nobody counted is unknown, and never zero.
        ("900000005", "APPROVED_BY_BANK"),
    ] {
        assert_eq!(desk.status(code), expected, "{code}");
    }
    let held = desk.json(&["stock", "reservations"]).await;
    let held: Vec<String> = held
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            format!("{} {} of {}", row["order"], row["quantity"], row["sku"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        held,
        [
            "900000001 6 of CUP",
            "900000002 1 of CUP",
            "900000001 2 of POT"
        ]
    );
    let output = desk.qabyl(&["explain", "900000004"]).await.ok().out;
    assert!(
        output.contains("3 in each: CUP: wants 3, available 0"),
        "{output}"
    );
    let output = desk.qabyl(&["explain", "900000005"]).await.ok().out;
    assert!(output.contains("SPOON is in no stock source"), "{output}");
    assert_eq!(
        desk.json(&["stock", "audit"]).await["balances"],
        json!(true)
    );
    // What is promised stays as it was made; one of the three cups of each set is in doubt.
    desk.write("map.csv", "sku,part,quantity\nSET,CUP,2\nSET,POT,1\n");
    desk.qabyl(&["stock", "map", "map.csv"]).await.ok();
    let held = desk.json(&["stock", "reservations", "CUP"]).await;
    assert_eq!(held[0]["quantity"], json!(6), "{held}");
    let why = desk.qabyl(&["stock", "why", "CUP"]).await.ok().out;
    assert!(
        why.contains("order 900000001, 2 units: promised before the map of SKUs changed"),
        "{why}"
    );
    assert_eq!(
        desk.json(&["stock", "audit"]).await["balances"],
        json!(true)
    );
    let exported = desk.qabyl(&["stock", "export"]).await.ok().out;
    assert!(
        exported.contains("SET,0,") && exported.contains("POT,0,"),
        "{exported}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_map_changes_nothing() {
    let desk = Desk::new(Settings::default());
    desk.write("map.csv", "sku,part\nA_1,A\n");
    desk.qabyl(&["stock", "map", "map.csv"]).await.ok();
    for (text, naming) in [
        (
            "sku,piece\nA,B\n",
            "bad.csv:1: expected a header sku,part[,quantity]",
        ),
        (
            "sku,part,quantity\nA,B,0\n",
            "bad.csv:2: quantity of B in A is '0'",
        ),
        (
            "sku,part\nA,B\n\nA,B\n",
            "bad.csv:4: B is a part of A on line 2 already",
        ),
        ("sku,part\nA,A\n", "bad.csv:2: A is a part of itself"),
        (
            "sku,part\nA,B\nB,C\n",
            "bad.csv:2: part B of A has parts of its own",
        ),
    ] {
        desk.write("bad.csv", text);
        desk.qabyl(&["stock", "map", "bad.csv"])
            .await
            .fails(1, &[naming]);
    }
    let map = desk.json(&["stock", "map"]).await;
    assert_eq!(map, json!([{"sku": "A_1", "part": "A", "quantity": 1}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn tampered_levels_and_reservations_do_not_balance() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\nB,3\n").await;
    desk.place("900000001", "A", 2);
    desk.decide().await;
    desk.stock("sku,on_hand\nA,6\nB,3\n").await;
    let audit = desk.qabyl(&["stock", "audit"]).await.ok().out;
    assert!(
        audit.contains("2 levels and 1 reservations checked against the audit log: no differences"),
        "{audit}"
    );
    let mut inside = look_into(&desk.path("qabyl.db")).await;
    for (tamper, undo, finding) in [
        (
            "UPDATE stock SET on_hand = 9 WHERE sku = 'A'",
            "UPDATE stock SET on_hand = 6 WHERE sku = 'A'",
            "on hand is 9, and the audit log says 6",
        ),
        (
            "UPDATE reservations SET quantity = 1",
            "UPDATE reservations SET quantity = 2",
            "1 units are active, and the audit log says 2 of A active",
        ),
        (
            "INSERT INTO stock SELECT '', 'C', '', source, 4, 0, as_of, import_id, first_import, NULL, '' FROM stock WHERE sku = 'A'",
            "DELETE FROM stock WHERE sku = 'C'",
            "the audit log does not contain it",
        ),
    ] {
        sqlx::query(tamper).execute(&mut inside).await.unwrap();
        desk.qabyl(&["stock", "audit"])
            .await
            .fails(1, &[finding, "they DIFFER"]);
        sqlx::query(undo).execute(&mut inside).await.unwrap();
        desk.qabyl(&["stock", "audit"]).await.ok();
    }
    let delete = "DELETE FROM reservations";
    sqlx::query(delete).execute(&mut inside).await.unwrap();
    desk.qabyl(&["stock", "audit"]).await.fails(
        1,
        &["the audit log contains 2 active units that are not stored"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_out_goes_into_the_price_list() {
    let desk = Desk::new(Settings::default());
    let more = "merchant_uid = \"10000001\"\n[stock]\ncompany = \"Ромашка & Co\"\n";
    desk.write("qabyl.toml", &desk.config("act", more));
    desk.stock("sku,on_hand,warehouse\nA,9,\n<B>,1,PP1\nC,0,PP1\nC,4,PP2\n")
        .await;
    desk.place("900000001", "A", 10);
    let order = qabyl_sandbox::OrderSeed::new("900000002", qabyl::clock::Clock::System.now());
    assert!(desk.server.world().place(order.line("<B>", 1)));
    desk.decide().await;
    assert_eq!(desk.status("900000001"), "CANCELLED");
    let csv = desk.qabyl(&["stock", "export"]).await.ok().out;
    let expected = "sku,on_hand,warehouse\n<B>,0,PP1\nA,9,\nC,0,PP1\nC,4,PP2\n";
    assert_eq!(csv, expected);
    let xml = desk
        .qabyl(&[
            "stock",
            "export",
            "--format",
            "kaspi-xml",
            "--out",
            "less.xml",
        ])
        .await
        .ok();
    assert!(
        xml.err.contains("merge it into your price list"),
        "{}",
        xml.err
    );
    let xml = std::fs::read_to_string(desk.path("less.xml")).unwrap();
    for part in [
        "<company>Ромашка &amp; Co</company>",
        "<merchantid>10000001</merchantid>",
        "<offer sku=\"&lt;B&gt;\">",
        "<availability available=\"no\" storeId=\"PP1\"/>",
        "<availability available=\"yes\" storeId=\"PP2\" stockCount=\"4\"/>",
        "xmlns=\"kaspiShopping\"",
    ] {
        assert!(xml.contains(part), "{part} in {xml}");
    }
    // It is what `stock import` reads, and what it says is what was said.
    let other = Desk::new(Settings::default());
    other.import("less.xml", xml).await.ok();
    assert_eq!(
        other.levels().await,
        ["<B>@PP1=0", "A@PP1=9", "C@PP1=0", "C@PP2=4"]
    );
}
