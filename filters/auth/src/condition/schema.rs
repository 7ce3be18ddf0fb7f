//! The JSON Schema of conditions.

use palisade_sdk::config::schema::{ObjectSchema, Variant, non_empty_list, text};
use schemars::{Schema, SchemaGenerator, json_schema};

const TESTS: &[Variant] = &[
    ("exact", "The claim is this.", |_| scalar()),
    ("one_of", "The claim is one of these.", |_| non_empty_list(scalar())),
    ("contains", "The claim is a list in which this stands.", |_| scalar()),
    ("prefix", "The claim is a text that begins so.", |_| non_empty()),
    ("suffix", "The claim is a text that ends so.", |_| non_empty()),
    ("present", "Whether there is such a claim.", |_| json_schema!({"type": "boolean"})),
];

/// Of a condition on a claim.
pub(crate) fn claim(generator: &mut SchemaGenerator) -> Schema {
    ObjectSchema::new(generator)
        .required_with("name", "The claim, or the path to it: `plan.tier`.", |_| non_empty())
        .exactly_one(TESTS)
        .build()
}

/// Of the scopes that a token must have.
pub(crate) fn scope(_: &mut SchemaGenerator) -> Schema {
    non_empty_list(text(r"^[!#-\[\]-~]+$"))
}

fn scalar() -> Schema {
    json_schema!({"type": ["string", "number", "boolean"]})
}

fn non_empty() -> Schema {
    json_schema!({"type": "string", "minLength": 1})
}
