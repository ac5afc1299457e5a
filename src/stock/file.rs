//! Recognises a file's format by its content and reads it.

use std::path::Path;

use super::findings::SourceError;
use super::reading::{Format, How, Moments, Reading};
use super::{csv_file, decode};

/// Elements that a page begins with.
const HTML: [&str; 9] = [
    "!doctype html",
    "html",
    "table",
    "head",
    "meta",
    "body",
    "style",
    "div",
    "script",
];

/// What the content is.
enum Content {
    Workbook,
    /// Text that begins with an element.
    Xml,
    Text,
}

/// Recognises the content.
///
/// # Errors
/// What it is instead of stock, and what to do.
fn content(bytes: &[u8], text: &str, file: &Path) -> Result<Content, &'static str> {
    let has = |part: &[u8], within: usize| {
        let head = bytes.get(..bytes.len().min(within)).unwrap_or_default();
        head.windows(part.len()).any(|window| window == part)
    };
    if bytes.starts_with(b"PK\x03\x04") {
        return if has(b"application/vnd.oasis.opendocument", 256) {
            Err("an OpenDocument sheet: save as .xlsx")
        } else {
            Ok(Content::Workbook)
        };
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        let name: Vec<u8> = "EncryptedPackage"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        return Err(if has(&name, bytes.len()) {
            "a workbook with a password: save it without"
        } else {
            "a workbook in the old format (.xls): save it as .xlsx or CSV"
        });
    }
    if bytes.starts_with(b"%PDF") {
        return Err("a PDF, not a stock file: export it as .xlsx or CSV");
    }
    if bytes.starts_with(b"\x1f\x8b")
        || bytes.starts_with(b"Rar!")
        || bytes.starts_with(b"7z\xbc\xaf")
    {
        return Err("a compressed file: unpack it");
    }
    let Some(root) = root(text) else {
        return Ok(Content::Text);
    };
    let is_called_xls = file
        .extension()
        .is_some_and(|ext| ext.eq_ignore_ascii_case("xls"));
    if HTML.contains(&root.as_str()) {
        return Err(if is_called_xls {
            "an HTML table named .xls: save as .xlsx"
        } else {
            "a web page (HTML), not a stock file: save as .xlsx or CSV"
        });
    }
    if root == "workbook" {
        return Err("a sheet in XML of Excel 2003: save as .xlsx");
    }
    Ok(Content::Xml)
}

/// The name of the first element, in lower case, of text that begins with one.
fn root(text: &str) -> Option<String> {
    let mut rest = text.trim_start();
    loop {
        let end = match rest {
            rest if rest.starts_with("<?") => rest.find("?>")? + 2,
            rest if rest.starts_with("<!--") => rest.find("-->")? + 3,
            _ => break,
        };
        rest = rest.get(end..)?.trim_start();
    }
    let name = rest.strip_prefix('<')?;
    let is_doctype = name
        .get(..8)
        .is_some_and(|name| name.eq_ignore_ascii_case("!doctype"));
    let end = if is_doctype {
        name.find(['>', '[']).unwrap_or(name.len())
    } else {
        name.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))
            .unwrap_or(name.len())
    };
    let name = name.get(..end)?.to_lowercase();
    Some(
        name.split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// Reads a whole file in this process.
///
/// # Errors
/// Why it is refused.
pub fn parse(
    bytes: &[u8],
    file: &Path,
    how: &How,
    moments: Moments,
) -> Result<Reading, SourceError> {
    let refuse = |what: &str| Err(SourceError::whole(file, what));
    let is_text = !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"\xd0\xcf\x11\xe0");
    let text = if is_text {
        decode::text(bytes)
    } else {
        "".into()
    };
    let content = match content(bytes, &text, file) {
        Ok(content) => content,
        Err(what) => return refuse(what),
    };
    match (content, how.format) {
        (Content::Workbook, None | Some(Format::Xlsx)) => xlsx(bytes, file, how, moments),
        (Content::Xml, None | Some(Format::KaspiXml)) => price_list(&text, file, how, moments),
        (Content::Text, None | Some(Format::Csv)) => csv_file::read(&text, file, how, moments),
        (Content::Workbook, Some(format)) => refuse(&format!(
            "a workbook, but it is to be read as {}",
            format.word()
        )),
        (Content::Xml, Some(format)) => {
            refuse(&format!("XML, but it is to be read as {}", format.word()))
        }
        (Content::Text, Some(format)) => {
            refuse(&format!("text, but it is to be read as {}", format.word()))
        }
    }
}

#[cfg(feature = "price-list")]
use super::price_list::read as price_list;
#[cfg(feature = "xlsx")]
use super::xlsx::read as xlsx;

#[cfg(not(feature = "xlsx"))]
fn xlsx(_: &[u8], file: &Path, _: &How, _: Moments) -> Result<Reading, SourceError> {
    let what = "this qabyl was built without the feature `xlsx`: save the sheet as CSV";
    Err(SourceError::whole(file, what))
}

#[cfg(not(feature = "price-list"))]
fn price_list(_: &str, file: &Path, _: &How, _: Moments) -> Result<Reading, SourceError> {
    let what = "this qabyl was built without the feature `price-list`: save the stock as CSV";
    Err(SourceError::whole(file, what))
}
