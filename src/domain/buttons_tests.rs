#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn press(button: Button, panel: &Panel, is_late: bool) -> Step {
    let press = PressOn {
        button,
        panel,
        user: 3,
        is_late,
    };
    press.step(at(100))
}

#[test]
fn a_cancel_is_asked_twice_and_where_the_first_press_was_nothing_cancels() {
    let first = Panel::Decide { again: false };
    let Step::Ask(asks) = press(Button::Cancel, &first, false) else {
        panic!("a cancel at the first press");
    };
    let second = Second {
        user: 3,
        until: at(160),
    };
    assert_eq!(asks, Panel::Reason(second));
    let place = first.rows()[0].iter().position(|b| *b == Button::Cancel);
    assert!(place.is_some() && asks.rows()[0] == [Button::Back]);
    let reason = CancelReason::BuyerNotReachable;
    let done = press(Button::Reason(reason), &asks, false);
    assert_eq!(done, Step::Decide(Asked::Cancel(reason), Vec::new()));
}

#[test]
fn what_was_fetched_late_is_asked_again_whatever_it_was() {
    let asks = Panel::Decide { again: true };
    for button in Button::ALL {
        let step = press(button, &Panel::Decide { again: false }, true);
        let expected = match button {
            Button::Why => Step::Explain,
            _ => Step::Ask(asks.clone()),
        };
        assert_eq!(step, expected, "{button:?}");
    }
}

#[test]
fn every_word_is_read_back() {
    for button in Button::ALL {
        assert_eq!(Button::parse(button.word()), Some(button));
    }
}
