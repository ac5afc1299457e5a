//! Whether what a shop reads is its own (domain/identity.rs): checked before a reading is stored, in its transaction.
//! Orders, holds, pause and promises follow the merchant account when its shop is given another name.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::observe::{Observed, Reading};
use crate::domain::identity::{Shown, identify};
use crate::domain::ids::{Account, PickupPoint, ShopName};
use crate::domain::known_shop::{KnownShop, ShownBy, StoredMismatch};
use crate::domain::order::Order;
use crate::mutant::mutant;
use crate::store::{Store, StoreError, WriteTx, scans, shop_identity, shops};
use crate::store::{orders, people, telegram_messages};
use crate::text::hex;

/// A shop of the configuration.
pub struct Configured<'a> {
    /// Its name.
    pub name: ShopName,
    /// Its token; only a keyed digest of it is stored.
    pub token: &'a str,
    /// Its account, where the configuration has it.
    pub merchant_uid: Option<Account>,
}

/// Compares readings with the shop's account and with the orders of other shops. `false` where they may be another's:
/// nothing of them is stored.
pub(crate) async fn check(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    readings: &[Reading],
    (observed, now): (&mut Observed, Timestamp),
) -> Result<bool, StoreError> {
    let (own, others) = known(tx, shop).await?;
    let by = own.mismatch.as_ref().map(|mismatch| mismatch.by);
    if by == Some(ShownBy::Token) {
        return Ok(false);
    }
    let shown = shown(tx, shop, readings, !others.is_empty()).await?;
    let identity = match identify(&own, &others, &shown) {
        Ok(identity) => identity,
        Err(mismatch) => {
            let why = mismatch.to_string();
            if own.mismatch.is_none() {
                let stored = StoredMismatch {
                    why: why.clone(),
                    with: mismatch.other().cloned(),
                    by: ShownBy::Reading,
                };
                shops::set_mismatch(tx, shop, Some(&stored), now).await?;
                observed.mismatch = Some(why);
            }
            return Ok(false);
        }
    };
    if let Some(account) = &identity.learned {
        shops::set_account(tx, shop, account, now).await?;
    }
    for earlier in &identity.earlier_names {
        take_over(tx, shop, earlier, now).await?;
        observed.earlier_names.push(earlier.clone());
    }
    for (code, from) in &identity.strays {
        orders::move_to_shop(tx, (from, shop), Some(code)).await?;
        let detail = json!({ "order": code, "from": from });
        tx.audit(now, "qabyl", (shop, None), "order.moved", detail);
    }
    if by.is_some() && identity.is_own {
        shops::set_mismatch(tx, shop, None, now).await?;
        observed.identified = true;
        return Ok(true);
    }
    Ok(by.is_none())
}

/// Why the shop's lists cannot be complete: what it reads may be another's.
pub(crate) async fn mismatch(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
) -> Result<Option<String>, StoreError> {
    Ok(known(tx, shop)
        .await?
        .0
        .mismatch
        .map(|mismatch| mismatch.why))
}

pub(crate) async fn known(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
) -> Result<(KnownShop, Vec<KnownShop>), StoreError> {
    let mut others = shop_identity::known_shops(tx.conn()?).await?;
    let own = others.iter().position(|known| known.name == *shop);
    let own = own.map_or_else(
        || KnownShop::new(shop.clone()),
        |own| others.swap_remove(own),
    );
    Ok((own, others))
}

async fn shown(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    readings: &[Reading],
    has_others: bool,
) -> Result<Vec<Shown>, StoreError> {
    let mut elsewhere: HashMap<String, Vec<ShopName>> = HashMap::new();
    if has_others {
        let codes: Vec<&str> = readings.iter().map(|r| r.order.code.as_str()).collect();
        for (code, other) in orders::known_elsewhere(tx, shop, &codes).await? {
            let other = ShopName::new(&other).map_err(|_| StoreError::corrupt("a shop", other))?;
            elsewhere.entry(code).or_default().push(other);
        }
    }
    let shown = readings.iter().map(|reading| {
        let order = &reading.order;
        Shown {
            code: order.code.clone(),
            account: account_of(order),
            known_under: elsewhere.remove(order.code.as_str()).unwrap_or_default(),
        }
    });
    Ok(shown.collect())
}

fn account_of(order: &Order) -> Option<Account> {
    order.pickup_point.as_ref().and_then(PickupPoint::account)
}

/// Joins a removed shop into the one that it is under a new name.
async fn take_over(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    earlier: &ShopName,
    now: Timestamp,
) -> Result<(), StoreError> {
    if mutant("r16_renamed_shop_starts_again") {
        return Ok(());
    }
    let moved = orders::move_to_shop(tx, (earlier, shop), None).await?;
    scans::move_to_shop(tx, (earlier, shop)).await?;
    tx.move_restore(earlier, shop).await?;
    tx.rename_in_audit(earlier, shop).await?;
    people::move_to_shop(tx, (earlier, shop)).await?;
    telegram_messages::move_to_shop(tx, (earlier, shop)).await?;
    shops::join_earlier_name(tx, shop, earlier).await?;
    let detail = json!({ "before": earlier, "orders": moved });
    tx.audit(now, "qabyl", (shop, None), "shop.renamed", detail);
    Ok(())
}

fn digest(key: &str, token: &str) -> String {
    let digest = Sha256::new()
        .chain_update(key)
        .chain_update([0])
        .chain_update(token)
        .finalize();
    let mut digest = hex(&digest);
    digest.truncate(32);
    digest
}

impl Store {
    /// Compares the configured shops with those of the database: recognises a shop under a new name, and tokens that
    /// were exchanged. Returns each new name with the earlier one.
    pub async fn configure_shops(
        &self,
        configured: &[Configured<'_>],
        now: Timestamp,
    ) -> Result<Vec<(ShopName, ShopName)>, StoreError> {
        let mut tx = self.write().await?;
        let key = shop_identity::token_key(tx.conn()?).await?;
        let is_configured = |name: &ShopName| configured.iter().any(|shop| shop.name == *name);
        for known in shop_identity::known_shops(tx.conn()?).await? {
            if known.is_configured() && !is_configured(&known.name) {
                shops::set_removed(&mut tx, &known.name, Some(now), now).await?;
            }
        }
        for shop in configured {
            shops::add(&mut tx, &shop.name).await?;
            let (known, _) = known(&mut tx, &shop.name).await?;
            if known.added_at.is_none() || !known.is_configured() {
                shops::set_removed(&mut tx, &shop.name, None, now).await?;
            }
            if let Some(uid) = &shop.merchant_uid
                && known.account.as_ref() != Some(uid)
            {
                shops::set_account(&mut tx, &shop.name, uid, now).await?;
            }
        }
        let mut renamed = Vec::new();
        for shop in configured {
            let digest = digest(&key, shop.token);
            if let Some(earlier) = compare_token(&mut tx, shop, &digest, now).await? {
                renamed.push((shop.name.clone(), earlier));
            }
        }
        tx.commit().await?;
        Ok(renamed)
    }
}

/// Compares a shop's token with those that it and others had. Returns the shop's earlier name where it was renamed.
async fn compare_token(
    tx: &mut WriteTx<'_>,
    shop: &Configured<'_>,
    digest: &str,
    now: Timestamp,
) -> Result<Option<ShopName>, StoreError> {
    let (own, others) = known(tx, &shop.name).await?;
    let digests = shop_identity::token_digests(tx.conn()?).await?;
    let of = |name: &ShopName| {
        let mut digests = digests.iter().filter(|(other, _)| other == name.as_str());
        digests.next().and_then(|(_, digest)| digest.as_deref())
    };
    let has_token = |other: &&KnownShop| of(&other.name) == Some(digest);
    let is_new = of(&own.name).is_none() && !orders::has_any(tx, &own.name).await?;
    let same_account =
        |other: &&KnownShop| shop.merchant_uid.is_some() && other.account == shop.merchant_uid;
    let earlier = others
        .iter()
        .filter(|other| !other.is_configured() && is_new)
        .find(|other| has_token(other) || same_account(other));
    if let Some(earlier) = earlier {
        take_over(tx, &own.name, &earlier.name, now).await?;
        shops::set_token_digest(tx, &own.name, digest).await?;
        return Ok(Some(earlier.name.clone()));
    }
    let is_by_token = own
        .mismatch
        .as_ref()
        .is_some_and(|mismatch| mismatch.by == ShownBy::Token);
    if of(&own.name) == Some(digest) {
        if is_by_token {
            shops::set_mismatch(tx, &own.name, None, now).await?;
        }
        return Ok(None);
    }
    if let Some(other) = others.iter().find(has_token)
        && !mutant("r16_exchanged_token")
    {
        if !is_by_token {
            let why = format!(
                "its token is the one that shop {0} had: give each shop the token of its own account",
                other.name
            );
            let stored = StoredMismatch {
                why,
                with: Some(other.name.clone()),
                by: ShownBy::Token,
            };
            shops::set_mismatch(tx, &own.name, Some(&stored), now).await?;
        }
        return Ok(None);
    }
    // A new token is believed until it shows otherwise.
    shops::set_token_digest(tx, &own.name, digest).await?;
    if own.mismatch.is_some() {
        shops::set_mismatch(tx, &own.name, None, now).await?;
    }
    Ok(None)
}
