//! Which merchant account a shop is. The name in the configuration identifies nothing: it is changed, and a token
//! file may hold another shop's token. What identifies a shop is the account that the pickup points of its orders
//! name, and the orders that it was seen to have. Every reading is compared with both before it is stored.

use std::collections::BTreeMap;
use std::fmt;

use super::ids::{Account, OrderCode, ShopName};
use super::known_shop::KnownShop;
use super::order::Order;
use crate::mutant::mutant;

/// Orders of one unknown account in a reading without an own one, from which on the shop is taken for another. One
/// such order is held; several mean another merchant's token.
pub const FOREIGN_ORDERS_MAX: usize = 3;

/// One order of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its number.
    pub code: OrderCode,
    /// The account that its pickup point names.
    pub account: Option<Account>,
    /// Other shops that have the order.
    pub known_under: Vec<ShopName>,
}

/// What a reading shows of the shop it was made for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The account that it shows, where none was known.
    pub learned: Option<Account>,
    /// Shops no longer configured that are this one under an earlier name.
    pub earlier_names: Vec<ShopName>,
    /// Orders of this account that another shop stored while it had the wrong token.
    pub strays: Vec<(OrderCode, ShopName)>,
    /// Whether it shows an order that is not another account's.
    pub is_own: bool,
}

/// Why a reading cannot be the shop's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// An order that another configured shop has.
    OrderOfOtherShop {
        /// The order.
        code: OrderCode,
        /// The other shop.
        other: ShopName,
    },
    /// An order of the account of another configured shop.
    AccountOfOtherShop {
        /// The order.
        code: OrderCode,
        /// The account.
        account: Account,
        /// The shop with that account.
        other: ShopName,
    },
    /// Only orders of another account, and several of them.
    ForeignAccount {
        /// The shop's account.
        own: Account,
        /// The account of these orders.
        account: Account,
        /// How many.
        orders: usize,
    },
}

impl Mismatch {
    /// The other shop that it concerns.
    pub const fn other(&self) -> Option<&ShopName> {
        match self {
            Self::OrderOfOtherShop { other, .. } | Self::AccountOfOtherShop { other, .. } => {
                Some(other)
            }
            Self::ForeignAccount { .. } => None,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OrderOfOtherShop { code, other } => write!(
                f,
                "its token shows order {code}, which shop {other} has: give each shop the token of its own account, and \
                 each account one name"
            ),
            Self::AccountOfOtherShop {
                code,
                account,
                other,
            } => write!(
                f,
                "its token shows order {code} of merchant {account}, which is shop {other}: give each shop the token of its \
                 own account, and each account one name"
            ),
            Self::ForeignAccount {
                own,
                account,
                orders,
            } => write!(
                f,
                "its token shows {orders} orders of merchant {account} and none of its own merchant {own}: put its own token \
                 back, or correct merchant_uid, or configure the new account under a new name"
            ),
        }
    }
}

/// Compares a reading with what is known of the shop and of the others.
///
/// # Errors
/// It is not this shop's: nothing of it may be stored.
pub fn identify(
    own: &KnownShop,
    others: &[KnownShop],
    shown: &[Shown],
) -> Result<Identity, Mismatch> {
    let mut identity = Identity::default();
    if own.account.is_none() {
        identity.learned = most_frequent(shown);
    }
    let account = own.account.as_ref().or(identity.learned.as_ref());
    if let Some(account) = account {
        let is_earlier =
            |other: &&KnownShop| !other.is_configured() && other.account.as_ref() == Some(account);
        let earlier = others.iter().filter(is_earlier);
        identity
            .earlier_names
            .extend(earlier.map(|other| other.name.clone()));
    }
    for order in shown {
        check_account(order, others)?;
        for name in &order.known_under {
            let Some(other) = others.iter().find(|other| other.name == *name) else {
                continue;
            };
            let is_stray = order.account.is_some()
                && order.account.as_ref() == account
                && other.account.is_some()
                && other.account != order.account;
            let may_be_same =
                other.account.is_none() || own.account.is_none() || other.account == own.account;
            if is_stray {
                identity
                    .strays
                    .push((order.code.clone(), other.name.clone()));
            } else if !other.is_configured() && may_be_same {
                if !identity.earlier_names.contains(name) {
                    identity.earlier_names.push(name.clone());
                }
            } else if !mutant("r16_order_of_other_shop") {
                return Err(Mismatch::OrderOfOtherShop {
                    code: order.code.clone(),
                    other: other.name.clone(),
                });
            }
        }
    }
    let is_foreign = |order: &&Shown| order.account.is_some() && order.account.as_ref() != account;
    let foreign: Vec<&Shown> = shown.iter().filter(is_foreign).collect();
    identity.is_own = foreign.len() < shown.len();
    let is_own_shown = shown
        .iter()
        .any(|order| order.account.is_some() && order.account.as_ref() == account);
    if let (Some(own), Some(account)) = (account, most_frequent(foreign.iter().copied()))
        && foreign.len() >= FOREIGN_ORDERS_MAX
        && !is_own_shown
        && !mutant("r16_foreign_account")
    {
        return Err(Mismatch::ForeignAccount {
            own: own.clone(),
            account,
            orders: foreign.len(),
        });
    }
    Ok(identity)
}

/// An account has one configured shop.
fn check_account(order: &Shown, others: &[KnownShop]) -> Result<(), Mismatch> {
    let Some(account) = &order.account else {
        return Ok(());
    };
    let has_account =
        |other: &&KnownShop| other.is_configured() && other.account.as_ref() == Some(account);
    match others.iter().find(has_account) {
        Some(other) if !mutant("r16_account_of_other_shop") => Err(Mismatch::AccountOfOtherShop {
            code: order.code.clone(),
            account: account.clone(),
            other: other.name.clone(),
        }),
        _ => Ok(()),
    }
}

fn most_frequent<'a>(shown: impl IntoIterator<Item = &'a Shown>) -> Option<Account> {
    let mut counts: BTreeMap<&Account, usize> = BTreeMap::new();
    for account in shown.into_iter().filter_map(|order| order.account.as_ref()) {
        *counts.entry(account).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(account, _)| account.clone())
}

/// Why an order is not the account's, by its pickup point; `None` where it is, or nothing is known.
pub fn foreign_order(order: &Order, own: Option<&Account>) -> Option<String> {
    let (point, own) = (order.pickup_point.as_ref()?, own?);
    let account = point.account().filter(|account| account != own)?;
    Some(format!(
        "its pickup point {point} belongs to merchant {account}, and this shop is merchant {own}: check the shop's token and \
         merchant_uid"
    ))
}
