use palisade_sdk::config;

use super::*;
use crate::config::Mode;

fn parse(fields: &str) -> Result<WithSpanExport, String> {
    let json = format!(r#"{{"default": {{"sample": "1%"}}, {fields}}}"#);
    config::parse(json.as_bytes()).map_err(|errors| errors.to_string())
}

fn exporting(fields: &str) -> Result<SpanExport, String> {
    parse(&format!(r#""span_export": {{"cluster": "otel", {fields}}}"#)).map(|config| config.span_export.unwrap())
}

fn policy(fields: &str) -> ParentIdPolicy {
    let Mode::Propagate(propagation) = parse(fields).unwrap().sampler.mode else { panic!("{fields}") };
    propagation.parent_id
}

#[test]
fn a_cluster_is_all_that_it_takes() {
    let config = parse(r#""span_export": {"cluster": "otel"}"#).unwrap().span_export.unwrap();
    let expected = SpanExport {
        cluster: "otel".to_owned(),
        path: "/v1/traces".to_owned(),
        service_name: "unknown_service:envoy".to_owned(),
        queue: 2048,
        batch: 512,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(10),
    };
    assert_eq!(config, expected);
}

#[test]
fn every_field_is_read() {
    let config = exporting(
        r#""path": "/t", "service_name": "edge", "queue": 9, "batch": 3.0, "interval": "200ms", "timeout": "2s""#,
    );
    let expected = SpanExport {
        cluster: "otel".to_owned(),
        path: "/t".to_owned(),
        service_name: "edge".to_owned(),
        queue: 9,
        batch: 3,
        interval: Duration::from_millis(200),
        timeout: Duration::from_secs(2),
    };
    assert_eq!(config, Ok(expected));
}

#[test]
fn a_batch_is_never_more_than_the_queue() {
    assert_eq!(exporting(r#""queue": 100"#).unwrap().batch, 100);
    let error = exporting(r#""queue": 100, "batch": 101"#).unwrap_err();
    assert_eq!(error, "span_export.batch: more spans than the queue holds");
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    for (fields, reason) in [
        (r#""path": "v1/traces""#, "span_export.path: expected a path such as \"/v1/traces\""),
        (r#""path": "/a b""#, "span_export.path: expected a path"),
        (r#""path": "/a\r\nb: c""#, "span_export.path: expected a path"),
        (r#""service_name": """#, "span_export.service_name: expected a name of up to 256 bytes"),
        (r#""queue": 0"#, "span_export.queue: expected an integer from 1 to 65536, found the number 0"),
        (r#""batch": 4097"#, "span_export.batch: expected an integer from 1 to 4096, found the number 4097"),
        (r#""interval": "0s""#, "span_export.interval: expected a duration from \"1ms\" to \"1h\""),
        (r#""timeout": "2h""#, "span_export.timeout: expected a duration from \"1ms\" to \"1h\""),
        (r#""timeout": 1"#, "span_export.timeout: expected a duration such as"),
        (r#""clutser": "x""#, "span_export.clutser: unknown field, did you mean \"cluster\"?"),
    ] {
        let error = exporting(fields).unwrap_err();
        assert!(error.contains(reason), "{fields}: {error}");
    }
    let error = parse(r#""span_export": {"cluster": ""}"#).unwrap_err();
    assert_eq!(error, "span_export.cluster: expected the name of one of Envoy's clusters");
    assert!(parse(r#""span_export": {}"#).unwrap_err().contains("span_export: missing field \"cluster\""));
}

#[test]
fn a_sampled_request_gets_the_parent_id_of_its_span() {
    let export = r#""span_export": {"cluster": "otel"}"#;
    assert_eq!(policy(export), ParentIdPolicy::OnSpan);
    assert_eq!(policy(&format!(r#"{export}, "parent_id": "on_change""#)), ParentIdPolicy::OnSpan);
    assert_eq!(policy(&format!(r#"{export}, "parent_id": "always""#)), ParentIdPolicy::Always);
    let error = parse(&format!(r#"{export}, "parent_id": "preserve""#)).unwrap_err();
    assert!(error.starts_with("parent_id: with \"preserve\" the upstream would not be below the span"), "{error}");
}

#[test]
fn where_envoy_exports_a_span_there_is_no_second_one() {
    for mode in ["envoy_decision", "upstream"] {
        let error = parse(&format!(r#""span_export": {{"cluster": "otel"}}, "mode": "{mode}""#)).unwrap_err();
        let expected = "span_export: in the modes \"envoy_decision\" and \"upstream\" Envoy's tracer exports a span";
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(parse(r#""span_export": {"cluster": "otel"}, "mode": "propagate""#).is_ok());
}

#[test]
fn a_format_that_cannot_tell_of_the_span_is_refused() {
    let with = |formats: &str| parse(&format!(r#""span_export": {{"cluster": "otel"}}, "propagators": {formats}"#));
    assert!(with(r#"["w3c"]"#).is_ok());
    for formats in [r#"["b3"]"#, r#"["w3c", "b3"]"#, r#"["datadog", "w3c"]"#] {
        let error = with(formats).unwrap_err();
        assert!(error.starts_with("propagators: with span_export the upstream learns of the span"), "{error}");
    }
}

#[test]
fn without_the_field_it_is_the_sampler_that_it_always_was() {
    assert!(parse(r#""mode": "envoy_decision""#).unwrap().span_export.is_none());
    assert_eq!(policy(r#""parent_id": "preserve""#), ParentIdPolicy::Preserve);
    assert_eq!(policy(r#""parent_id": "on_change""#), ParentIdPolicy::OnChange);
}

#[test]
fn the_other_module_names_this_one() {
    let error = config::parse::<Config>(br#"{"default": {"sample": "1%"}, "span_export": {"cluster": "otel"}}"#);
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "span_export: this module exports no spans; load trace_sampler_span_export.wasm in its place");
}
