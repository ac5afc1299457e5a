//! Values put in place of what an order or its entries would show, documented or not: fields in another form, left
//! out, or given twice over.

use serde_json::Value;

use super::world::World;

/// What a value is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The order's resource, wherever it is shown.
    Order,
    /// One of its entries, by number, wherever it is shown.
    Entry(usize),
    /// The list of its entries, as `/entries` answers it.
    Entries,
}

/// A value at a place, or its absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Override {
    part: Part,
    /// A JSON pointer; empty: the whole.
    pointer: String,
    /// `None` leaves it out.
    value: Option<Value>,
}

impl World {
    /// From now on shows this value at a JSON pointer into a part of the order, or leaves it out. Returns `false` if
    /// there is no such order.
    pub fn put_value(
        &mut self,
        code: &str,
        part: Part,
        pointer: &str,
        value: Option<Value>,
    ) -> bool {
        let Some(index) = self.index(code) else {
            return false;
        };
        self.orders[index].overrides.push(Override {
            part,
            pointer: pointer.to_owned(),
            value,
        });
        true
    }

    /// Shows the order again as it is.
    pub fn forget_values(&mut self, code: &str) {
        if let Some(index) = self.index(code) {
            self.orders[index].overrides.clear();
        }
    }
}

/// Applies what is put into this part.
pub(super) fn apply(overrides: &[Override], part: Part, shown: &mut Value) {
    for change in overrides.iter().filter(|change| change.part == part) {
        put(shown, &change.pointer, change.value.as_ref());
    }
}

/// Puts a value at a JSON pointer, or removes it. Objects on the way that are not there are made.
fn put(shown: &mut Value, pointer: &str, value: Option<&Value>) {
    let names = pointer.split('/').skip(1);
    let names: Vec<String> = names
        .map(|name| name.replace("~1", "/").replace("~0", "~"))
        .collect();
    put_at(shown, &names, value);
}

fn put_at(shown: &mut Value, names: &[String], value: Option<&Value>) {
    let Some((name, rest)) = names.split_first() else {
        *shown = value.cloned().unwrap_or_default();
        return;
    };
    if shown.is_null() && value.is_some() {
        *shown = Value::Object(serde_json::Map::new());
    }
    match shown {
        Value::Object(fields) if rest.is_empty() && value.is_none() => {
            fields.remove(name);
        }
        Value::Object(fields) if value.is_some() => {
            put_at(
                fields.entry(name.as_str()).or_insert(Value::Null),
                rest,
                value,
            );
        }
        Value::Object(fields) => {
            if let Some(next) = fields.get_mut(name) {
                put_at(next, rest, value);
            }
        }
        Value::Array(items) => {
            let next = name.parse::<usize>().ok();
            if let Some(next) = next.and_then(|number| items.get_mut(number)) {
                put_at(next, rest, value);
            }
        }
        _ => {}
    }
}
