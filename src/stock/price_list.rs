//! Stock from Kaspi's price list (KASPI_API §8), read as a stream without expanding entities. The published
//! schema is older than `stockCount`, so only the elements that concern stock are checked.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::findings::{SourceError, quoted};
use super::gather::Gather;
use super::moment::{self, Moment};
use super::reading::{AHEAD_MAX, Format, How, Moments, Reading};
use super::units;
use crate::domain::stock::OnHand;
use crate::mutant::mutant;

/// Most elements inside each other; a price list has five.
const DEPTH_MAX: usize = 16;

/// The file as read so far.
struct List<'a> {
    gather: Gather<'a>,
    /// Names of the open elements.
    open: Vec<String>,
    /// The open offer.
    offer: Option<Offer>,
}

/// An offer with its SKU.
struct Offer {
    sku: String,
    line: u64,
    /// Whether it says where there are units.
    has_levels: bool,
}

/// Reads a whole file. Levels are of the catalogue's own `date` where it has one.
pub(super) fn read(
    text: &str,
    file: &Path,
    how: &How,
    moments: Moments,
) -> Result<Reading, SourceError> {
    let mut list = List {
        gather: Gather::new(file, Format::KaspiXml, how, moments),
        open: Vec::new(),
        offer: None,
    };
    let mut reader = Reader::from_str(text);
    // A model such as `H&M` is not used; it must not cost the whole list.
    reader.config_mut().allow_dangling_amp = true;
    let mut lines = Lines::new(text.as_bytes());
    loop {
        let event = reader.read_event();
        let line = lines.at(reader.buffer_position());
        match event {
            Ok(Event::Eof) => break,
            Ok(Event::Start(element)) => {
                list.begin(&element, line)?;
                list.open.push(name(&element));
                if list.open.len() > DEPTH_MAX {
                    let what = format!(
                        "more than {DEPTH_MAX} elements inside each other: this is no price list"
                    );
                    return Err(list.gather.refuse(line, what));
                }
            }
            Ok(Event::Empty(element)) => {
                list.begin(&element, line)?;
                list.end(&name(&element));
            }
            Ok(Event::End(_)) => {
                let closed = list.open.pop().unwrap_or_default();
                list.end(&closed);
            }
            Ok(Event::DocType(_)) => {
                let what = "a price list has no document type (DOCTYPE)";
                return Err(list.gather.refuse(line, what));
            }
            Ok(_) => {}
            Err(error) => {
                let what = format!("not readable as XML: {error}");
                return Err(list.gather.refuse(line, what));
            }
        }
    }
    list.finish(lines.at(u64::try_from(text.len()).unwrap_or(u64::MAX)))
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
            (0, other) => Err(format!(
                "expected kaspi_catalog, found {}: this is no price list of Kaspi",
                quoted(other)
            )),
            (_, "offer") => {
                self.offer(element, line);
                Ok(())
            }
            (_, "availability") => return self.availability(element, line),
            _ => Ok(()),
        };
        result.map_err(|what| self.gather.refuse(line, what))
    }

    fn catalogue(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let date = attribute(element, "date")?.unwrap_or_default();
        let at = moment::read(&date).ok_or_else(|| {
            format!(
                "date is {}; expected a time such as 2026-03-02T12:00:00 (Almaty's, without an offset)",
                quoted(&date)
            )
        })?;
        let Moment::At(at) = at else {
            return Ok(());
        };
        if at.duration_since(self.gather.moments.now) > AHEAD_MAX {
            return Err(format!("date is {at}, which is in the future"));
        }
        self.gather.moments.made_at = at;
        Ok(())
    }

    fn offer(&mut self, element: &BytesStart<'_>, line: u64) {
        self.offer = match attribute(element, "sku") {
            Ok(sku) => sku.filter(|sku| !sku.is_empty()).map(|sku| Offer {
                sku,
                line,
                has_levels: false,
            }),
            Err(what) => {
                let what = format!(
                    "the sku of the offer is not readable and the offer is skipped: {what}"
                );
                self.gather.doubt(line, what);
                return self.offer = None;
            }
        };
        if self.offer.is_none() {
            self.gather.without_sku(line);
        }
    }

    fn availability(&mut self, element: &BytesStart<'_>, line: u64) -> Result<(), SourceError> {
        // An offer without SKU is reported already.
        let Some(offer) = &mut self.offer else {
            return Ok(());
        };
        offer.has_levels = true;
        let sku = offer.sku.clone();
        let values = ["storeId", "available", "stockCount"].map(|name| attribute(element, name));
        let [warehouse, is_there, count] = match values {
            [Ok(warehouse), Ok(is_there), Ok(count)] => {
                [warehouse, is_there, count].map(Option::unwrap_or_default)
            }
            [Err(what), ..] | [_, Err(what), _] | [.., Err(what)] => {
                let what = format!("{what}: SKU {} is unknown", quoted(&sku));
                self.gather.not_understood(line, Some(&sku), what);
                return Ok(());
            }
        };
        let units = units::read(&count).ok_or_else(|| {
            format!(
                "stockCount of {} is {}, not whole units",
                quoted(&sku),
                quoted(&count)
            )
        });
        let is_there = is_there.to_lowercase();
        let units = match (is_there.as_str(), units) {
            ("yes" | "no", Err(what)) => Err(what),
            ("no", Ok(OnHand::Unknown | OnHand::Exactly(0))) => Ok(OnHand::Exactly(0)),
            // Some units, but it is unknown how many.
            ("yes", Ok(OnHand::Unknown)) => Ok(OnHand::Unknown),
            ("yes", Ok(units)) if units != OnHand::Exactly(0) => Ok(units),
            ("yes" | "no", Ok(_)) if mutant("r15_contradiction_is_zero") => Ok(OnHand::Exactly(0)),
            ("yes" | "no", Ok(_)) => {
                self.gather.doubt(
                    line,
                    format!(
                        "{} is available=\"{is_there}\" with stockCount {}, which contradict each other: its stock \
                         is unknown",
                        quoted(&sku),
                        quoted(&count)
                    ),
                );
                Ok(OnHand::Unknown)
            }
            (other, _) => Err(format!(
                "available of {} is {}; expected yes or no",
                quoted(&sku),
                quoted(other)
            )),
        };
        let made_at = self.gather.moments.made_at;
        self.gather.level(line, (&sku, &warehouse), units, made_at)
    }

    fn end(&mut self, closed: &str) {
        if closed == "offer"
            && let Some(offer) = self.offer.take().filter(|offer| !offer.has_levels)
        {
            let what = format!(
                "{} has no availability: its stock is unknown",
                quoted(&offer.sku)
            );
            self.gather.without_level(offer.line, &offer.sku, &what);
        }
    }

    fn finish(mut self, line: u64) -> Result<Reading, SourceError> {
        if let Some(open) = self.open.last() {
            let what = format!("the file ends inside <{open}>: it is incomplete");
            return Err(self.gather.refuse(line, what));
        }
        self.gather.finish(line)
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
