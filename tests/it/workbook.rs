//! Excel workbooks made by hand, sound ones and others.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>"#;
const ROOT: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const BOOK: &str = r#"<?xml version="1.0" encoding="UTF-8"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const PARTS: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;
const SHEET: &str = r#"<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#;
const STRINGS: &str = r#"<?xml version="1.0" encoding="UTF-8"?><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">"#;

/// A workbook with these rows; what reads as a number is one.
pub(crate) fn workbook<'a>(rows: impl IntoIterator<Item = Vec<&'a str>>) -> Vec<u8> {
    let (mut sheet, mut strings, mut count) = (SHEET.to_owned(), STRINGS.to_owned(), 0);
    for (row, cells) in rows.into_iter().enumerate() {
        let _ = write!(sheet, "<row r=\"{}\">", row + 1);
        for (index, cell) in cells.into_iter().enumerate() {
            let place = format!("{}{}", column(index), row + 1);
            if cell.parse::<f64>().is_ok() {
                let _ = write!(sheet, "<c r=\"{place}\"><v>{cell}</v></c>");
            } else {
                let _ = write!(sheet, "<c r=\"{place}\" t=\"s\"><v>{count}</v></c>");
                let cell = cell.replace('&', "&amp;").replace('<', "&lt;");
                let _ = write!(strings, "<si><t>{cell}</t></si>");
                count += 1;
            }
        }
        sheet.push_str("</row>");
    }
    sheet.push_str("</sheetData></worksheet>");
    strings.push_str("</sst>");
    zip(&sheet, &deflated(strings.as_bytes()))
}

/// The letters of a column, from 0.
fn column(index: usize) -> String {
    let letter = |index: usize| char::from(b'A' + u8::try_from(index % 26).unwrap());
    let last = letter(index);
    match (index / 26).checked_sub(1) {
        None => last.to_string(),
        Some(before) => format!("{}{last}", letter(before)),
    }
}

/// A few bytes whose first sheet reaches to the last cell that Excel has.
pub(crate) fn far_cell() -> Vec<u8> {
    let cells = r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>"#;
    let strings = format!("{STRINGS}</sst>");
    let sheet = format!("{SHEET}{cells}</sheetData></worksheet>");
    zip(&sheet, &deflated(strings.as_bytes()))
}

/// A small file whose strings take two thousand megabytes.
pub(crate) fn bomb() -> Vec<u8> {
    let sheet = format!(
        "{SHEET}<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c></row></sheetData></worksheet>"
    );
    // A block that is flushed whole can be repeated.
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(format!("{STRINGS}<si><t>").as_bytes())
        .unwrap();
    encoder.flush().unwrap();
    let head = encoder.get_ref().len();
    encoder.write_all(&vec![b'a'; 1 << 20]).unwrap();
    encoder.flush().unwrap();
    let mut stream = encoder.get_ref().clone();
    // From the second on, a block looks back at nothing but itself.
    let mut alone = DeflateEncoder::new(Vec::new(), Compression::best());
    alone.write_all(&vec![b'a'; 1 << 20]).unwrap();
    alone.flush().unwrap();
    let block = alone.get_ref().clone();
    assert!(head > 0 && block.len() < 4096);
    for _ in 0..2000 {
        stream.extend_from_slice(&block);
    }
    zip(&sheet, &stream)
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A cell of text.
fn inline(place: &str, text: &str) -> String {
    format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

/// A workbook whose second SKU has a formula that no program has calculated.
pub(crate) fn unsaved_formula() -> Vec<u8> {
    let rows = format!(
        "<row r=\"1\">{}{}</row><row r=\"2\">{}<c r=\"B2\"><f>2+3</f><v>5</v></c></row>\
         <row r=\"3\">{}<c r=\"B3\"><f>2+3</f></c></row>",
        inline("A1", "sku"),
        inline("B1", "on_hand"),
        inline("A2", "A"),
        inline("A3", "B")
    );
    let sheet = format!("{SHEET}{rows}</sheetData></worksheet>");
    zip(&sheet, &deflated(format!("{STRINGS}</sst>").as_bytes()))
}

/// A workbook whose first sheet is hidden, with another level of A.
pub(crate) fn hidden_sheet() -> Vec<u8> {
    let sheet = |units: u32| {
        let rows = format!(
            "<row r=\"1\">{}{}</row><row r=\"2\">{}<c r=\"B2\"><v>{units}</v></c></row>",
            inline("A1", "sku"),
            inline("B1", "on_hand"),
            inline("A2", "A")
        );
        format!("{SHEET}{rows}</sheetData></worksheet>")
    };
    let one = r#"<sheet name="Sheet1" sheetId="1" r:id="rId1"/>"#;
    let hidden = r#"<sheet name="Old" sheetId="1" state="hidden" r:id="rId1"/><sheet name="Now" sheetId="2" r:id="rId3"/><sheet name="Notes" sheetId="3" r:id="rId3"/>"#;
    let book = BOOK.replace(one, hidden);
    assert_ne!(book, BOOK);
    let second = r#"<Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/></Relationships>"#;
    let relations = PARTS.replace("</Relationships>", second);
    let (first, second) = (sheet(9), sheet(5));
    zip_of(&[
        ("[Content_Types].xml", sound(TYPES)),
        ("_rels/.rels", sound(ROOT)),
        ("xl/workbook.xml", sound(&book)),
        ("xl/_rels/workbook.xml.rels", sound(&relations)),
        ("xl/worksheets/sheet1.xml", sound(&first)),
        ("xl/worksheets/sheet2.xml", sound(&second)),
    ])
}

/// A part of a file: its bytes, their sum, and the length it says it has.
type Part = (Vec<u8>, u32, usize);

fn sound(text: &str) -> Part {
    (deflated(text.as_bytes()), crc(text.as_bytes()), text.len())
}

fn zip(sheet: &str, strings: &[u8]) -> Vec<u8> {
    zip_of(&[
        ("[Content_Types].xml", sound(TYPES)),
        ("_rels/.rels", sound(ROOT)),
        ("xl/workbook.xml", sound(BOOK)),
        ("xl/_rels/workbook.xml.rels", sound(PARTS)),
        ("xl/worksheets/sheet1.xml", sound(sheet)),
        ("xl/sharedStrings.xml", strings_of(strings)),
    ])
}

fn zip_of(parts: &[(&str, Part)]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, (bytes, crc, length)) in parts {
        let offset = u32::try_from(file.len()).unwrap();
        let mut common = Vec::new();
        for word in [20_u16, 0, 8, 0, 0x5821] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        common.extend_from_slice(&crc.to_le_bytes());
        for length in [bytes.len(), *length] {
            common.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        }
        common.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend_from_slice(&0_u16.to_le_bytes());
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&common);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(bytes);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let start = u32::try_from(file.len()).unwrap();
    let count = u16::try_from(parts.len()).unwrap().to_le_bytes();
    let length = u32::try_from(directory.len()).unwrap().to_le_bytes();
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&count);
    file.extend_from_slice(&count);
    file.extend_from_slice(&length);
    file.extend_from_slice(&start.to_le_bytes());
    file.extend_from_slice(&[0, 0]);
    file
}

/// What a stream says it holds: the truth where it is small.
fn strings_of(stream: &[u8]) -> (Vec<u8>, u32, usize) {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let reader = flate2::read::DeflateDecoder::new(stream);
    let whole = reader.take(64 << 20).read_to_end(&mut bytes).is_ok() && bytes.len() < 64 << 20;
    if whole {
        (stream.to_vec(), crc(&bytes), bytes.len())
    } else {
        (stream.to_vec(), 0, 2_100_000_000)
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
