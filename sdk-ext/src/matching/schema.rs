//! JSON Schemas of matchers, selectors and the client's address.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::text::TextTest;
use super::{Cidr, ClientIp, Matcher, Selector};
use crate::config::schema::{ObjectSchema, Variant, integer, non_empty_list, text};

/// What the name of a header looks like, or that of a pseudo header.
const HEADER: &str = "^:?[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
const COOKIE: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
const METHOD: &str = "^[!#$%&'*+.^_`|~0-9A-Z-]+$";
const HOST: &str = r"^((\*\.)?[A-Za-z0-9_-]([A-Za-z0-9._-]*[A-Za-z0-9_-])?|\[[0-9A-Fa-f:.]+\])$";
// ASCII without `#` and `?`; in a template also without `*`, `/`, `{` and `}`.
const PATH: &str = r"^/[\x00-\x22\x24-\x3E\x40-\x7F]*$";
const TEMPLATE: &str =
    r"^(/([*]|\{[A-Za-z0-9_]+\}|[\x00-\x22\x24-\x29\x2B-\x2E\x30-\x3E\x40-\x7A\x7C\x7E\x7F]*))+(/\*\*)?$|^/\*\*$";
const ASCII: &str = r"^[\x00-\x7F]*$";
const CIDR: &str = "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$";

const PATHS: &[Variant] = &[
    ("exact", "The path.", |_| text(PATH)),
    ("prefix", "Whole segments: `/api` is `/api` and `/api/x`, not `/apix`.", |_| text(PATH)),
    ("regex", "A regular expression that matches the whole path.", |_| text(ASCII)),
    ("template", "`{name}` or `*` is one segment, `**` at the end any rest.", |_| text(TEMPLATE)),
];

const TESTS: &[Variant] = &[
    ("exact", "The value.", String::json_schema),
    ("prefix", "The start of the value.", |_| non_empty()),
    ("suffix", "The end of the value.", |_| non_empty()),
    ("contains", "A part of the value.", |_| non_empty()),
    ("regex", "A regular expression that matches the whole value.", String::json_schema),
    ("present", "Whether there is a value.", bool::json_schema),
];

const SOURCES: &[Variant] = &[
    ("header", "The name of a header.", |_| text(HEADER)),
    ("cookie", "The name of a cookie.", |_| text(COOKIE)),
    ("query", "The name of a query parameter.", |_| non_empty()),
    ("claim", "The name of a claim that the auth filter published.", |_| non_empty()),
    ("client_ip", "The address of the client.", no_options),
    ("path", "A segment of the path.", |generator| {
        ObjectSchema::new(generator)
            .required_with("segment", "Which segment, counted from 1.", |_| integer(1..=64))
            .build()
    }),
    ("method", "The method.", no_options),
    ("host", "The host, without port and in lower case.", no_options),
    ("route", "The name of the route.", no_options),
    (
        "property",
        "The path of a property.",
        |_| json_schema!({"type": "array", "items": non_empty(), "minItems": 1, "maxItems": 16}),
    ),
    ("literal", "The value itself.", String::json_schema),
];

impl JsonSchema for Matcher {
    fn schema_name() -> Cow<'static, str> {
        "Matcher".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional_with("path", "The path, without query.", |generator| {
                ObjectSchema::new(generator).exactly_one(PATHS).build()
            })
            .optional_with("methods", "The method is one of these.", |_| non_empty_list(text(METHOD)))
            .optional_with("hosts", "The host is one of these; `*.example.com` is every name below.", |_| {
                non_empty_list(text(HOST))
            })
            .optional_with("headers", "All of these headers pass their tests.", |generator| {
                named(generator, "The name of the header.", text(HEADER))
            })
            .optional_with("query", "All of these query parameters pass their tests.", |generator| {
                named(generator, "The name of the parameter.", non_empty())
            })
            .optional_with("values", "All of these values pass their tests.", |generator| {
                let value = ObjectSchema::new(generator)
                    .required::<Selector>("of", "Where the value is found.")
                    .fields_of::<TextTest>()
                    .build();
                non_empty_list(value)
            })
            .optional_with("client_ip", "The client's address is in one of these ranges.", |generator| {
                non_empty_list(Cidr::json_schema(generator))
            })
            .optional::<Matcher>("not", "This does not match.")
            .not_empty()
            .build()
    }
}

impl JsonSchema for Selector {
    fn schema_name() -> Cow<'static, str> {
        "Selector".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .exactly_one(SOURCES)
            .optional::<Selector>("or", "Where to look if there is no value.")
            .build()
    }
}

impl JsonSchema for ClientIp {
    fn schema_name() -> Cow<'static, str> {
        "ClientIp".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator)
            .optional_with("trusted_hops", "How many trusted proxies stand in front of Envoy.", |_| integer(1..=32))
            .optional_with("trusted_cidrs", "The addresses of trusted proxies.", |generator| {
                non_empty_list(Cidr::json_schema(generator))
            })
            .optional_with("ipv6_prefix", "How many bits of an IPv6 address are one client. Default: 64.", |_| {
                integer(1..=128)
            })
            .build()
    }
}

impl JsonSchema for Cidr {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Cidr".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text(CIDR)
    }
}

impl JsonSchema for TextTest {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TextTest".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ObjectSchema::new(generator).exactly_one(TESTS).build()
    }
}

fn named(generator: &mut SchemaGenerator, description: &str, name: Schema) -> Schema {
    let test =
        ObjectSchema::new(generator).required_with("name", description, |_| name).fields_of::<TextTest>().build();
    non_empty_list(test)
}

fn no_options(generator: &mut SchemaGenerator) -> Schema {
    ObjectSchema::new(generator).build()
}

fn non_empty() -> Schema {
    json_schema!({"type": "string", "minLength": 1})
}
