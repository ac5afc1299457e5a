//! `[[stock.sources]]`: where stock numbers come from by themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use toml::Value;

use super::duration::{self, DAYS_14, SECOND};
use super::number;
use super::shop::redacted;
use super::text;
use crate::diagnostics::expected;
use crate::domain::stock_sources::{Absent, Negative};

/// The variable the supplier's token comes from when its source names none.
pub const AL_STYLE_ENV_DEFAULT: &str = "AL_STYLE_TOKEN";
/// Where the supplier Al-Style answers (KASPI_API §9).
pub const AL_STYLE_URL: &str = "https://api.al-style.kz/api";

/// One source.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockSource {
    /// Lower-case letters, digits, `_` and `-`; unique.
    #[serde(deserialize_with = "text::slug")]
    pub name: String,
    /// The stock that it lists, of those that shops name.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::slug"
    )]
    pub stock: Option<String>,
    /// What it is; a file's kind shows in its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<SourceKind>,
    /// A file that is watched.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::not_empty"
    )]
    pub file: Option<PathBuf>,
    /// An address that is asked; may carry a secret, which is never shown.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "redacted",
        deserialize_with = "text::feed_url"
    )]
    pub url: Option<String>,
    /// How often it is looked at.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "duration::write_if_given",
        deserialize_with = "duration::within_if_given::<_, SECOND, DAYS_14>"
    )]
    pub every: Option<Duration>,
    /// When it is looked at, as cron with seconds, instead of every so often.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::cron"
    )]
    pub schedule: Option<String>,
    /// What its numbers mean, where that is not `stock.semantics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semantics: Option<StockSemantics>,
    /// What an SKU means that it no longer lists.
    #[serde(default)]
    pub absent: Absent,
    /// What a number below zero means.
    #[serde(default)]
    pub negative: Negative,
    /// Where sources list the same SKU, the higher wins.
    #[serde(default = "one", deserialize_with = "number::count::<_, _, 0, 1000>")]
    pub priority: i64,
    /// How late it books what left.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "duration::write_if_given",
        deserialize_with = "duration::within_if_given::<_, 0, DAYS_14>"
    )]
    pub posting_lag: Option<Duration>,
    /// How late it takes an accepted order off, where its numbers are what is available.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "duration::write_if_given",
        deserialize_with = "duration::within_if_given::<_, 0, DAYS_14>"
    )]
    pub order_lag_max: Option<Duration>,
    /// Pickup point of rows that name no warehouse; empty for the common pool.
    #[serde(
        default,
        skip_serializing_if = "String::is_empty",
        deserialize_with = "text::any_text"
    )]
    pub warehouse: String,
    /// Al-Style: which of its numbers is the SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<SupplierSku>,
    /// Al-Style: the file its token is in.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::token_file"
    )]
    pub token_file: Option<PathBuf>,
    /// Al-Style: the variable its token is in.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::variable"
    )]
    pub token_env: Option<String>,
    /// Its warehouses, and the pickup points they stand for.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "warehouses"
    )]
    pub warehouses: BTreeMap<String, String>,
    /// The names of its columns, where they are not recognised: `sku`, `on_hand`, `warehouse`, `as_of`.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "columns"
    )]
    pub columns: BTreeMap<StockColumn, String>,
}

/// The priority of a source that names none.
const fn one() -> i64 {
    1
}

impl fmt::Debug for StockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StockSource")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Kinds of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// `sku,on_hand[,warehouse][,as_of]`.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// Kaspi's price list.
    KaspiXml,
    /// The supplier Al-Style.
    AlStyle,
    /// A sheet of Google Sheets, shared by link.
    GoogleSheet,
    /// Reserved.
    Moysklad,
    /// Reserved.
    Commerceml,
    /// Sent by a program to the API.
    Push,
}

/// A column that concerns stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockColumn {
    /// The SKU.
    Sku,
    /// The units.
    OnHand,
    /// The warehouse.
    Warehouse,
    /// The moment of the count.
    AsOf,
}

/// What a stock number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StockSemantics {
    /// What lies on the shelf.
    Physical,
    /// What is left after accepted orders were taken off.
    Available,
}

/// A warehouse's pickup point.
struct Point(String);

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(point) => Ok(Self(point)),
            found => Err(D::Error::custom(
                expected("a pickup point in quotes", &found).hint("such as \"PP1\""),
            )),
        }
    }
}

struct Warehouses;

impl<'de> Visitor<'de> for Warehouses {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of names such as { \"Main store\" = \"PP1\" }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut warehouses = BTreeMap::new();
        while let Some((name, Point(point))) = map.next_entry()? {
            warehouses.insert(name, point);
        }
        Ok(warehouses)
    }
}

fn warehouses<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    from.deserialize_map(Warehouses)
}

/// The name of a column.
struct ColumnName(String);

impl<'de> Deserialize<'de> for ColumnName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(name) if !name.trim().is_empty() => Ok(Self(name)),
            found => Err(D::Error::custom(
                expected("the name of a column in quotes", &found).hint("such as \"Остаток\""),
            )),
        }
    }
}

struct Columns;

impl<'de> Visitor<'de> for Columns {
    type Value = BTreeMap<StockColumn, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of columns such as { sku = \"Артикул\", on_hand = \"Остаток\" }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut columns = BTreeMap::new();
        while let Some((column, ColumnName(name))) = map.next_entry()? {
            columns.insert(column, name);
        }
        Ok(columns)
    }
}

fn columns<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<StockColumn, String>, D::Error> {
    from.deserialize_map(Columns)
}

/// Which of a supplier's numbers is the merchant's SKU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupplierSku {
    /// The supplier's own.
    #[default]
    Article,
    /// The manufacturer's part number.
    ArticlePn,
}
