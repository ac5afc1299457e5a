//! A press on a button below a message about a held order: what it holds is used up in the transaction of what it does.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::facts::DecidingInput;
use super::manual_decisions::{Manual, ManualDecision, Terms};
use super::press_check::{Good, WhyNothing, check};
use crate::domain::buttons::{Asked, Button, Panel, Step};
use crate::domain::ids::ShopName;
use crate::domain::interlocks::Name;
use crate::domain::limits::Limits;
use crate::domain::people::{Actor, Refusal};
use crate::store::telegram_bots::take_update;
use crate::store::telegram_messages;
use crate::store::{ButtonMessage, NewButton, Store, StoreError, WriteTx, shops};
use crate::text::hex;

/// Why a hold is kept that a person keeps by a button.
const KEPT_WHY: &str = "kept on hold in Telegram";

/// What a button holds: 128 random bits that Telegram alone knows.
pub struct ButtonSecret(String);

impl ButtonSecret {
    /// From random bytes.
    pub fn of(random: &[u8; 16]) -> Self {
        Self(hex(random))
    }

    /// As the button holds it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn stored(&self, button: Button) -> NewButton {
        NewButton {
            digest: digest(&self.0),
            button,
        }
    }
}

pub(super) fn digest(data: &str) -> String {
    hex(&Sha256::digest(data.as_bytes()))
}

/// A press as Telegram reports it.
#[derive(Debug, Clone, Copy)]
pub struct Pressed<'a> {
    /// The bot and the number of the update.
    pub update: (i64, i64),
    /// The account of who pressed.
    pub telegram: i64,
    /// The chat and the message.
    pub place: (i64, i64),
    /// What the button holds.
    pub data: &'a str,
    /// Whether it was fetched long after it may have been pressed.
    pub is_late: bool,
}

/// How a shop is decided for.
#[derive(Debug, Clone)]
pub struct ShopTerms {
    /// How the ledger is read.
    pub input: DecidingInput,
    /// The limits in force.
    pub limits: Limits,
    /// Why nothing is sent for it.
    pub sends_nothing: Option<&'static str>,
    /// The most cancels of one person within an hour.
    pub cancels_per_person_max: Option<u64>,
}

/// What a press did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PressDid {
    /// The order is decided so.
    Decided(Asked),
    /// The order is kept on hold.
    Kept,
    /// The message asks for another press.
    Asks(Panel),
    /// The person asks why the order waits.
    Explains,
    /// Nothing.
    Nothing(WhyNothing),
}

/// A press with the order that it is about, and the user, where they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PressEnd {
    /// What it did.
    pub did: PressDid,
    /// The message that was pressed.
    pub message: Option<ButtonMessage>,
    /// The row of the user.
    pub user: Option<i64>,
}

impl Store {
    /// Does what a press asks for, where it may.
    pub async fn press(
        &self,
        press: &Pressed<'_>,
        terms: &(dyn Fn(&ShopName) -> Option<ShopTerms> + Sync),
        now: Timestamp,
    ) -> Result<PressEnd, StoreError> {
        let mut tx = self.write().await?;
        let good = match check(&mut tx, press, now).await? {
            Ok(good) => good,
            Err(bad) => {
                tx.commit().await?;
                return Ok(*bad);
            }
        };
        let id = good.found.message.id;
        let (what, panel) = match good.press(press.is_late).step(now) {
            Step::Explain => {
                tx.commit().await?;
                return Ok(good.end(PressDid::Explains));
            }
            Step::Ask(panel) => {
                telegram_messages::ask(&mut tx, id, &panel, now).await?;
                tx.commit().await?;
                return Ok(good.end(PressDid::Asks(panel)));
            }
            Step::Keep => (None, Panel::Kept),
            Step::Decide(asked, names) => (Some((asked, names)), Panel::Decided),
        };
        let actor = good.actor(press.telegram);
        let of = what
            .as_ref()
            .map(|(asked, names)| (*asked, names.as_slice()));
        let shop = &good.found.message.shop;
        let decided = decide(&mut tx, &good, (of, &actor), terms(shop).as_ref(), now).await;
        let error = match decided {
            Ok(()) => {
                telegram_messages::ask(&mut tx, id, &panel, now).await?;
                tx.commit_manual_decision().await?;
                let did = of.map_or(PressDid::Kept, |(asked, _)| PressDid::Decided(asked));
                return Ok(good.end(did));
            }
            Err(error) => error,
        };
        // Nothing of what was begun is kept.
        drop(tx);
        self.not_decided(press, (good, of.map(|(asked, _)| asked)), error, now)
            .await
    }

    /// Notes that a press did not decide, and asks again where that may help.
    async fn not_decided(
        &self,
        press: &Pressed<'_>,
        (good, asked): (Good, Option<Asked>),
        error: StoreError,
        now: Timestamp,
    ) -> Result<PressEnd, StoreError> {
        let (did, panel) = match (error, asked) {
            (StoreError::NotTaken(Refusal::Objected(found)), Some(asked)) => {
                let panel = Panel::Override {
                    second: good.press(false).again(now),
                    asked,
                    names: found.iter().map(|(name, _)| *name).collect(),
                };
                (PressDid::Asks(panel.clone()), Some(panel))
            }
            (StoreError::NotTaken(Refusal::Changed(_)), _) => {
                let panel = Panel::Decide { again: false };
                (PressDid::Nothing(WhyNothing::Changed), Some(panel))
            }
            (StoreError::NotTaken(refusal), _) => {
                let why = match refusal {
                    Refusal::SendsNothing(_) => WhyNothing::SendsNothing,
                    Refusal::TooManyCancels { .. } => WhyNothing::TooManyCancels,
                    Refusal::NotAllowed(_) => WhyNothing::NotAllowed,
                    other => WhyNothing::Refused(other.to_string()),
                };
                (PressDid::Nothing(why), None)
            }
            (error @ (StoreError::Refused(_) | StoreError::NoOrder(_)), _) => (
                PressDid::Nothing(WhyNothing::Refused(error.to_string())),
                None,
            ),
            (error, _) => return Err(error),
        };
        let mut tx = self.write().await?;
        let good = match check(&mut tx, press, now).await? {
            Ok(good) => good,
            // Somebody else pressed in the meantime.
            Err(bad) => {
                tx.commit().await?;
                return Ok(*bad);
            }
        };
        if let Some(panel) = &panel {
            telegram_messages::ask(&mut tx, good.found.message.id, panel, now).await?;
        }
        tx.commit().await?;
        Ok(good.end(did))
    }
}

/// Decides the order, or keeps it on hold where nothing is asked for.
async fn decide(
    tx: &mut WriteTx<'_>,
    good: &Good,
    (what, actor): (Option<(Asked, &[Name])>, &Actor),
    terms: Option<&ShopTerms>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let verdict = what.map(|(asked, _)| asked.verdict());
    let what = match (&verdict, what, terms) {
        (Some(verdict), Some((_, names)), Some(terms)) => (
            Manual::Answer {
                verdict,
                input: &terms.input,
                limits: Some(&terms.limits),
                terms: Terms {
                    sends_nothing: terms.sends_nothing,
                    cancels_per_person_max: terms.cancels_per_person_max,
                },
            },
            Some(names),
        ),
        (Some(_), ..) => {
            let why = "the shop is not in the configuration".to_owned();
            return Err(Refusal::SendsNothing(why).into());
        }
        (None, ..) => (Manual::Hold(KEPT_WHY), None),
    };
    let decision = ManualDecision {
        what: what.0,
        actor,
        version: Some(&good.found.message.version),
        key: None,
        overrides: what.1,
    };
    tx.decide_manually(good.order(), &decision, now).await?;
    Ok(())
}

impl Store {
    /// Pauses these shops, or resumes them, as somebody wrote to a bot. `false` where that was done before.
    pub async fn pause_by_update(
        &self,
        update: (i64, i64),
        (shops, why): (&[ShopName], Option<&str>),
        actor: &Actor,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        if !take_update(&mut tx, update, now).await? {
            return Ok(false);
        }
        for shop in shops {
            shops::set_paused(&mut tx, (shop, why), actor, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
