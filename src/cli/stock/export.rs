//! `qabyl stock export`: SKUs the merchant's own price list should show less of. After a cancel, Kaspi
//! sells the missing unit again (KASPI_API §3) until the price list says there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use jiff::Timestamp;

use crate::cli::args::{ExportFormat, StockExport};
use crate::cli::{Done, Failure, open, print_file, say};
use crate::clock::Clock;
use crate::config::{Config, Loaded};
use crate::domain::ids::{PickupPoint, Sku};
use crate::domain::stock::LineStock;
use crate::domain::stock_ledger::Ledger;
use crate::runtime::build;
use crate::store::{Sold, Store};

/// Units left of each SKU, by warehouse.
type Left = BTreeMap<Sku, Vec<(String, u32)>>;

pub(in crate::cli) async fn export(loaded: &Loaded, args: &StockExport) -> Done {
    let config = &loaded.config;
    let store = open(config).await?;
    let now = Clock::System.now();
    let since = now.saturating_sub(args.since).unwrap_or(Timestamp::MIN);
    let left = left(config, &store, (stock_of(config, args)?, since)).await?;
    let text = match args.format {
        ExportFormat::Csv => csv(&left)?,
        ExportFormat::KaspiXml => {
            let skus: Vec<Sku> = left.keys().cloned().collect();
            let sold = store.last_sold(&skus).await?;
            kaspi_xml(config, args.shop.as_deref(), &left, &sold, now)?
        }
    };
    match &args.out {
        None => print_file(&text),
        Some(file) => {
            // Whoever fetches the file never finds half of it.
            crate::files::replace(file, text.as_bytes())
                .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", file.display()))?;
            say(&format!(
                "{} SKUs written to {}",
                left.len(),
                file.display()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The stock of the shop that the list is for.
fn stock_of<'a>(config: &'a Config, args: &StockExport) -> Result<&'a str, Failure> {
    let usage = |what: &str| Failure::usage(anyhow::anyhow!("{what}"));
    let mut stocks = config.stocks().into_iter();
    match (args.shop.as_deref(), stocks.next(), stocks.next()) {
        (Some(name), ..) => {
            let shop = config.shops.iter().find(|shop| shop.name == name);
            let shop = shop.ok_or_else(|| usage(&format!("there is no shop {name}")))?;
            Ok(&shop.stock)
        }
        (None, Some(only), None) => Ok(only),
        _ => Err(usage(
            "the shops sell from several stocks: name a shop with --shop",
        )),
    }
}

/// SKUs that are sold out at a warehouse, and those that orders were cancelled for.
async fn left(
    config: &Config,
    store: &Store,
    (stock, since): (&str, Timestamp),
) -> Result<Left, Failure> {
    let mut ledger = Ledger::new(i64::from(config.stock.safety_stock));
    let mut skus: BTreeSet<Sku> = BTreeSet::new();
    for view in store
        .stock_levels(&build::stock_settings(config), (Some(stock), None))
        .await?
    {
        skus.insert(view.listing.sku.clone());
        ledger.list(view.listing, view.promised);
    }
    for row in store.stock_parts(Some(stock)).await? {
        skus.insert(row.sku.clone());
        ledger.map(row.sku, row.part, row.each);
    }
    let cancelled = store.cancelled_for_stock(since).await?;
    skus.extend(cancelled.iter().filter_map(|sku| Sku::new(sku).ok()));
    let mut left = Left::new();
    for sku in skus {
        let mut places = Vec::new();
        for warehouse in ledger.warehouses(&sku) {
            let point = PickupPoint::new(&warehouse).ok();
            if let LineStock::Known(level) = ledger.stock(&sku, point.as_ref()) {
                let units = u32::try_from(level.available().max(0)).unwrap_or(u32::MAX);
                places.push((warehouse, units));
            }
        }
        let was_cancelled = cancelled.contains(sku.as_str());
        if was_cancelled && places.is_empty() {
            // An order was cancelled for lack of it, and no stock source lists it.
            places.push((String::new(), 0));
        }
        if was_cancelled || places.iter().any(|(_, units)| *units == 0) {
            left.insert(sku, places);
        }
    }
    Ok(left)
}

fn csv(left: &Left) -> Result<String, Failure> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(["sku", "on_hand", "warehouse"])?;
    for (sku, places) in left {
        for (warehouse, units) in places {
            writer.write_record([sku.as_str(), &units.to_string(), warehouse])?;
        }
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(String::from_utf8(bytes)?)
}

#[cfg(feature = "price-list")]
fn kaspi_xml(
    config: &Config,
    shop: Option<&str>,
    left: &Left,
    sold: &BTreeMap<Sku, Sold>,
    now: Timestamp,
) -> Result<String, Failure> {
    use crate::cli::complain;
    use crate::stock::{Offer, write_price_list};
    let usage = |what: String| Failure::usage(anyhow::anyhow!(what));
    let of_shop = |name: &str| config.shops.iter().find(|shop| shop.name == name);
    let shop = match (shop, &config.shops[..]) {
        (Some(name), _) => {
            of_shop(name).ok_or_else(|| usage(format!("there is no shop {name}")))?
        }
        (None, [one]) => one,
        (None, _) => {
            return Err(usage(
                "several shops are configured: name one with --shop".to_owned(),
            ));
        }
    };
    let merchant = shop.merchant_uid.as_deref().ok_or_else(|| {
        usage(format!(
            "set merchant_uid for shop {}: a price list needs it",
            shop.name
        ))
    })?;
    let company = match config.stock.company.trim() {
        "" => shop.name.as_str(),
        company => company,
    };
    let offer = |(sku, places): (&Sku, &Vec<(String, u32)>)| Offer {
        name: sold.get(sku).and_then(|sold| sold.name.clone()),
        price: sold
            .get(sku)
            .and_then(|sold| sold.price)
            .map(|price| price.tiyn() / 100),
        left: places
            .iter()
            .map(|(warehouse, units)| (store_id(warehouse), *units))
            .collect(),
        sku: sku.clone(),
    };
    let offers: Vec<Offer> = left.iter().map(offer).collect();
    let unpriced = offers.iter().filter(|offer| offer.price.is_none()).count();
    if unpriced > 0 {
        complain(&format!(
            "{unpriced} of these were never ordered, so their price is unknown: add it"
        ));
    }
    complain("this lists only these SKUs: merge it into your price list, do not replace it");
    let zone = crate::domain::calendar::ALMATY.clone();
    let date = now
        .to_zoned_datetime(zone)
        .strftime("%Y-%m-%dT%H:%M:%S")
        .to_string();
    Ok(write_price_list((company, merchant), &date, &offers)?)
}

#[cfg(not(feature = "price-list"))]
fn kaspi_xml(
    _: &Config,
    _: Option<&str>,
    _: &Left,
    _: &BTreeMap<Sku, Sold>,
    _: Timestamp,
) -> Result<String, Failure> {
    let what = "this qabyl was built without the feature `price-list`: use --format csv";
    Err(Failure::usage(anyhow::anyhow!(what)))
}

/// A pickup point as a price list names it: `PP1` of `10000001_PP1`; the common pool is the first point.
#[cfg(feature = "price-list")]
fn store_id(warehouse: &str) -> String {
    PickupPoint::new(warehouse).map_or_else(|_| "PP1".to_owned(), |point| point.short().to_owned())
}
