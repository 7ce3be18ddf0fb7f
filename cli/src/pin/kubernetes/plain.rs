//! A value of JSON as any format writes it: where a crate of the workspace lets `serde_json` keep numbers as texts
//! (`arbitrary_precision`), its own `Serialize` has them in a form that only itself understands.

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

pub(super) struct Plain<'a>(pub(super) &'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => serializer.serialize_u64(number),
                (_, Some(number), _) => serializer.serialize_i64(number),
                (.., Some(number)) => serializer.serialize_f64(number),
                _ => Err(S::Error::custom(format!("{number} is no number that Envoy can hold"))),
            },
            Value::Array(items) => serializer.collect_seq(items.iter().map(Plain)),
            Value::Object(fields) => serializer.collect_map(fields.iter().map(|(name, field)| (name, Plain(field)))),
            other => other.serialize(serializer),
        }
    }
}
