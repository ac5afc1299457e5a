//! Stock from Kaspi's price list (KASPI_API §8), read as a stream without expanding entities. The published
//! schema is older than `stockCount`, so only the elements that concern stock are checked.

use std::collections::HashMap;
use std::path::Path;

use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::findings::{Findings, SourceError, quoted};
use super::table::{AHEAD_MAX, instant};
use crate::domain::ids::Sku;
use crate::domain::stock::{OnHand, StockRow};

/// The file as read so far.
struct List<'a> {
    found: Findings<'a>,
    moments: (Timestamp, Timestamp),
    /// Names of the open elements.
    open: Vec<String>,
    offer: Option<Sku>,
    offers: u64,
    seen: HashMap<(String, String), u64>,
    rows: Vec<StockRow>,
}

/// Reads a whole file. Levels are of the catalogue's own `date` where it has one.
pub(super) fn read(
    bytes: &[u8],
    file: &Path,
    moments: (Timestamp, Timestamp),
) -> Result<Vec<StockRow>, SourceError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(SourceError::whole(
            file,
            "not in UTF-8: save the price list in UTF-8",
        ));
    };
    let mut list = List {
        found: Findings::new(file),
        moments,
        open: Vec::new(),
        offer: None,
        offers: 0,
        seen: HashMap::new(),
        rows: Vec::new(),
    };
    let mut reader = Reader::from_str(text);
    let mut lines = Lines::new(bytes);
    loop {
        let event = reader.read_event();
        let line = lines.at(reader.buffer_position());
        match event {
            Ok(Event::Eof) => break,
            Ok(Event::Start(element)) => {
                list.begin(&element, line)?;
                list.open.push(name(&element));
            }
            Ok(Event::Empty(element)) => {
                list.begin(&element, line)?;
                list.end(&name(&element), line);
            }
            Ok(Event::End(_)) => {
                let closed = list.open.pop().unwrap_or_default();
                list.end(&closed, line);
            }
            Ok(Event::DocType(_)) => {
                let what = "a price list has no document type (DOCTYPE)".to_owned();
                return Err(list.found.refuse(line, what));
            }
            Ok(_) => {}
            Err(error) => {
                let what = format!("not readable as XML: {error}");
                return Err(list.found.refuse(line, what));
            }
        }
    }
    list.finish(lines.at(u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
}

/// An element's name without its prefix.
fn name(element: &BytesStart<'_>) -> String {
    let name = element.local_name();
    String::from_utf8_lossy(name.as_ref().as_bytes()).into_owned()
}

/// An attribute's value. Only XML's five own entities are known.
fn attribute(element: &BytesStart<'_>, wanted: &str) -> Result<Option<String>, String> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if attribute.key.local_name().as_ref() == wanted {
            let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
            let value = value.map_err(|error| format!("{wanted}: {error}"))?;
            return Ok(Some(value.trim().to_owned()));
        }
    }
    Ok(None)
}

impl List<'_> {
    /// Start of an element.
    fn begin(&mut self, element: &BytesStart<'_>, line: u64) -> Result<(), SourceError> {
        let result = match (self.open.len(), name(element).as_str()) {
            (0, "kaspi_catalog") => self.catalogue(element),
            (0, other) => Err(format!("expected kaspi_catalog, found {other}")),
            (_, "offer") => self.offer(element),
            (_, "availability") => self.availability(element, line),
            _ => Ok(()),
        };
        match result {
            Ok(()) => Ok(()),
            // The wrong root element: everything below would be an error.
            Err(what) if self.open.is_empty() => {
                let empty = Findings::new(Path::new(""));
                Err(std::mem::replace(&mut self.found, empty).refuse(line, what))
            }
            Err(what) => {
                self.found.add(line, what);
                Ok(())
            }
        }
    }

    fn catalogue(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let Some(date) = attribute(element, "date")?.filter(|date| !date.is_empty()) else {
            return Ok(());
        };
        let at = instant(&date).ok_or_else(|| {
            format!(
                "date is {}; expected a time such as 2026-03-02T12:00:00 (Almaty's, without an offset)",
                quoted(&date)
            )
        })?;
        if at.duration_since(self.moments.1) > AHEAD_MAX {
            return Err(format!("date is {at}, which is in the future"));
        }
        self.moments.0 = at;
        Ok(())
    }

    fn offer(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        self.offers += 1;
        self.offer = None;
        let sku = attribute(element, "sku")?.unwrap_or_default();
        self.offer = Some(Sku::new(sku).map_err(|_| "the offer has no sku".to_owned())?);
        Ok(())
    }

    fn availability(&mut self, element: &BytesStart<'_>, line: u64) -> Result<(), String> {
        // An offer without SKU is reported already.
        let Some(sku) = self.offer.clone() else {
            return Ok(());
        };
        let count = attribute(element, "stockCount")?;
        let is_there = attribute(element, "available")?.map(|text| text.to_lowercase());
        let on_hand = match (is_there.as_deref(), count.as_deref()) {
            (Some("no"), _) => OnHand::Exactly(0),
            // Some units, but it is unknown how many.
            (Some("yes"), None | Some("")) => OnHand::Unknown,
            (Some("yes"), Some(text)) => OnHand::Exactly(text.parse::<u32>().map_err(|_| {
                format!(
                    "stockCount of {sku} is {}; expected whole units, 0 or more",
                    quoted(text)
                )
            })?),
            (other, _) => {
                let found = other.unwrap_or_default();
                let found = quoted(found);
                return Err(format!("available of {sku} is {found}; expected yes or no"));
            }
        };
        let warehouse = attribute(element, "storeId")?.unwrap_or_default();
        let key = (sku.as_str().to_owned(), warehouse.clone());
        if let Some(before) = self.seen.insert(key, line) {
            return Err(format!(
                "SKU {sku} at {warehouse} is listed on line {before} already: keep one"
            ));
        }
        self.rows.push(StockRow {
            sku,
            warehouse,
            on_hand,
            as_of: self.moments.0,
        });
        Ok(())
    }

    fn end(&mut self, closed: &str, _line: u64) {
        if closed == "offer" {
            self.offer = None;
        }
    }

    fn finish(mut self, line: u64) -> Result<Vec<StockRow>, SourceError> {
        if let Some(open) = self.open.last() {
            let what = format!("the file ends inside <{open}>: it is incomplete");
            return Err(self.found.refuse(line, what));
        }
        if self.rows.is_empty() && self.found.total == 0 {
            let what =
                "the price list has no availabilities: an empty list is not taken for zero stock";
            self.found.add(line, what.to_owned());
        }
        if self.found.total > 0 {
            Err(self.found.into_error())
        } else {
            Ok(self.rows)
        }
    }
}

/// Lines by position, counted as the file is read.
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            counted: 0,
            line: 1,
        }
    }

    fn at(&mut self, position: u64) -> u64 {
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let position = position.min(self.bytes.len()).max(self.counted);
        let passed = self.bytes.get(self.counted..position).unwrap_or_default();
        let newlines = passed.split(|byte| *byte == b'\n').skip(1).count();
        self.line += u64::try_from(newlines).unwrap_or_default();
        self.counted = position;
        self.line
    }
}
