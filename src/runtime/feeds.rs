//! From `[[stock.sources]]` to sources that can be read.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::build;
use crate::clock::Clock;
use crate::config::{
    self, AL_STYLE_URL, Config, Loaded, SourceKind, StockColumn, StockSource, SupplierSku,
};
use crate::domain::stock::Semantics;
use crate::domain::stock_sources::Standing;
use crate::pipeline::sync_stock::{Feeds, Place, Source};
use crate::stock::{AlStyle, By, Column, Format, How, Places, Web};
use crate::store::{self, Store};

/// How often a file is checked unless configured.
const FILE_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// How late a source that is fetched books what left, and takes accepted orders off, unless configured.
const LAG: SignedDuration = SignedDuration::from_hours(1);
/// How often a URL is read unless configured.
const WEB_EVERY: SignedDuration = SignedDuration::from_mins(15);

/// All configured sources; `None` where there are none.
///
/// # Errors
/// A source that cannot be set up, in words.
pub fn feeds(loaded: &Loaded, store: Arc<Store>, clock: Clock) -> Result<Option<Feeds>, String> {
    let config = &loaded.config;
    if config.stock.sources.is_empty() {
        return Ok(None);
    }
    let of = |source: &StockSource| {
        place(loaded, source)
            .map(|place| made(config, source, place))
            .map_err(|what| format!("stock source {}: {what}", source.name))
    };
    let sources = config.stock.sources.iter().map(of);
    let sources = sources.collect::<Result<_, _>>()?;
    let limits = build::limits(config);
    let judged_by = (limits.stock_max_age, limits.stock_collapse_share);
    Ok(Some(Feeds::new((store, clock), sources, judged_by)))
}

/// How a source is read; without one, as the settings alone say.
pub fn how(config: &Config, source: Option<&StockSource>) -> How {
    let mut how = How::plain(build::semantics(config));
    how.limits.bytes = config.stock.file_max_bytes;
    let Some(source) = source else {
        return how;
    };
    how.format = source.kind.and_then(format);
    how.semantics = semantics(config, source);
    how.places = Places {
        warehouse: source.warehouse.trim().to_owned(),
        names: source.warehouses.clone(),
    };
    let columns = source.columns.iter();
    how.columns = columns
        .map(|(column, name)| (self::column(*column), name.clone()))
        .collect();
    how
}

const fn format(kind: SourceKind) -> Option<Format> {
    match kind {
        SourceKind::Csv | SourceKind::GoogleSheet | SourceKind::Push => Some(Format::Csv),
        SourceKind::Xlsx => Some(Format::Xlsx),
        SourceKind::KaspiXml => Some(Format::KaspiXml),
        SourceKind::AlStyle | SourceKind::Moysklad | SourceKind::Commerceml => None,
    }
}

const fn column(column: StockColumn) -> Column {
    match column {
        StockColumn::Sku => Column::Sku,
        StockColumn::OnHand => Column::OnHand,
        StockColumn::Warehouse => Column::Warehouse,
        StockColumn::AsOf => Column::AsOf,
    }
}

/// What a source's levels count.
pub const fn semantics(config: &Config, source: &StockSource) -> Semantics {
    match source.semantics {
        Some(config::StockSemantics::Physical) => Semantics::Physical,
        Some(config::StockSemantics::Available) => Semantics::Available,
        None => build::semantics(config),
    }
}

/// How all configured sources are to be read.
pub fn standing(config: &Config) -> Vec<store::Configured<'_>> {
    let sources = config.stock.sources.iter();
    sources
        .map(|source| {
            let stock = config.stock_of(source);
            (source.name.as_str(), (stock, standing_of(source)))
        })
        .collect()
}

/// A file is made by a person or at the moment it is exported; what is fetched is booked by others, later.
fn standing_of(source: &StockSource) -> Standing {
    let default = if source.file.is_some() {
        SignedDuration::ZERO
    } else {
        LAG
    };
    let given = |lag: Option<Duration>| lag.and_then(|lag| SignedDuration::try_from(lag).ok());
    Standing {
        priority: source.priority,
        posting_lag: given(source.posting_lag).unwrap_or(default),
        order_lag_max: given(source.order_lag_max).unwrap_or(default),
    }
}

fn made(config: &Config, source: &StockSource, place: Place) -> Source {
    let default = match place {
        Place::File(_) | Place::Push => FILE_EVERY,
        Place::Web(_) | Place::Supplier(..) => WEB_EVERY,
    };
    let every = source.every;
    let every = every.and_then(|every| SignedDuration::try_from(every).ok());
    Source {
        name: source.name.clone(),
        stock: config.stock_of(source).to_owned(),
        how: how(config, Some(source)),
        place,
        every: source.schedule.is_none().then(|| every.unwrap_or(default)),
        semantics: semantics(config, source),
        standing: standing_of(source),
        absent: source.absent,
        negative: source.negative,
        is_scheduled_now: Arc::default(),
    }
}

fn web(url: &str) -> Result<Web, String> {
    Web::new(url).map_err(|error| error.to_string())
}

fn place(loaded: &Loaded, source: &StockSource) -> Result<Place, String> {
    if source.kind == Some(SourceKind::AlStyle) {
        let url = source.url.as_deref().unwrap_or(AL_STYLE_URL);
        let by = match source.sku.unwrap_or_default() {
            SupplierSku::Article => By::Article,
            SupplierSku::ArticlePn => By::PartNumber,
        };
        let token = loaded.supplier_token(source);
        token.warn_if_readable();
        let supplier = AlStyle::new(web(url)?, by);
        return Ok(Place::Supplier(
            supplier,
            Box::new(move || token.load_secret()),
        ));
    }
    match (&source.file, &source.url) {
        (Some(file), _) => Ok(Place::File(file.clone())),
        (None, Some(url)) if source.kind == Some(SourceKind::GoogleSheet) => {
            Ok(Place::Web(Web::sheet(url)?))
        }
        (None, Some(url)) => Ok(Place::Web(web(url)?)),
        (None, None) if source.kind == Some(SourceKind::Push) => Ok(Place::Push),
        (None, None) => Err("neither file nor url is given".to_owned()),
    }
}
