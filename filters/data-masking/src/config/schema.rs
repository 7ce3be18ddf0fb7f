//! The JSON Schema of the configuration.

use std::borrow::Cow;

use palisade_sdk::config::schema::{ObjectSchema, integer, non_empty_list, one_of, text};
use palisade_sdk::config::{Rules, Size};
use palisade_sdk::matching::ClientIp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::rule::{Detecting, Exclude, MOST_FIELDS, MOST_REPEATED};
use super::{Bodies, Config, Directions, HeaderRule, Masking};
use crate::actions::Action;
use crate::detectors;
use crate::masking::Field;
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
            .optional::<Vec<HeaderRule>>(
                "headers",
                "Headers and response trailers that are masked, in the messages of which a rule masks the bodies.",
            )
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

impl JsonSchema for Exclude {
    fn schema_name() -> Cow<'static, str> {
        "Exclude".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator).required_with("fields", "Their paths.", |_| non_empty_list(text(r"^\$"))).build()
    }
}

impl JsonSchema for HeaderRule {
    fn schema_name() -> Cow<'static, str> {
        "HeaderRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .required_with("name", "Its name.", |_| text(HEADER))
            .optional::<Directions>("direction", "In which messages. Default: [response].")
            .optional::<Action>("action", "What is done to it. Default: the rule's detectors look for matches in it.")
            .build()
    }
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
