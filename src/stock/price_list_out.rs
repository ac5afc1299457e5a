//! Writes Kaspi's price list as a merchant uploads it (KASPI_API §8).

use std::io::Cursor;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::domain::ids::Sku;

/// One SKU with the units left at each pickup point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The SKU.
    pub sku: Sku,
    /// Its name, if an order had it.
    pub name: Option<String>,
    /// Price in tenge, if an order had it.
    pub price: Option<i64>,
    /// Pickup point and units left.
    pub left: Vec<(String, u32)>,
}

/// Writes a price list. `date` is local time without an offset, as Kaspi writes it.
///
/// # Errors
/// The list cannot be written as XML.
pub fn write(
    (company, merchant): (&str, &str),
    date: &str,
    offers: &[Offer],
) -> std::io::Result<String> {
    let mut writer = Writer::new_with_indent(Cursor::new(Vec::new()), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut root = BytesStart::new("kaspi_catalog");
    root.push_attribute(("date", date));
    root.push_attribute(("xmlns", "kaspiShopping"));
    writer.write_event(Event::Start(root))?;
    text(&mut writer, "company", company)?;
    text(&mut writer, "merchantid", merchant)?;
    writer.write_event(Event::Start(BytesStart::new("offers")))?;
    for offer in offers {
        let mut start = BytesStart::new("offer");
        start.push_attribute(("sku", without_forbidden(offer.sku.as_str()).as_str()));
        writer.write_event(Event::Start(start))?;
        if let Some(name) = &offer.name {
            text(&mut writer, "model", name)?;
        }
        writer.write_event(Event::Start(BytesStart::new("availabilities")))?;
        for (point, units) in &offer.left {
            let count = units.to_string();
            let mut availability = BytesStart::new("availability");
            availability.push_attribute(("available", if *units > 0 { "yes" } else { "no" }));
            availability.push_attribute(("storeId", without_forbidden(point).as_str()));
            if *units > 0 {
                availability.push_attribute(("stockCount", count.as_str()));
            }
            writer.write_event(Event::Empty(availability))?;
        }
        writer.write_event(Event::End(BytesEnd::new("availabilities")))?;
        if let Some(price) = offer.price {
            text(&mut writer, "price", &price.to_string())?;
        }
        writer.write_event(Event::End(BytesEnd::new("offer")))?;
    }
    writer.write_event(Event::End(BytesEnd::new("offers")))?;
    writer.write_event(Event::End(BytesEnd::new("kaspi_catalog")))?;
    let bytes = writer.into_inner().into_inner();
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

fn text(writer: &mut Writer<Cursor<Vec<u8>>>, name: &str, text: &str) -> std::io::Result<()> {
    writer.write_event(Event::Start(BytesStart::new(name)))?;
    writer.write_event(Event::Text(BytesText::new(&without_forbidden(text))))?;
    writer.write_event(Event::End(BytesEnd::new(name)))
}

/// Without the characters that XML cannot hold even escaped.
fn without_forbidden(text: &str) -> String {
    let fits = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(|c| fits(*c)).collect()
}
