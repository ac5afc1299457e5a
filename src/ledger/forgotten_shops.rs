//! A person ends what a shop had promised that left the configuration for good.

use jiff::Timestamp;
use serde_json::json;

use super::identity::known;
use crate::domain::ids::ShopName;
use crate::domain::reservation::Event;
use crate::store::orders::parse_order;
use crate::store::reservations::close_reservations;
use crate::store::{Store, StoreError, shops};

impl Store {
    /// Ends what a removed shop had promised: its units are free for other shops.
    pub async fn forget_shop(
        &self,
        shop: &ShopName,
        actor: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let (known, _) = known(&mut tx, shop).await?;
        if known.is_configured() {
            return Err(StoreError::Refused(format!(
                "shop {shop} is configured, or was never: only what left the configuration can be forgotten, once the \
                 daemon or `qabyl once` has run without it"
            )));
        }
        let promised: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT o.body FROM reservations r INDEXED BY reservations_active
             JOIN orders o ON o.shop = r.shop AND o.id = r.order_id WHERE r.shop = ? AND r.state = 'active'",
        )
        .bind(shop.as_str())
        .fetch_all(tx.conn()?)
        .await?;
        for body in &promised {
            let why = Event::Released("its shop was removed and forgotten".to_owned());
            close_reservations(&mut tx, shop, &parse_order(body)?, why, now).await?;
        }
        shops::set_forgotten(&mut tx, shop, now).await?;
        let detail = json!({ "orders": promised.len() });
        tx.audit(now, actor, (shop, None), "shop.forgotten", detail);
        tx.commit().await?;
        Ok(promised.len() as u64)
    }
}
