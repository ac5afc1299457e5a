//! Tables for people.

use comfy_table::{ContentArrangement, Table, presets};

/// A table with this header.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width())
        .set_header(header.to_vec());
    table
}

fn width() -> u16 {
    const WIDE: u16 = 120;
    WIDE
}
