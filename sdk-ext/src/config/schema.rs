//! JSON Schemas of config types.
//!
//! A schema says about a type what its [`FromFields`](super::FromFields) says, in the same order:
//!
//! ```
//! use palisade_sdk::config::Percent;
//! use palisade_sdk::config::schema::{self, ObjectSchema};
//! use schemars::{JsonSchema, Schema, SchemaGenerator};
//!
//! struct Config;
//!
//! impl JsonSchema for Config {
//!     fn schema_name() -> std::borrow::Cow<'static, str> {
//!         "Config".into()
//!     }
//!
//!     fn json_schema(generator: &mut SchemaGenerator) -> Schema {
//!         ObjectSchema::new(generator)
//!             .required::<Percent>("sample", "The share of requests that are sampled.")
//!             .optional::<schema::Duration>("timeout", "How long to wait for an answer.")
//!             .optional_with("policy", "What a parent decides.", |_| schema::one_of(&["respect", "ignore"]))
//!             .build()
//!     }
//! }
//! ```
//!
//! It accepts every config that the reader accepts, and refuses every unknown field, wrong type and wrong unit. Rules
//! between fields, and whether a regular expression or an address is valid, are known to the reader alone.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use super::{Percent, Rate, Rules, Secret, Size, duration, percent, rate, secret, size};
use crate::matching::Matcher;

/// The schema of a [`std::time::Duration`] in a config; `schemars` has another one for that type.
pub struct Duration;

/// The schema of an object, field by field; fields that are not named are refused.
pub struct ObjectSchema<'g> {
    generator: &'g mut SchemaGenerator,
    properties: Map<String, Value>,
    required: Vec<Value>,
    constraints: Map<String, Value>,
}

/// A field's name, its description and its schema.
pub type Variant = (&'static str, &'static str, fn(&mut SchemaGenerator) -> Schema);

impl<'g> ObjectSchema<'g> {
    /// An object without fields.
    pub fn new(generator: &'g mut SchemaGenerator) -> Self {
        Self { generator, properties: Map::new(), required: Vec::new(), constraints: Map::new() }
    }

    /// A field that must be there.
    pub fn required<T: JsonSchema>(self, name: &str, description: &str) -> Self {
        self.required_with(name, description, SchemaGenerator::subschema_for::<T>)
    }

    /// A field that may be left out.
    pub fn optional<T: JsonSchema>(self, name: &str, description: &str) -> Self {
        self.optional_with(name, description, SchemaGenerator::subschema_for::<T>)
    }

    /// A field that must be there, with its schema.
    pub fn required_with(
        mut self,
        name: &str,
        description: &str,
        schema: impl FnOnce(&mut SchemaGenerator) -> Schema,
    ) -> Self {
        self.required.push(name.into());
        self.optional_with(name, description, schema)
    }

    /// A field that may be left out, with its schema.
    pub fn optional_with(
        mut self,
        name: &str,
        description: &str,
        schema: impl FnOnce(&mut SchemaGenerator) -> Schema,
    ) -> Self {
        let mut schema = schema(self.generator);
        schema.insert("description".to_owned(), description.into());
        self.properties.insert(name.to_owned(), schema.to_value());
        self
    }

    /// The fields of a type that shares the object, such as [`Rules`].
    pub fn fields_of<T: JsonSchema>(mut self) -> Self {
        let mut fields = T::json_schema(self.generator).ensure_object().clone();
        for own in ["type", "additionalProperties", "title", "description"] {
            fields.remove(own);
        }
        if let Some(Value::Object(properties)) = fields.remove("properties") {
            self.properties.extend(properties);
        }
        if let Some(Value::Array(required)) = fields.remove("required") {
            self.required.extend(required);
        }
        self.constraints.extend(fields);
        self
    }

    /// The schema.
    pub fn build(self) -> Schema {
        let mut schema = json_schema!({
            "type": "object",
            "properties": self.properties,
            "additionalProperties": false,
        });
        if !self.required.is_empty() {
            schema.insert("required".to_owned(), self.required.into());
        }
        schema.ensure_object().extend(self.constraints);
        schema
    }

    /// Exactly one of these fields: the schema of [`Object::exactly_one`](super::Object::exactly_one).
    pub fn exactly_one(mut self, variants: &[Variant]) -> Self {
        let mut names = Vec::new();
        for (name, description, schema) in variants {
            self = self.optional_with(name, description, schema);
            names.push(*name);
        }
        self.only_one_of(&names)
    }

    /// Exactly one of these fields must be there.
    pub fn only_one_of(mut self, names: &[&str]) -> Self {
        let choices: Vec<_> = names.iter().map(|name| serde_json::json!({"required": [name]})).collect();
        self.constraints.insert("oneOf".to_owned(), choices.into());
        self
    }

    pub(crate) fn not_empty(mut self) -> Self {
        self.constraints.insert("minProperties".to_owned(), 1.into());
        self
    }
}

/// The schema of [`Node::integer`](super::Node::integer).
pub fn integer(range: RangeInclusive<u64>) -> Schema {
    json_schema!({"type": "integer", "minimum": range.start(), "maximum": range.end()})
}

/// The schema of [`Node::one_of`](super::Node::one_of).
pub fn one_of(names: &[&str]) -> Schema {
    json_schema!({"enum": names})
}

/// The schema of [`Node::non_empty_list`](super::Node::non_empty_list).
pub fn non_empty_list(items: Schema) -> Schema {
    json_schema!({"type": "array", "items": items, "minItems": 1})
}

/// The schema of [`Node::entries`](super::Node::entries), with a pattern for the names.
pub fn map(names: &str, values: Schema) -> Schema {
    json_schema!({"type": "object", "propertyNames": {"pattern": names}, "additionalProperties": values})
}

/// The schema of a text that has a pattern.
pub fn text(pattern: &str) -> Schema {
    json_schema!({"type": "string", "pattern": pattern})
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text(duration::PATTERN)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text(size::PATTERN)
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text(percent::PATTERN)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let variable = ObjectSchema::new(generator)
            .required_with("env", "The name of a variable of the VM's environment.", |_| text(secret::NAME_PATTERN))
            .build();
        json_schema!({"anyOf": [{"type": "string", "minLength": 1}, variable]})
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text(rate::PATTERN)
    }
}

impl<T: JsonSchema> JsonSchema for Rules<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Rules_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional_with("rules", "The rules; the first that matches a request wins.", |generator| {
                let rule = ObjectSchema::new(generator)
                    .optional_with("name", "The name of the rule in metrics, in logs and for `rule_by_route`.", |_| {
                        let mut name = text("^[A-Za-z0-9_-]{1,64}$");
                        name.insert("not".to_owned(), serde_json::json!({"const": "default"}));
                        name
                    })
                    .optional::<Matcher>("match", "The requests that the rule is about; all, if left out.")
                    .fields_of::<T>()
                    .build();
                json_schema!({"type": "array", "items": rule})
            })
            .optional::<bool>(
                "rule_by_route",
                "Whether the metadata `palisade` of a route or virtual host may name the rule. Default: false.",
            )
            .build()
    }
}

#[cfg(test)]
mod tests;
