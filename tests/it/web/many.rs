//! Several held orders decided at once.

use qabyl::domain::people::Role;
use qabyl_sandbox::Settings;

use super::{Browser, Sent, Shown, Web};
use crate::world::world;

const CODES: [&str; 3] = ["900000001", "900000002", "900000003"];

/// Three orders that wait for a person; the goods of the last are in no source.
async fn begin() -> (Web, Browser) {
    let rules = "[[rule]]\nname = \"all\"\nthen = \"hold\"\n";
    let described = world(Settings::default()).rules(rules);
    let begun = described.begin_with(&[("A", 5)]).await;
    begun.place_plain(&[
        (CODES[0], "A", 1),
        (CODES[1], "A", 1),
        (CODES[2], "NOWHERE", 1),
    ]);
    begun.brief().await;
    let web = Web::beside(begun).await;
    let browser = web.signed_in("Айгуль", Role::Operator, 1).await;
    (web, browser)
}

/// The form for several, with every order picked.
fn form(web: &Web, page: &Shown, verb: &'static str) -> Sent {
    let field = |name| page.field("id=\"many\"", name);
    let (token, key) = (field("token"), field("key"));
    let fields = [("token", token.as_str()), ("key", &key), ("verb", verb)];
    let mut sent = Sent::form(web, &fields);
    for part in page.body.split("form=\"many\"").skip(1) {
        let (_, rest) = part.split_once("value=\"").unwrap();
        let value = rest.split('"').next().unwrap();
        sent.fields.push(("order", value.to_owned()));
    }
    sent
}

fn statuses(web: &Web) -> Vec<String> {
    let kaspi = web.world.kaspi();
    let of = |code| kaspi.order(code).unwrap().status.to_string();
    CODES.map(of).to_vec()
}

#[tokio::test]
async fn orders_picked_together_are_accepted_and_those_an_interlock_stops_stay() {
    let (web, browser) = begin().await;
    let page = web.get(&browser, "/waiting").await.is(200);
    let sent = form(&web, &page, "accept");
    assert_eq!(sent.fields.len(), 6, "three orders are offered");
    let bare = sent.clone().with_field("token", "");
    web.post(&browser, "/waiting", &bare).await.is(403);
    let said = web.post(&browser, "/waiting", &sent).await.is(200);
    assert!(
        said.body.contains("Принимаем заказов: 2 из 3"),
        "{}",
        said.body
    );
    let (_, left) = said.body.split_once("остались как были").expect(&said.body);
    assert!(
        left.contains(CODES[2]) && !left.contains(CODES[0]),
        "{left}"
    );
    web.world.brief().await;
    let (new, accepted) = ("APPROVED_BY_BANK", "ACCEPTED_BY_MERCHANT");
    assert_eq!(statuses(&web), [accepted, accepted, new]);
    // The same form again decides nothing again.
    web.post(&browser, "/waiting", &sent).await.is(200);
    web.world.brief().await;
    for code in &CODES[..2] {
        assert_eq!(web.world.kaspi().ledger().posts_for(code).len(), 1);
    }
    web.end().await;
}

#[tokio::test]
async fn orders_picked_together_are_kept_but_for_those_that_changed() {
    let (web, browser) = begin().await;
    let page = web.get(&browser, "/waiting").await.is(200);
    let mut sent = form(&web, &page, "keep");
    let stale = sent.fields.iter_mut().find(|(name, _)| *name == "order");
    let value = &mut stale.unwrap().1;
    let parts: Vec<&str> = value.split(' ').collect();
    *value = format!("{} 0123456789ab {}", parts[0], parts[2]);
    let said = web.post(&browser, "/waiting", &sent).await.is(200);
    assert!(
        said.body.contains("Оставлено за вами заказов: 2 из 3"),
        "{}",
        said.body
    );
    assert!(said.body.contains("Заказ изменился"), "{}", said.body);
    let views = web.world.views().await;
    let held = views.iter().filter(|view| view.held.is_some()).count();
    assert_eq!(held, 2);
    let other = form(&web, &page, "cancel");
    web.post(&browser, "/waiting", &other).await.is(403);
    web.end().await;
}
