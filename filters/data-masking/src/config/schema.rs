//! The JSON Schema of the configuration.

use std::borrow::Cow;

use palisade_sdk::config::schema::{ObjectSchema, integer, non_empty_list, one_of, text};
use palisade_sdk::config::{Rules, Size};
use palisade_sdk::matching::ClientIp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::rule::{DEEPEST, Detecting, Exclude, HIGHEST, MOST_FIELDS, MOST_REPEATED, Messages};
use super::url::MOST_SEGMENTS;
use super::{Bodies, Config, Directions, Masking, Url};
use crate::actions::Action;
use crate::detectors;
use crate::masking::{Field, MessageField};
use crate::scan::MOST;

const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";

const HEADER: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

impl JsonSchema for Config {
    fn schema_name() -> Cow<'static, str> {
        "DataMasking".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .fields_of::<Rules<Masking>>()
            .optional::<Bodies>("bodies", "How bodies are read.")
            .optional_with(
                "headers",
                "Headers and trailers that are masked, in the messages of which a rule masks the bodies.",
                |generator| list(named(generator, &["request", "response", "access_log"])),
            )
            .optional_with("cookies", "Cookies that are masked there, by their names.", |generator| {
                list(named(generator, &["request", "response"]))
            })
            .optional::<ClientIp>("client_ip", "Which address is the client's, for matchers that ask for it.")
            .optional::<bool>("report_only", "Whether what is found is only counted. Default: false.")
            .build()
    }
}

impl JsonSchema for Masking {
    fn schema_name() -> Cow<'static, str> {
        "Masking".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional::<Directions>("direction", "Which messages are masked. Default: [response].")
            .optional_with("fields", "Values that are named by their paths.", |generator| {
                at_most(generator.subschema_for::<Field>(), MOST_FIELDS)
            })
            .optional_with("detectors", "What is looked for in all other values.", |generator| {
                at_most(generator.subschema_for::<Detecting>(), MOST)
            })
            .optional::<Exclude>("exclude", "Values in which nothing is looked for.")
            .optional::<Messages>("grpc", "Fields of gRPC messages; without them such bodies pass.")
            .optional::<Url>("url", "The path and the query, in which the detectors look for matches too.")
            .optional::<bool>("keys", "Whether the names of members are searched too. Default: false.")
            .build()
    }
}

fn at_most(items: Schema, most: usize) -> Schema {
    json_schema!({"type": "array", "items": items, "maxItems": most})
}

impl JsonSchema for Directions {
    fn schema_name() -> Cow<'static, str> {
        "Directions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        non_empty_list(one_of(&["request", "response"]))
    }
}

impl JsonSchema for Field {
    fn schema_name() -> Cow<'static, str> {
        "Field".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required_with("path", "A path of RFC 9535, without filters, slices and unions.", |_| text(r"^\$"))
            .optional_with("name", "Its name in metrics and templates. Default: field.", |_| text(NAME))
            .required::<Action>("action", "What is done to it.")
            .build()
    }
}

impl JsonSchema for Detecting {
    fn schema_name() -> Cow<'static, str> {
        "Detecting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional_with("type", "A detector of this project's.", |_| {
                let names: Vec<_> = detectors::all().iter().map(|detector| detector.name).collect();
                one_of(&names)
            })
            .optional_with("name", "Its name in metrics and templates. Default: the type.", |_| text(NAME))
            .optional_with("max_len", "The most that a repetition of the expression repeats that has no end.", |_| {
                integer(1..=MOST_REPEATED)
            })
            .optional::<String>("regex", "A regular expression in place of a type.")
            .required::<Action>("action", "What is done to its matches.")
            .build()
    }
}

impl JsonSchema for Messages {
    fn schema_name() -> Cow<'static, str> {
        "Messages".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required_with("fields", "The fields.", |generator| {
                non_empty_list(generator.subschema_for::<MessageField>())
            })
            .build()
    }
}

impl JsonSchema for MessageField {
    fn schema_name() -> Cow<'static, str> {
        "MessageField".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required_with("path", "The numbers of the fields that lead to it.", |_| {
                let numbers = integer(1..=HIGHEST);
                json_schema!({"type": "array", "items": numbers, "minItems": 1, "maxItems": DEEPEST})
            })
            .optional_with("name", "Its name in metrics and templates. Default: field.", |_| text(NAME))
            .required::<Action>("action", "What is done to it; what is only reported is searched by the detectors.")
            .build()
    }
}

impl JsonSchema for Exclude {
    fn schema_name() -> Cow<'static, str> {
        "Exclude".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator).required_with("fields", "Their paths.", |_| non_empty_list(text(r"^\$"))).build()
    }
}

/// A header or cookie, masked in some of these places.
fn named(generator: &mut SchemaGenerator, places: &[&str]) -> Schema {
    ObjectSchema::new(generator)
        .required_with("name", "Its name.", |_| text(HEADER))
        .optional_with("direction", "Where. Default: [response].", |_| non_empty_list(one_of(places)))
        .optional::<Action>("action", "What is done to it. Default: the rule's detectors look for matches in it.")
        .build()
}

fn list(items: Schema) -> Schema {
    json_schema!({"type": "array", "items": items})
}

impl JsonSchema for Url {
    fn schema_name() -> Cow<'static, str> {
        "Url".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required_with("for", "Who gets it masked.", |_| one_of(&["logs", "upstream"]))
            .optional_with("query", "Parameters by their names.", |generator| {
                list(part(generator, "name", "Its name, as it is when it is decoded.", text(".")))
            })
            .optional_with("segments", "Segments by their places.", |generator| {
                list(part(generator, "segment", "Its place, from 1.", integer(1..=MOST_SEGMENTS)))
            })
            .build()
    }
}

/// A part of a path or query, and what is done to it.
fn part(generator: &mut SchemaGenerator, field: &str, description: &str, kind: Schema) -> Schema {
    ObjectSchema::new(generator)
        .required_with(field, description, |_| kind)
        .required::<Action>("action", "What is done to it; a segment cannot be removed.")
        .build()
}

impl JsonSchema for Bodies {
    fn schema_name() -> Cow<'static, str> {
        "Bodies".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let otherwise = |_: &mut SchemaGenerator| one_of(&["fail", "pass"]);
        ObjectSchema::new(generator)
            .optional_with("content_types", "Media types that are masked; one `*` stands for any part.", |_| {
                non_empty_list(text("^[^/]+/[^/]+$"))
            })
            .optional_with("encodings", "What the upstream is asked for. Default: identity.", |_| {
                one_of(&["identity", "gzip"])
            })
            .optional::<Size>(
                "max_hold",
                "How long a value is held to be looked at as a whole: 256B to 64KiB. Default: 8KiB.",
            )
            .optional::<Size>("max_decoded", "How much a compressed body may hold: up to 1GiB. Default: 16MiB.")
            .optional_with("numbers", "What stands in the place of a number. Default: string.", |_| {
                one_of(&["string", "zero"])
            })
            .optional::<bool>("sniff", "Whether a body without a content type is looked at. Default: false.")
            .optional_with(
                "on_error",
                "What becomes of a body that cannot be masked to its end. Default: fail.",
                otherwise,
            )
            .optional_with(
                "on_invalid",
                "What becomes of JSON that is none. Default: text, and fail in a rule with fields.",
                |_| one_of(&["text", "fail", "pass"]),
            )
            .optional_with("on_undecodable", "What becomes of a body that cannot be read. Default: fail.", otherwise)
            .optional_with("on_partial", "What becomes of a part of a resource. Default: fail.", otherwise)
            .build()
    }
}
