//! From Kaspi's entries to lines: unreadable as a whole when one of them is.

use std::collections::HashSet;

use super::fields::{money, name, name_or_number, scalar, string, text, whole};
use super::json::{is_json, parse, resource};
use super::wire;
use crate::domain::ids::{EntryId, MasterProduct, Sku};
use crate::domain::order::{Line, Lines, UnitType, UnreadableLines};

/// The lines of an entries answer; unreadable as a whole when one of them is. An entry of no units is no line.
pub(super) fn lines(bytes: &[u8]) -> Result<Lines, String> {
    let of_any = |why: String| Ok(Lines::Unreadable(UnreadableLines::of_any(why)));
    let list: wire::EntryList<'_> = match parse(bytes) {
        Ok(list) => list,
        // Valid JSON of another shape concerns this order only; it is not an outage.
        Err(why) if is_json(bytes) => return of_any(why),
        Err(why) => return Err(why),
    };
    if list.data.0.is_empty() {
        return of_any("Kaspi shows no entries".to_owned());
    }
    let (mut lines, mut ids) = (Vec::new(), HashSet::new());
    let (mut problem, mut skus) = (None, Some(Vec::new()));
    for raw in &list.data.0 {
        let read = match resource::<wire::Resource<'_>>(raw) {
            Ok(entry) => line(&entry),
            Err(why) => Err(UnreadLine { sku: None, why }),
        };
        let (sku, of_line) = match read {
            Ok(None) => continue,
            Ok(Some(line)) => (line.sku.clone(), Ok(line)),
            Err(unread) => (unread.sku, Err(unread.why)),
        };
        match (sku, &mut skus) {
            (Some(sku), Some(skus)) => skus.push(sku),
            _ => skus = None,
        }
        match of_line {
            Ok(line) if !ids.insert(line.entry.clone()) => {
                problem = Some("the same entry is listed twice".to_owned());
            }
            Ok(line) => lines.push(line),
            Err(why) => problem = problem.or(Some(why)),
        }
    }
    Ok(match problem {
        Some(why) => Lines::Unreadable(UnreadableLines { why, skus }),
        None => Lines::Known(lines),
    })
}

/// An entry that could not be read.
pub(super) struct UnreadLine {
    /// Its SKU, where that could be read.
    sku: Option<Sku>,
    why: String,
}

/// The line of an entry; `None` where it has no units.
pub(super) fn line(wire: &wire::Resource<'_>) -> Result<Option<Line>, UnreadLine> {
    let unread = |sku: Option<Sku>, why: &str| UnreadLine {
        sku,
        why: why.to_owned(),
    };
    let raw = wire
        .attributes
        .ok_or_else(|| unread(None, "an entry has no attributes"))?;
    let a: wire::EntryAttributes<'_> =
        resource(raw).map_err(|why| unread(None, &format!("an entry: {why}")))?;
    let offer: wire::Offer<'_> = match a.offer {
        Some(raw) => {
            resource(raw).map_err(|why| unread(None, &format!("an entry's offer: {why}")))?
        }
        None => wire::Offer::default(),
    };
    let sku = match offer.code {
        None => None,
        Some(raw) if string(raw).is_some_and(|code| code.trim().is_empty()) => None,
        Some(raw) => {
            let code = name_or_number(raw).and_then(|code| Sku::new(code).ok());
            Some(code.ok_or_else(|| unread(None, "an entry's offer.code is no name"))?)
        }
    };
    let Some(id) = wire.id.and_then(name_or_number) else {
        return Err(unread(sku, "an entry's id is missing or no name"));
    };
    let entry = EntryId::new(id).map_err(|error| unread(sku.clone(), &error.to_string()))?;
    let quantity = a.quantity.and_then(scalar).and_then(|value| value.whole());
    let Some(quantity) = quantity.and_then(|quantity| u32::try_from(quantity).ok()) else {
        return Err(unread(sku, "an entry's quantity is not a whole number"));
    };
    if quantity == 0 {
        return Ok(None);
    }
    let relationships = wire.relationships.map(resource::<wire::EntryRelationships>);
    let product = relationships.and_then(|r| r.ok()?.product);
    let master_product = product
        .and_then(|product| product.data)
        .and_then(|links| links.0.into_iter().next())
        .and_then(|link| MasterProduct::new(name(&link.id).ok()?).ok());
    let category = a
        .category
        .and_then(|raw| resource::<wire::Category>(raw).ok());
    let unit = match a.unit_type {
        None => UnitType::Pieces,
        Some(raw) => string(raw).map_or_else(
            || UnitType::Other("unreadable".to_owned()),
            |word| text(&word).into(),
        ),
    };
    Ok(Some(Line {
        entry,
        number: a.entry_number.and_then(whole).unwrap_or(0),
        sku,
        quantity,
        unit,
        unit_price: a.base_price.and_then(money),
        total: a.total_price.and_then(money),
        name: offer.name.and_then(string).map(|name| text(&name)),
        category: category
            .and_then(|category| category.code)
            .map(|code| text(&code)),
        master_product,
    }))
}
