//! TOML values as serde reads them, with [`Mistake`] as the error.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_path_to_error::Segment as PathSegment;
use toml::{Table, Value};

use super::Segment;
use super::mistake::{Mistake, expected, one_of};

/// Reads a table, reporting every mistake: one that is found is taken out and the rest read again.
/// `replacement` gives the value that stands in for a wrong one; without one its key is left out. `None` when
/// what must be there is not.
pub fn read<T: DeserializeOwned>(
    table: &Table,
    replacement: impl Fn(&[Segment]) -> Option<Value>,
    mut report: impl FnMut(&[Segment], Mistake),
) -> Option<T> {
    let mut root = Value::Table(table.clone());
    let mut left_out: Vec<Vec<Segment>> = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize(Node(root.clone())) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let path = path_of(error.path());
        let mistake = error.into_inner();
        if let Mistake::MissingKey(key) = &mistake {
            let mut missing = path.clone();
            missing.push(Segment::Key((*key).to_owned()));
            if !left_out.contains(&missing) {
                report(&path, mistake);
            }
            return None;
        }
        report(&path, mistake);
        if !replace(&mut root, &path, replacement(&path)) {
            return None;
        }
        left_out.push(path);
    }
}

/// The keys of a struct that refuses unknown ones.
pub fn fields_of<T: DeserializeOwned + std::fmt::Debug>() -> &'static [&'static str] {
    let nothing_has_this = Table::from_iter([(String::new(), Value::Boolean(true))]);
    match T::deserialize(Node(Value::Table(nothing_has_this))) {
        Err(Mistake::UnknownKey { known, .. }) => known,
        _ => &[],
    }
}

fn path_of(path: &serde_path_to_error::Path) -> Vec<Segment> {
    let segments = path.iter().filter_map(|segment| match segment {
        PathSegment::Map { key } => Some(Segment::Key(key.clone())),
        PathSegment::Seq { index } => Some(Segment::Index(*index)),
        PathSegment::Enum { .. } | PathSegment::Unknown => None,
    });
    segments.collect()
}

/// Puts a value at a path, or takes away what is there; `false` when there is nothing. Of a list nothing is
/// taken alone, as that would move the rest of it.
fn replace(root: &mut Value, path: &[Segment], by: Option<Value>) -> bool {
    let Some((last, parents)) = path.split_last() else {
        return false;
    };
    if let Segment::Index(_) = last {
        return replace(root, parents, by);
    }
    let mut value = root;
    for segment in parents {
        let next = match (segment, value) {
            (Segment::Key(key), Value::Table(table)) => table.get_mut(key),
            (Segment::Index(index), Value::Array(items)) => items.get_mut(*index),
            _ => None,
        };
        let Some(next) = next else {
            return false;
        };
        value = next;
    }
    match (last, value, by) {
        (Segment::Key(key), Value::Table(table), Some(by)) => {
            table.insert(key.clone(), by).is_some()
        }
        (Segment::Key(key), Value::Table(table), None) => table.remove(key).is_some(),
        _ => false,
    }
}

/// A value on its way into a type.
#[derive(Debug, Clone)]
struct Node(Value);

impl IntoDeserializer<'_, Mistake> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Boolean(is) => visitor.visit_bool(is),
            Value::Datetime(date) => visitor.visit_string(date.to_string()),
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Node)))
            }
            Value::Table(table) => visitor.visit_map(MapDeserializer::new(
                table.into_iter().map(|(key, value)| (key, Node(value))),
            )),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(word.into_deserializer()),
            Value::Table(table) if table.len() == 1 => {
                let entries = table.into_iter().map(|(key, value)| (key, Node(value)));
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(entries)))
            }
            other => Err(expected(one_of(words), &other)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
