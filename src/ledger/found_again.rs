//! Orders that Kaspi did not know for a while and shows again: what was put off for them is due at once.

use jiff::Timestamp;

use super::transitions::apply;
use crate::domain::action::Event;
use crate::domain::ids::ShopName;
use crate::mutant::mutant;
use crate::store::{Store, StoreError, actions, not_found};

impl Store {
    /// Forgets that Kaspi did not know the orders that were seen since. Their actions are due at once.
    ///
    /// # Errors
    /// A database error.
    pub async fn resume_found_orders(
        &self,
        shop: &ShopName,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut reader = self.read().await?;
        let found = not_found::seen_since(&mut reader, shop).await?;
        drop(reader);
        if found.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        for order in found {
            not_found::forget(&mut tx, shop, &order).await?;
            if mutant("i8_found_again_waits") {
                continue;
            }
            for action in actions::put_off(&mut tx, (shop, &order), now).await? {
                apply(&mut tx, action, Event::PutOff(now), now).await?;
            }
        }
        tx.commit().await
    }
}
