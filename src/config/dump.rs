//! The effective configuration as TOML. Tokens are not part of it, proxies lose their credentials.

use std::collections::BTreeMap;
use std::fmt::Write;

use toml::{Table, Value};

use super::problem::Origin;
use super::{Config, schema};

impl Config {
    /// The effective configuration as TOML that reads back to the same (credentials apart).
    pub fn dump(&self) -> String {
        render(self, &BTreeMap::new())
    }

    fn table(&self) -> Table {
        Table::try_from(self).unwrap_or_default()
    }
}

pub(super) fn render(config: &Config, origins: &BTreeMap<String, Origin>) -> String {
    let table = config.table();
    let mut out = String::new();
    for section in schema::sections() {
        match table.get(section) {
            Some(Value::Array(blocks)) => {
                for block in blocks.iter().filter_map(Value::as_table) {
                    let _ = writeln!(out, "\n[[{section}]]");
                    write_keys(&mut out, section, block, origins);
                }
            }
            Some(Value::Table(values)) => {
                let gap = if out.is_empty() { "" } else { "\n" };
                let _ = writeln!(out, "{gap}[{section}]");
                write_keys(&mut out, section, values, origins);
                let sources = values.get("sources").and_then(Value::as_array);
                let sources = sources.filter(|_| section == "stock").into_iter().flatten();
                for block in sources.filter_map(Value::as_table) {
                    let _ = writeln!(out, "\n[[{}]]", schema::SOURCES);
                    write_keys(&mut out, schema::SOURCES, block, origins);
                }
            }
            _ => {}
        }
    }
    out
}

fn write_keys(out: &mut String, section: &str, values: &Table, origins: &BTreeMap<String, Origin>) {
    for key in schema::keys_of(section) {
        // `None` is not written by the serializer; for these keys it is the empty text.
        let value = match (values.get(key.name), section) {
            (Some(value), _) => value.to_string(),
            (None, section) if schema::is_blocks(section) => continue,
            (None, _) => "\"\"".to_owned(),
        };
        let _ = write!(out, "{} = {value}", key.name);
        match origins.get(&format!("{section}.{}", key.name)) {
            None | Some(Origin::Default) => out.push('\n'),
            Some(origin) => {
                let _ = writeln!(out, "  # {origin}");
            }
        }
    }
}
