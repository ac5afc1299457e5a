//! The states of actions and reservations stand twice: as enums, and as CHECKs and triggers of their tables.
//! Every combination of columns, and every step, is tried in both.

use std::collections::BTreeSet;

use jiff::Timestamp;
use qabyl::domain::action::{self, Action, End, OutcomeKind};
use qabyl::domain::reservation::{self, Departure, DepartureKind, Reservation};
use sqlx::SqliteConnection;

use crate::migrations::{filled, look_into};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

fn ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millisecond)
}

async fn run(inside: &mut SqliteConnection, statement: &'static str) {
    sqlx::query(statement).execute(inside).await.unwrap();
}

async fn undo(inside: &mut SqliteConnection) {
    run(inside, "ROLLBACK TO one").await;
    run(inside, "RELEASE one").await;
}

/// A database whose order `c` has neither an action nor a reservation.
async fn database() -> (tempfile::TempDir, SqliteConnection) {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let mut inside = look_into(&path).await;
    // One transaction that is never committed: nothing of this need reach the disk.
    run(&mut inside, "BEGIN").await;
    (folder, inside)
}

fn action_fields() -> Vec<action::Fields> {
    let mut all = Vec::new();
    for state in action::State::ALL {
        for attempts in 0..3 {
            for due_at in [None, Some(at(500))] {
                for needs_person in [false, true] {
                    for closed_at in [None, Some(at(600))] {
                        for why in [None, Some("why".to_owned())] {
                            all.push(action::Fields {
                                state,
                                attempts,
                                due_at,
                                needs_person,
                                closed_at,
                                why,
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

const INSERT_ACTION: &str = "
INSERT INTO actions (state, attempts, due_at, needs_person, closed_at, why, id, shop, order_id, decision_id, kind,
  origin, made_at) VALUES (?, ?, ?, ?, ?, ?, 100, 'main', 'c', 1, 'accept', 'engine', 400)";

const UPDATE_ACTION: &str = "
UPDATE actions SET state = ?, attempts = ?, due_at = ?, needs_person = ?, closed_at = ?, why = ? WHERE id = 100";

/// Whether the table takes these columns.
async fn put_action(
    inside: &mut SqliteConnection,
    statement: &'static str,
    fields: &action::Fields,
) -> bool {
    let done = sqlx::query(statement)
        .bind(fields.state.as_str())
        .bind(fields.attempts)
        .bind(ms(fields.due_at))
        .bind(fields.needs_person)
        .bind(ms(fields.closed_at))
        .bind(fields.why.as_deref())
        .execute(inside)
        .await;
    done.is_ok()
}

fn valid_actions() -> Vec<Action> {
    let all = action_fields().into_iter();
    all.filter_map(|fields| Action::try_from(fields).ok())
        .collect()
}

fn action_events() -> Vec<action::Event> {
    let due_at = at(700);
    let ended = OutcomeKind::ALL.map(|outcome| action::Event::Ended { outcome, due_at });
    let ends = [End::Confirmed, End::Refused, End::Superseded];
    let closed = ends.map(|end| action::Event::Closed(end, "over".to_owned()));
    let mut all = vec![
        action::Event::Started,
        action::Event::Lost { due_at },
        action::Event::PutOff(due_at),
        action::Event::LeftToPerson,
    ];
    all.extend(ended);
    all.extend(closed);
    all
}

#[tokio::test]
async fn the_table_takes_exactly_the_actions_that_exist() {
    let (_folder, mut inside) = database().await;
    for fields in action_fields() {
        run(&mut inside, "SAVEPOINT one").await;
        let is_taken = put_action(&mut inside, INSERT_ACTION, &fields).await;
        undo(&mut inside).await;
        let exists = Action::try_from(fields.clone());
        assert_eq!(is_taken, exists.is_ok(), "{fields:?}");
        if let Ok(action) = exists {
            assert_eq!(action::Fields::from(&action), fields);
        }
    }
}

#[tokio::test]
async fn the_table_takes_exactly_the_steps_of_an_action() {
    let (_folder, mut inside) = database().await;
    let mut steps = BTreeSet::new();
    for from in valid_actions() {
        for event in action_events() {
            let Ok(to) = from.clone().transition(event.clone(), at(600)) else {
                continue;
            };
            steps.insert((from.state().as_str(), to.state().as_str()));
            run(&mut inside, "SAVEPOINT one").await;
            assert!(put_action(&mut inside, INSERT_ACTION, &(&from).into()).await);
            let is_taken = put_action(&mut inside, UPDATE_ACTION, &(&to).into()).await;
            undo(&mut inside).await;
            assert!(is_taken, "{from:?} on {event:?}");
        }
    }
    for from in valid_actions() {
        for to in valid_actions() {
            run(&mut inside, "SAVEPOINT one").await;
            assert!(put_action(&mut inside, INSERT_ACTION, &(&from).into()).await);
            let is_taken = put_action(&mut inside, UPDATE_ACTION, &(&to).into()).await;
            undo(&mut inside).await;
            let step = (from.state().as_str(), to.state().as_str());
            assert!(!is_taken || steps.contains(&step), "{from:?} to {to:?}");
        }
    }
}

fn reservation_fields() -> Vec<reservation::Fields> {
    let mut all = Vec::new();
    for state in reservation::State::ALL {
        for confirmed_at in [None, Some(at(450))] {
            for closed_at in [None, Some(at(600))] {
                for departure in [
                    None,
                    Some(DepartureKind::Interval),
                    Some(DepartureKind::Unknown),
                ] {
                    for left_after in [None, Some(at(500)), Some(at(600)), Some(at(601))] {
                        for why in [None, Some("why".to_owned())] {
                            all.push(reservation::Fields {
                                state,
                                confirmed_at,
                                closed_at,
                                departure,
                                left_after,
                                why,
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

const INSERT_RESERVATION: &str = "
INSERT INTO reservations (state, confirmed_at, closed_at, departure, left_after, why, id, shop, order_id, sku,
  warehouse, quantity, origin, made_at) VALUES (?, ?, ?, ?, ?, ?, 100, 'main', 'c', 'A', '', 1, 'decision', 400)";

const UPDATE_RESERVATION: &str = "
UPDATE reservations SET state = ?, confirmed_at = ?, closed_at = ?, departure = ?, left_after = ?, why = ?
WHERE id = 100";

async fn put_reservation(
    inside: &mut SqliteConnection,
    statement: &'static str,
    fields: &reservation::Fields,
) -> bool {
    let done = sqlx::query(statement)
        .bind(fields.state.as_str())
        .bind(ms(fields.confirmed_at))
        .bind(ms(fields.closed_at))
        .bind(fields.departure.map(DepartureKind::as_str))
        .bind(ms(fields.left_after))
        .bind(fields.why.as_deref())
        .execute(inside)
        .await;
    done.is_ok()
}

fn valid_reservations() -> Vec<Reservation> {
    let all = reservation_fields().into_iter();
    all.filter_map(|fields| Reservation::try_from(fields).ok())
        .collect()
}

#[tokio::test]
async fn the_table_takes_exactly_the_reservations_that_exist() {
    let (_folder, mut inside) = database().await;
    for fields in reservation_fields() {
        run(&mut inside, "SAVEPOINT one").await;
        let is_taken = put_reservation(&mut inside, INSERT_RESERVATION, &fields).await;
        undo(&mut inside).await;
        let exists = Reservation::try_from(fields.clone());
        assert_eq!(is_taken, exists.is_ok(), "{fields:?}");
        if let Ok(reservation) = exists {
            assert_eq!(reservation::Fields::from(&reservation), fields);
        }
    }
}

#[tokio::test]
async fn the_table_takes_exactly_the_steps_of_a_reservation() {
    let (_folder, mut inside) = database().await;
    let (after, by) = (at(500), at(600));
    let events = [
        reservation::Event::Confirmed,
        reservation::Event::Left(Departure::Between { after, by }, "seen".to_owned()),
        reservation::Event::Left(Departure::Unknown { by }, "seen".to_owned()),
        reservation::Event::Released("cancelled".to_owned()),
        reservation::Event::Reopened,
    ];
    let mut steps = BTreeSet::new();
    for from in valid_reservations() {
        for event in &events {
            let Ok(to) = from.clone().transition(event.clone(), at(600)) else {
                continue;
            };
            steps.insert((from.state().as_str(), to.state().as_str()));
            run(&mut inside, "SAVEPOINT one").await;
            assert!(put_reservation(&mut inside, INSERT_RESERVATION, &(&from).into()).await);
            let is_taken = put_reservation(&mut inside, UPDATE_RESERVATION, &(&to).into()).await;
            undo(&mut inside).await;
            assert!(is_taken, "{from:?} on {event:?}");
        }
    }
    for from in valid_reservations() {
        for to in valid_reservations() {
            run(&mut inside, "SAVEPOINT one").await;
            assert!(put_reservation(&mut inside, INSERT_RESERVATION, &(&from).into()).await);
            let is_taken = put_reservation(&mut inside, UPDATE_RESERVATION, &(&to).into()).await;
            undo(&mut inside).await;
            let step = (from.state().as_str(), to.state().as_str());
            assert!(!is_taken || steps.contains(&step), "{from:?} to {to:?}");
        }
    }
}

/// What each answer to the first POST of an action, and to its second one, makes of it.
#[test]
fn a_post_that_was_not_handled_leaves_the_action_as_it_was() {
    use action::State::{Pending, Sent, Unknown};
    let answered = |attempts: u32, outcome| {
        let next = action::Next::At(at(500));
        let sent = Action::Sent { attempts, next };
        let due_at = at(700);
        let ended = sent.transition(action::Event::Ended { outcome, due_at }, at(600));
        let ended = ended.unwrap();
        assert_eq!(action::Fields::from(&ended).due_at, Some(due_at));
        (ended.state(), ended.attempts())
    };
    for (outcome, first, second) in [
        (OutcomeKind::Applied, (Sent, 1), (Sent, 2)),
        (OutcomeKind::Rejected, (Unknown, 1), (Unknown, 2)),
        (OutcomeKind::Denied, (Unknown, 1), (Unknown, 2)),
        (OutcomeKind::Unknown, (Unknown, 1), (Unknown, 2)),
        (OutcomeKind::Snoozed, (Pending, 1), (Unknown, 2)),
        (OutcomeKind::NotSent, (Pending, 0), (Unknown, 1)),
    ] {
        assert_eq!(answered(1, outcome), first, "{outcome:?}");
        assert_eq!(answered(2, outcome), second, "{outcome:?}");
    }
}
