#![allow(clippy::arithmetic_side_effects, reason = "a test may fail by overflow")]

//! Against the same messages by the library `prost`. That they are those of Envoy's authors, the scenarios with
//! `envoy-types` tell, which is made of their `.proto` files.

use super::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost::Message;
use proto::{DescriptorStatus, HeaderValue, RateLimit, RateLimitRequest, RateLimitResponse};

mod proto;

fn status() -> impl Strategy<Value = DescriptorStatus> {
    let limit = (any::<u32>(), 0..9, ".{0,9}").prop_map(|(requests_per_unit, unit, name)| RateLimit {
        name,
        requests_per_unit,
        unit,
    });
    let reset = (any::<i64>(), any::<i32>()).prop_map(|(seconds, nanos)| proto::Duration { seconds, nanos });
    (0..4, option::of(limit), any::<u32>(), option::of(reset)).prop_map(
        |(code, current_limit, limit_remaining, reset)| DescriptorStatus {
            code,
            current_limit,
            limit_remaining,
            duration_until_reset: reset,
        },
    )
}

fn header() -> impl Strategy<Value = HeaderValue> {
    (".{0,9}", ".{0,9}", vec(any::<u8>(), 0..9)).prop_map(|(key, value, raw_value)| HeaderValue {
        key,
        value,
        raw_value,
    })
}

fn response() -> impl Strategy<Value = RateLimitResponse> {
    let headers = || vec(header(), 0..4);
    (-1..4, vec(status(), 0..4), headers(), headers(), vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..9)).prop_map(
        |(overall_code, statuses, response_headers_to_add, request_headers_to_add, raw_body, dynamic_metadata)| {
            RateLimitResponse {
                overall_code,
                statuses,
                response_headers_to_add,
                request_headers_to_add,
                raw_body,
                dynamic_metadata,
            }
        },
    )
}

/// What is to be read from a message of the authors'.
fn expected(response: &RateLimitResponse) -> Response {
    Response {
        code: code(response.overall_code),
        statuses: response.statuses.iter().map(expected_status).collect(),
        response_headers: response.response_headers_to_add.iter().map(expected_header).collect(),
        request_headers: response.request_headers_to_add.iter().map(expected_header).collect(),
        body: response.raw_body.clone(),
    }
}

fn code(code: i32) -> Code {
    match code {
        1 => Code::Ok,
        2 => Code::OverLimit,
        _ => Code::Unknown,
    }
}

fn expected_status(status: &DescriptorStatus) -> Status {
    let limit = status.current_limit.as_ref();
    let limit = limit.map(|limit| Limit { requests: limit.requests_per_unit, unit: limit.unit as u32 });
    let until_reset =
        status.duration_until_reset.map(|reset| match (u64::try_from(reset.seconds), u32::try_from(reset.nanos)) {
            (Ok(seconds), Ok(nanos)) => Duration::from_secs(seconds) + Duration::from_nanos(nanos.into()),
            _ => Duration::ZERO,
        });
    Status { code: code(status.code), limit, remaining: status.limit_remaining, until_reset }
}

fn expected_header(header: &HeaderValue) -> (String, Vec<u8>) {
    let value = if header.value.is_empty() { header.raw_value.clone() } else { header.value.clone().into_bytes() };
    (header.key.to_ascii_lowercase(), value)
}

proptest! {
    #[test]
    fn a_request_is_what_its_authors_read(
        domain in ".{0,20}",
        descriptors in vec(vec((".{0,20}", ".{0,200}"), 0..4), 0..4),
        hits in any::<u32>(),
    ) {
        let mut encoded = Vec::new();
        for entries in &descriptors {
            let mut descriptor = Vec::new();
            for (key, value) in entries {
                put_entry(&mut descriptor, key, value);
            }
            encoded.push(descriptor);
        }
        let read = RateLimitRequest::decode(request(&domain, &encoded, hits).as_slice()).unwrap();
        prop_assert_eq!((&read.domain, read.hits_addend), (&domain, hits));
        let read: Vec<Vec<_>> = read.descriptors.into_iter().map(|descriptor| {
            descriptor.entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
        }).collect();
        prop_assert_eq!(read, descriptors);
    }

    #[test]
    fn a_response_is_read_as_its_authors_meant_it(response in response()) {
        prop_assert_eq!(Response::decode(&response.encode_to_vec()), Some(expected(&response)));
    }

    /// One byte is another, one is missing or one too many, or the end is missing.
    #[test]
    fn a_damaged_response_is_malformed_or_read_as_its_authors_read_it(
        response in response(),
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        damage in 0..4,
    ) {
        let mut message = response.encode_to_vec();
        prop_assume!(!message.is_empty());
        let place = place.index(message.len());
        match damage {
            0 => message[place] = byte,
            1 => { message.remove(place); }
            2 => message.insert(place, byte),
            _ => message.truncate(place),
        }
        // What only they refuse is in fields that are not read here, or no text.
        if let (Some(read), Ok(theirs)) = (Response::decode(&message), RateLimitResponse::decode(message.as_slice())) {
            prop_assert_eq!(read, expected(&theirs));
        }
    }

    #[test]
    fn arbitrary_bytes_are_a_response_or_malformed(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Response::decode(&bytes);
    }
}

#[test]
fn an_empty_answer_says_nothing() {
    assert_eq!(Response::decode(b""), Some(Response::default()));
    assert_eq!(Response::default().code, Code::Unknown);
}

#[test]
fn a_code_of_a_later_protocol_is_unknown() {
    for code in [0, 3, -1, i32::MAX] {
        let message = RateLimitResponse { overall_code: code, ..Default::default() }.encode_to_vec();
        assert_eq!(Response::decode(&message).map(|response| response.code), Some(Code::Unknown), "{code}");
    }
}

#[test]
fn a_service_cannot_add_headers_without_end() {
    let header = HeaderValue { key: "X-A".to_owned(), value: "1".to_owned(), ..Default::default() };
    let with = |count| RateLimitResponse { response_headers_to_add: vec![header.clone(); count], ..Default::default() };
    let read = Response::decode(&with(MOST_HEADERS).encode_to_vec()).unwrap();
    assert_eq!(read.response_headers, vec![("x-a".to_owned(), b"1".to_vec()); MOST_HEADERS]);
    assert_eq!(Response::decode(&with(MOST_HEADERS + 1).encode_to_vec()), None);
}

#[test]
fn the_limit_that_is_nearest_to_its_end_is_told_and_a_refusal_lasts_until_all_have_ended() {
    let status = |code, requests, remaining, seconds| Status {
        code,
        limit: Some(Limit { requests, unit: 2 }),
        remaining,
        until_reset: Some(Duration::from_secs(seconds)),
    };
    let statuses = vec![
        status(Code::Ok, 10, 9, 50),
        status(Code::OverLimit, 100, 0, 7),
        status(Code::OverLimit, 3, 0, 30),
        Status { code: Code::OverLimit, ..Status::default() },
    ];
    let answer = Response { code: Code::OverLimit, statuses, ..Response::default() }.into_answer();
    let shown = Shown { count: 100, seconds: Some(60), concurrent: false };
    let [seven, thirty] = [7_000_000_000, 30_000_000_000];
    let decision = Decision { admitted: false, remaining: 0, reset: seven, retry: Some(seven) };
    assert_eq!(answer.standing, Some((shown, decision)));
    assert_eq!(answer.retry, Some(thirty));
    assert_eq!(Response::default().into_answer(), Answer::default());
}
