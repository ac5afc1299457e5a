//! The wire as KASPI_API shows it, sample by sample: what is read from each, and what is sent.

use std::collections::VecDeque;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use qabyl::clock::{Clock, SimulatedTime};
use qabyl::domain::action::Outcome;
use qabyl::domain::decision::decide;
use qabyl::domain::facts::LinesFacts;
use qabyl::domain::ids::{OrderCode, OrderId};
use qabyl::domain::money::Money;
use qabyl::domain::order::{DeliveryMode, Lines, Order, PaymentMode, State, Status, UnitType};
use qabyl::domain::verdict::CancelReason;
use qabyl::kaspi::{
    ApiError, Asked, Client, ClientSettings, Credentials, GateSettings, ListQuery, Method, Page,
    Transport, TransportError, WireRequest, WireResponse, decode,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::rules::facts::{facts, policy};

const ID: &str = "OTAwMDAwMDAx";

fn ms(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

/// Answers with prepared texts, in order, and keeps what was asked.
#[derive(Default)]
struct Canned {
    answers: Mutex<VecDeque<(u16, Vec<u8>)>>,
    asked: Mutex<Vec<WireRequest>>,
}

type Answer = Result<WireResponse, TransportError>;

impl Transport for Canned {
    fn send<'a>(
        &'a self,
        request: &'a WireRequest,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        self.asked.lock().unwrap().push(request.clone());
        let (status, body) = self.answers.lock().unwrap().pop_front().unwrap();
        Box::pin(async move {
            Ok(WireResponse {
                status,
                body,
                ..WireResponse::default()
            })
        })
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/kaspi")
        .join(name);
    std::fs::read(&path).expect(name)
}

fn client(answers: &[(u16, &str)]) -> (Client, Arc<Canned>) {
    let canned = Arc::new(Canned::default());
    for (status, name) in answers {
        let body = if name.is_empty() {
            Vec::new()
        } else {
            fixture(name)
        };
        canned.answers.lock().unwrap().push_back((*status, body));
    }
    let settings = ClientSettings {
        gate: GateSettings {
            rate_start: 1000.0,
            rate_per_second: 1000.0,
            max_in_flight: 1,
        },
        retries_max: 0,
        user_agent: "Mozilla/5.0 (test)".to_owned(),
        merchant_uid: Some("10000001".to_owned()),
        seed: 1,
    };
    let clock = Clock::Simulated(SimulatedTime::new(ms(1_772_430_000_000)));
    let token = Credentials::new(SecretString::from("the-token"));
    let transport: Arc<dyn Transport> = Arc::clone(&canned) as _;
    (Client::new(settings, token, transport, clock), canned)
}

fn query() -> ListQuery {
    ListQuery {
        state: Some(State::New),
        status: Some(Status::ApprovedByBank),
        from: ms(1_772_000_000_000),
        to: ms(1_772_430_000_000),
        page: 0,
        size: 100,
        include_entries: true,
    }
}

async fn page(name: &str) -> Page {
    client(&[(200, name)])
        .0
        .reader()
        .list(&query())
        .await
        .unwrap()
}

async fn lines(answers: &[(u16, &str)]) -> Result<Lines, ApiError> {
    client(answers)
        .0
        .reader()
        .lines(&OrderId::new(ID).unwrap())
        .await
}

/// What the default rules make of an order read like this.
fn verdict(order: Order, lines: LinesFacts) -> &'static str {
    let mut facts = facts(Vec::new());
    facts.order = order;
    facts.lines = lines;
    let policy = policy(qabyl::rules_file::default_rules());
    decide(&facts, &policy, crate::rules::facts::now())
        .verdict
        .word()
}

#[tokio::test]
async fn the_sample_order_whole() {
    let page = page("orders_sample.json").await;
    assert_eq!((page.page_count, page.total_count), (Some(1), Some(1)));
    assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
    let read = &page.orders[0];
    let expected = Order {
        id: OrderId::new(ID).unwrap(),
        code: OrderCode::new("900000001").unwrap(),
        state: State::New,
        status: Status::ApprovedByBank,
        created_at: ms(1_772_428_500_000),
        approved_at: Some(ms(1_772_428_501_000)),
        total: Some(Money::from_tenge(25_980)),
        payment_mode: Some(PaymentMode::Credit),
        credit_term_months: Some(3),
        delivery_mode: Some(DeliveryMode::Pickup),
        kaspi_delivery: Some(true),
        express: false,
        signature_required: false,
        pre_order: false,
        pickup_point: read.order.pickup_point.clone(),
        planned_delivery_at: Some(ms(1_772_650_799_000)),
        handed_over_at: None,
        cancellation_reason: None,
        delivery_cost: Some(Money::from_tenge(500)),
        entries: Some(1),
        unread: Vec::new(),
    };
    assert_eq!(read.order, expected);
    assert_eq!(
        read.order.pickup_point.as_ref().unwrap().as_str(),
        "10000001_PP1"
    );
    let line = &read.lines.as_ref().expect("entries are included")[0];
    assert_eq!(line.sku.as_ref().unwrap().as_str(), "SKU-TEST-1");
    assert_eq!(
        (line.quantity, line.number, &line.unit),
        (2, 0, &UnitType::Pieces)
    );
    assert_eq!(
        (line.unit_price, line.total),
        (
            Some(Money::from_tenge(12_990)),
            Some(Money::from_tenge(25_980))
        )
    );
    assert_eq!(line.master_product.as_ref().unwrap().as_str(), "TVBURVNU");
}

#[tokio::test]
async fn absent_null_and_masked_fields_are_nothing_wrong() {
    let page = page("orders_sparse.json").await;
    assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
    let [bare, nulls, sent, over] = &page.orders[..] else {
        panic!("four orders: {page:?}")
    };
    assert!(
        page.orders.iter().all(|read| read.lines.is_none()),
        "links only, null, and none"
    );
    assert_eq!(bare.order.total, Some(Money::from_tenge(96_045)));
    assert_eq!(
        (bare.order.approved_at, &bare.order.delivery_mode),
        (None, &None)
    );
    assert_eq!(
        (&bare.order.pickup_point, bare.order.express),
        (&None, false)
    );
    assert_eq!(nulls.order.payment_mode, Some(PaymentMode::Prepaid));
    assert!(nulls.order.signature_required && nulls.order.pre_order);
    assert_eq!(
        (nulls.order.credit_term_months, &nulls.order.pickup_point),
        (None, &None)
    );
    assert_eq!(sent.order.total_words(), "1 500,50 ₸");
    assert!(sent.order.express);
    assert_eq!(sent.order.handed_over_at, Some(ms(1_772_463_600_000)));
    assert_eq!(
        (&sent.order.state, &sent.order.status),
        (&State::KaspiDelivery, &Status::AcceptedByMerchant)
    );
    assert_eq!(
        over.order.cancellation_reason.as_deref(),
        Some("TIMEOUT_BUYER_PICKUP")
    );
    assert!(over.order.status.is_final());
}

#[tokio::test]
async fn nothing_personal_is_kept() {
    for name in ["orders_sample.json", "orders_sparse.json"] {
        let kept = format!("{:?}", page(name).await);
        for personal in [
            "7000000000",
            "NzAwMDAwMDAwMA",
            "Тест\"",
            "Алматы",
            "000)-000",
        ] {
            assert!(!kept.contains(personal), "{name} kept {personal}");
        }
    }
}

#[tokio::test]
async fn the_invented_is_kept_as_it_came_and_held() {
    let page = page("orders_unknown_status.json").await;
    let unknown = &page.orders[0].order;
    assert_eq!(
        unknown.status,
        Status::Other("WAITING_FOR_THE_MOON".to_owned())
    );
    assert_eq!(
        unknown.payment_mode,
        Some(PaymentMode::Other("BARTER".to_owned()))
    );
    assert_eq!(
        unknown.delivery_mode,
        Some(DeliveryMode::Other("DELIVERY_BY_PIGEON".to_owned()))
    );
    let known = facts(vec![crate::rules::facts::line(
        1,
        1,
        qabyl::domain::stock::LineStock::Known(crate::rules::facts::level(9)),
    )]);
    assert_eq!(verdict(unknown.clone(), known.lines), "hold");
    let unread: Vec<(&str, Option<String>)> = page
        .orders
        .iter()
        .map(|read| (read.order.code.as_str(), read.order.unread_words()))
        .collect();
    let words = |words: &str| Some(words.to_owned());
    assert_eq!(
        unread,
        [
            ("900000006", None),
            ("900000007", words("creationDate is \"yesterday\"")),
            ("900000008", words("totalPrice is \"12 990\"")),
            ("900000009", None),
        ]
    );
    for read in &page.orders[1..3] {
        let known = facts(vec![crate::rules::facts::line(
            1,
            1,
            qabyl::domain::stock::LineStock::Known(crate::rules::facts::level(9)),
        )]);
        assert_eq!(verdict(read.order.clone(), known.lines), "hold");
    }
}

#[tokio::test]
async fn entries_in_their_shapes() {
    let Lines::Known(read) = lines(&[(200, "entries.json")]).await.unwrap() else {
        panic!("two lines")
    };
    assert_eq!(read[0].unit, UnitType::Pieces, "absent means pieces");
    assert_eq!(read[1].unit, UnitType::Measurable);
    let weighed = facts(vec![qabyl::domain::facts::LineFacts {
        line: read[1].clone(),
        stock: qabyl::domain::stock::LineStock::Known(crate::rules::facts::level(9)),
        wanted: 1,
        parts: Vec::new(),
    }]);
    assert_eq!(verdict(weighed.order.clone(), weighed.lines), "hold");

    let found = lines(&[(200, "entries_old.json"), (200, "merchant_product.json")]).await;
    let Lines::Known(found) = found.unwrap() else {
        panic!("one line")
    };
    assert_eq!(found[0].sku.as_ref().unwrap().as_str(), "SKU-OLD-1");

    let lost = lines(&[
        (200, "entries_old.json"),
        (200, "merchant_product_none.json"),
    ])
    .await;
    let Lines::Known(lost) = lost.unwrap() else {
        panic!("one line")
    };
    assert_eq!(lost[0].sku, None, "unknown, never a guess");

    // Another answer than "there is none": it is asked again.
    let failed = lines(&[(200, "entries_old.json"), (200, "error_400.json")]).await;
    assert!(matches!(failed, Ok(Lines::Unreadable(_))), "{failed:?}");

    let broken = lines(&[(200, "entries_broken.json")]).await.unwrap();
    let Lines::Unreadable(broken) = broken else {
        panic!("{broken:?}")
    };
    let (why, skus) = (broken.why, broken.skus.unwrap());
    assert!(why.contains("quantity"), "{why}");
    assert_eq!(skus.len(), 1, "of which SKU is known");
    let order = page("orders_sample.json").await.orders[0].order.clone();
    assert_eq!(verdict(order, LinesFacts::Unreadable(why)), "hold");
}

#[tokio::test]
async fn an_empty_list_is_a_list_and_a_page_of_html_is_an_outage() {
    assert_eq!(page("orders_none.json").await.orders.len(), 0);
    let unknown = page("orders_counts_strange.json").await;
    assert_eq!((unknown.page_count, unknown.total_count), (Some(1), None));
    let answer = |status, name| {
        let (client, _) = client(&[(status, name), (status, name)]);
        async move { client.reader().list(&query()).await.unwrap_err() }
    };
    assert!(matches!(
        answer(200, "page.html").await,
        ApiError::Outage(_) | ApiError::Unreadable(_)
    ));
    assert!(matches!(
        answer(502, "page.html").await,
        ApiError::Outage(_)
    ));
    assert!(matches!(
        answer(302, "page.html").await,
        ApiError::Outage(_)
    ));
    assert_eq!(answer(401, "page.html").await, ApiError::Token);
    assert_eq!(answer(403, "page.html").await, ApiError::Forbidden);
    let (refusing, _) = client(&[(400, "error_400.json"), (400, "error_400.json")]);
    let output = refusing
        .reader()
        .list(&query())
        .await
        .unwrap_err()
        .to_string();
    assert!(output.contains("creationDate"), "{output}");
}

/// Answers that are not what was asked for, however much they look like it.
#[test]
fn a_doubtful_answer_is_no_answer() {
    let asked = Asked {
        state: None,
        status: None,
        placed_at: ms(1_772_430_000_000),
    };
    let list = |text: &str| decode::page(text.as_bytes(), &asked);
    for text in [
        "[[]]",
        "{\"data\":[]}<html>",
        "{\"data\":[]}{\"data\":[]}",
        "{\"data\":null}",
    ] {
        assert!(list(text).is_err(), "{text} is no empty list");
    }
    for text in ["{}", "{\"errors\":[{\"title\":\"Busy\"}]}"] {
        let read = decode::order(text.as_bytes());
        assert!(read.is_err(), "{text} does not say that there is no order");
    }
    assert!(decode::order(b"{\"data\":null}").is_err());

    let entry = json!({"id": "e1", "attributes": {"quantity": 2, "offer": {"code": "A"}}});
    let named = |ids: &[&str]| {
        json!({"id": "QQ", "attributes": {"code": "1", "totalPrice": 1,
        "creationDate": 1_772_428_500_000_i64, "state": "NEW", "status": "APPROVED_BY_BANK"},
        "relationships": {"entries": {"data":
            ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()}}})
    };
    let lines = |orders: Value, included: Value| -> Vec<Option<usize>> {
        let text = json!({"data": orders, "included": included}).to_string();
        let page = list(&text).unwrap();
        let read = page.orders.iter();
        read.map(|read| read.lines.as_ref().map(Vec::len)).collect()
    };
    assert_eq!(lines(json!([named(&["e1"])]), json!([entry])), [Some(1)]);
    assert_eq!(
        lines(json!([named(&["e1", "e1"])]), json!([entry])),
        [None],
        "an entry named twice is asked for, not counted twice"
    );
    assert_eq!(
        lines(json!([named(&["e1"])]), json!([entry, entry])),
        [None]
    );

    let twice = json!({"data": [entry, entry]}).to_string();
    let read = decode::entries(twice.as_bytes()).unwrap();
    assert!(
        matches!(&read, Lines::Unreadable(lines) if lines.why.contains("twice")),
        "{read:?}"
    );

    let personal = "{\"data\":[{\"id\":\"Q\",\"attributes\":{\"code\":\"1\",\"state\":\"NEW\",\"status\":\"A\",\"totalPrice\":1,\
                    \"creationDate\":{\"Алия\":1e999}}}]}";
    let output = format!("{:?}", list(personal));
    assert!(
        output.contains("CreationDate") && !output.contains("Алия"),
        "{output}"
    );
}

#[tokio::test]
async fn one_order_is_an_object_and_must_be_the_one_asked_for() {
    let (reading, _) = client(&[(200, "order_one.json"), (404, ""), (200, "order_one.json")]);
    let reader = reading.reader();
    let id = OrderId::new(ID).unwrap();
    let order = reader.order(&id).await.unwrap().unwrap();
    assert_eq!(order.status, Status::AcceptedByMerchant);
    assert_eq!(reader.order(&id).await.unwrap(), None);
    let other = OrderId::new("b3RoZXI").unwrap();
    assert!(
        reader.order(&other).await.is_err(),
        "another order in a right-looking answer"
    );
}

#[tokio::test]
async fn every_request_carries_what_kaspi_demands() {
    let (client, canned) = client(&[(200, "orders_none.json"), (200, "entries.json")]);
    client.reader().list(&query()).await.unwrap();
    client
        .reader()
        .lines(&OrderId::new(ID).unwrap())
        .await
        .unwrap();
    let asked = canned.asked.lock().unwrap();
    for request in asked.iter() {
        let header = |name| {
            request
                .headers
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, v)| v.as_str())
        };
        assert_eq!(request.token.expose_secret(), "the-token");
        assert_eq!(header("Content-Type"), Some("application/vnd.api+json"));
        assert_eq!(header("Accept"), Some("application/vnd.api+json"));
        assert_eq!(header("User-Agent"), Some("Mozilla/5.0 (test)"));
        assert_eq!(header("X-Merchant-Uid"), Some("10000001"));
        assert_eq!(request.method, Method::Get);
    }
    let sent: Vec<(&str, &str)> = asked[0]
        .query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let wanted = [
        ("page[number]", "0"),
        ("page[size]", "100"),
        ("filter[orders][creationDate][$ge]", "1772000000000"),
        ("filter[orders][creationDate][$le]", "1772430000000"),
        ("filter[orders][state]", "NEW"),
        ("filter[orders][status]", "APPROVED_BY_BANK"),
        ("include[orders]", "entries"),
    ];
    assert_eq!(sent, wanted);
    assert_eq!(asked[0].path, "/v2/orders");
    assert_eq!(asked[1].path, format!("/v2/orders/{ID}/entries"));
}

#[tokio::test]
async fn writes_say_exactly_what_the_page_says() {
    let answers = [
        (200, "write_echo.json"),
        (204, ""),
        (200, "page.html"),
        (400, "error_400.json"),
        (500, "page.html"),
    ];
    let (client, canned) = client(&answers);
    let writer = client.writer();
    let (id, code) = (
        OrderId::new(ID).unwrap(),
        OrderCode::new("900000001").unwrap(),
    );
    let reason = CancelReason::MerchantOutOfStock;
    let accept = async || {
        let turn = writer.turn().await.unwrap();
        writer.accept(turn, &id, &code, None).await
    };
    assert_eq!(accept().await, Outcome::Applied);
    let turn = writer.turn().await.unwrap();
    assert_eq!(
        writer
            .cancel(turn, (&id, &code), reason, "Нет в наличии", None)
            .await,
        Outcome::Applied
    );
    assert!(matches!(accept().await, Outcome::Unknown(_)));
    assert!(matches!(accept().await, Outcome::Rejected(_)));
    assert!(matches!(accept().await, Outcome::Unknown(_)));
    let asked = canned.asked.lock().unwrap();
    let body =
        |n: usize| -> Value { serde_json::from_slice(asked[n].body.as_ref().unwrap()).unwrap() };
    assert_eq!(asked[0].path, "/v2/orders");
    assert_eq!(
        body(0),
        json!({"data": {"type": "orders", "id": ID,
            "attributes": {"code": "900000001", "status": "ACCEPTED_BY_MERCHANT"}}})
    );
    assert_eq!(
        body(1),
        json!({"data": {"type": "orders", "id": ID, "attributes": {"code": "900000001",
            "status": "CANCELLED", "cancellationReason": "MERCHANT_OUT_OF_STOCK",
            "cancellationComment": "Нет в наличии"}}})
    );
}

#[tokio::test]
async fn a_list_goes_on_without_the_include_where_kaspi_refuses_it() {
    let answers = [
        (400, "error_400.json"),
        (200, "orders_none.json"),
        (200, "orders_none.json"),
    ];
    let (client, canned) = client(&answers);
    let reader = client.reader();
    reader.list(&query()).await.unwrap();
    reader.list(&query()).await.unwrap();
    let asked = canned.asked.lock().unwrap();
    let includes = |n: usize| {
        asked[n]
            .query
            .iter()
            .any(|(name, _)| name == "include[orders]")
    };
    assert_eq!(
        (includes(0), includes(1), includes(2)),
        (true, false, false)
    );
}

#[tokio::test]
async fn a_list_comes_without_the_include_where_kaspi_fails_with_it() {
    let answers = [500, 200, 500, 200, 200].map(|status| match status {
        200 => (200, "orders_none.json"),
        _ => (status, "error_400.json"),
    });
    let (client, canned) = client(&answers);
    let reader = client.reader();
    for _ in 0..3 {
        reader.list(&query()).await.unwrap();
    }
    let asked = canned.asked.lock().unwrap();
    let includes = asked.iter().map(|request| {
        let mut names = request.query.iter().map(|(name, _)| name.as_str());
        names.any(|name| name == "include[orders]")
    });
    let includes: Vec<bool> = includes.collect();
    assert_eq!(includes, [true, false, true, false, false]);
}

/// Whoever compares paths as they come knows an id by its padding too.
#[tokio::test]
async fn an_id_stands_in_the_path_as_it_is() {
    let (client, canned) = client(&[(404, "error_400.json"), (404, "error_400.json")]);
    let reader = client.reader();
    for id in ["OTAwMDAwMDAwMQ==", "a/b c"] {
        let order = reader.order(&OrderId::new(id).unwrap()).await.unwrap();
        assert!(order.is_none());
    }
    let asked = canned.asked.lock().unwrap();
    let paths: Vec<&str> = asked.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/v2/orders/OTAwMDAwMDAwMQ==", "/v2/orders/a%2Fb%20c"]
    );
}
