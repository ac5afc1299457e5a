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

fn put(shown: &mut Value, pointer: &str, value: Option<&Value>) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        *shown = value.cloned().unwrap_or_default();
        return;
    };
    match (shown.pointer_mut(parent), value) {
        (Some(Value::Object(fields)), Some(value)) => {
            fields.insert(name.to_owned(), value.clone());
        }
        (Some(Value::Object(fields)), None) => {
            fields.remove(name);
        }
        _ => {}
    }
}
