//! Whether a press may do anything: who pressed, what the button holds, and until when it is good.

use jiff::Timestamp;

use super::presses::{PressDid, PressEnd, Pressed, digest};
use crate::domain::buttons::PressOn;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::people::Actor;
use crate::mutant::mutant;
use crate::store::new_orders::new_order;
use crate::store::people::{User, user_at_telegram};
use crate::store::telegram_bots::take_update;
use crate::store::telegram_messages::{self, FoundButton};
use crate::store::{StoreError, WriteTx};

/// Why a press did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNothing {
    /// The same update was handled before.
    Repeated,
    /// No button holds this, or not in this message.
    Unknown,
    /// It was used up.
    Used,
    /// Its time is over.
    Expired,
    /// The account is that of no user, or of one who is disabled.
    NoUser,
    /// Somebody else is asked to press.
    OtherUser,
    /// The order does not wait for a person any more.
    NotHeld,
    /// The order is no longer the one that the message shows.
    Changed,
    /// The role does not allow it.
    NotAllowed,
    /// Nothing is sent for the shop, as in mode `propose`.
    SendsNothing,
    /// They cancelled too many orders within an hour.
    TooManyCancels,
    /// The order cannot be decided so now.
    Refused(String),
}

impl WhyNothing {
    /// A word for each, as messages translate it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Repeated => "press-repeated",
            Self::Unknown => "press-unknown",
            Self::Used => "press-used",
            Self::Expired => "press-expired",
            Self::NoUser => "press-no_user",
            Self::OtherUser => "press-other_user",
            Self::NotHeld => "press-not_held",
            Self::Changed => "press-changed",
            Self::NotAllowed => "press-not_allowed",
            Self::SendsNothing => "press-sends_nothing",
            Self::TooManyCancels => "press-too_many_cancels",
            Self::Refused(_) => "press-refused",
        }
    }
}

/// A press that may do something.
pub(super) struct Good {
    pub(super) found: FoundButton,
    pub(super) user: User,
}

impl Good {
    pub(super) fn order(&self) -> (&ShopName, &OrderId) {
        (&self.found.message.shop, &self.found.message.order)
    }

    pub(super) fn press(&self, is_late: bool) -> PressOn<'_> {
        PressOn {
            button: self.found.button,
            panel: &self.found.message.panel,
            user: self.user.id,
            is_late,
        }
    }

    pub(super) fn actor(&self, telegram: i64) -> Actor {
        let user = (self.user.id, self.user.name.as_str());
        Actor::telegram(user, telegram, self.user.grants.clone())
    }

    pub(super) fn end(self, did: PressDid) -> PressEnd {
        PressEnd {
            did,
            user: Some(self.user.id),
            message: Some(self.found.message),
        }
    }
}

/// Why the press does nothing, with what is known of it.
pub(super) type Bad = Box<PressEnd>;

/// Looks at a press before anything is done.
pub(super) async fn check(
    tx: &mut WriteTx<'_>,
    press: &Pressed<'_>,
    now: Timestamp,
) -> Result<Result<Good, Bad>, StoreError> {
    let mut end = PressEnd {
        did: PressDid::Nothing(WhyNothing::Repeated),
        message: None,
        user: None,
    };
    let nothing = |why, mut end: PressEnd| {
        end.did = PressDid::Nothing(why);
        Ok(Err(Box::new(end)))
    };
    if !take_update(tx, press.update, now).await? && !mutant("r17_press_done_again") {
        return Ok(Err(Box::new(end)));
    }
    let user = user_at_telegram(tx.conn()?, press.telegram).await?;
    let user = user.filter(|user| user.disabled_at.is_none());
    end.user = user.as_ref().map(|user| user.id);
    let found = telegram_messages::button(tx, &digest(press.data)).await?;
    end.message = found.as_ref().map(|found| found.message.clone());
    let Some(user) = user else {
        return nothing(WhyNothing::NoUser, end);
    };
    let Some(mut found) = found else {
        return nothing(WhyNothing::Unknown, end);
    };
    match found.message.place {
        Some(place) if place != press.place => return nothing(WhyNothing::Unknown, end),
        Some(_) => {}
        // Its answer was lost when it was sent: only that message holds this.
        None => {
            telegram_messages::bind(tx, found.message.id, press.place).await?;
            found.message.place = Some(press.place);
        }
    }
    if found.is_used && !mutant("r17_button_used_twice") {
        return nothing(WhyNothing::Used, end);
    }
    let second = found.message.panel.second();
    let ended = now >= found.message.ends_at || second.is_some_and(|second| now >= second.until);
    if ended && !mutant("r17_button_without_end") {
        return nothing(WhyNothing::Expired, end);
    }
    if second.is_some_and(|second| second.user != user.id) && !mutant("r17_second_press_of_anybody")
    {
        return nothing(WhyNothing::OtherUser, end);
    }
    let good = Good { found, user };
    let (shop, order) = good.order();
    let actor = good.actor(press.telegram);
    if actor.check(good.press(press.is_late).verb(), shop).is_err() {
        return nothing(WhyNothing::NotAllowed, end);
    }
    let order = new_order(tx.conn()?, shop.as_str(), order.as_str()).await?;
    if !order.is_some_and(|order| order.awaits_person()) {
        return nothing(WhyNothing::NotHeld, end);
    }
    Ok(Ok(good))
}
