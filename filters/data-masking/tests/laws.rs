//! What masking promises of every kind of body, for matches of every detector: masking twice changes nothing more, JSON stays JSON, no match
//! comes out, and what comes out is the same however a body is cut.

#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used)]

use palisade_data_masking::actions::Action;
use palisade_data_masking::body::grpc::Grpc;
use palisade_data_masking::body::multipart::Multipart;
use palisade_data_masking::body::stream::Stream;
use palisade_data_masking::body::{Body, ContentTypes, Format};
use palisade_data_masking::coding::Coding;
use palisade_data_masking::detectors;
use palisade_data_masking::masking::{Entry, MessageField, Numbers, OnInvalid, Options, Policy, Tally};
use palisade_data_masking::scan::{Scanner, Sought};
use palisade_sdk::{config, protobuf};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// A match of each detector, behind a word that says what it is where it takes one.
const MATCHES: [(&str, &str, &str); 39] = [
    ("credit_card", "", "4111 1111 1111 1111"),
    ("iban", "", "GB82 WEST 1234 5698 7654 32"),
    ("crypto_btc", "", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
    ("email", "", "o'brien+x@mail.example.com"),
    ("phone_e164", "", "+1 (415) 555-0123"),
    ("phone_national", "tel ", "(415) 555-0123"),
    ("ipv4", "", "192.0.2.1"),
    ("ipv6", "", "2001:db8::8:800:200c:417a"),
    ("mac", "", "00:00:5E:00:53:01"),
    ("url_userinfo", "https://", "user:pa55@localhost"),
    ("jwt", "", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ"),
    ("pem_private_key", "", "-----BEGIN PRIVATE KEY-----\\nMC4C\"{AQAw\\n-----END PRIVATE KEY-----"),
    ("aws_access_key", "", "AKIAIOSFODNN7EXAMPLE"),
    ("aws_secret_key", "secret key ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("github_token", "", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ("slack_token", "", "xapp-1-A-1-abcdefghijkl"),
    ("stripe_key", "", "whsec_abcdefghijklmnopqrstuvwxyz012345"),
    ("google_key", "", "ya29.abcdefghijklmnopqrst"),
    ("encrypted", "", "enc_k_abcdefghijklmnopqrstuvwxyz234567"),
    ("us_ssn", "", "536-90-4399"),
    ("ca_sin", "", "130 692 544"),
    ("br_cpf", "", "390.533.447-05"),
    ("br_cnpj", "", "12.ABC.345/01DE-35"),
    ("cn_resident_id", "", "11010519491231002X"),
    ("cn_mobile", "", "138-0013-8000"),
    ("in_aadhaar", "", "2341 2341 2346"),
    ("in_pan", "", "ACUPA7085R"),
    ("kr_rrn", "", "971013-9019902"),
    ("sg_fin", "", "S1234567D"),
    ("au_tfn", "tfn ", "123456782"),
    ("au_abn", "", "83 914 571 673"),
    ("za_id", "", "8001015009087"),
    ("tr_id", "tc kimlik ", "17291716060"),
    ("uk_nhs", "", "943 476 5870"),
    ("uk_nino", "", "AB 12 34 56 C"),
    ("es_nif", "", "54362315-K"),
    ("pl_pesel", "pesel ", "44051401359"),
    ("de_tax_id", "", "36 574 261 809"),
    ("fr_nir", "", "2 95 10 99 126 111 93"),
];

/// What is no match, or only the beginning of one.
const OTHERS: [&str; 16] = [
    "1",
    "4111",
    "4111 1111",
    "ssn",
    "a@b",
    "@",
    "://",
    "+1",
    "-----BEGIN PRIVATE",
    "eyJ",
    "xoxb-",
    "\u{e4}\u{20ac}",
    "\\",
    "\"",
    "*",
    "[email]",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    JsonLines,
    EventStream,
    Form,
    Text,
    Xml,
    Multipart,
    Grpc,
}

const KINDS: [Kind; 8] =
    [Kind::Json, Kind::JsonLines, Kind::EventStream, Kind::Form, Kind::Text, Kind::Xml, Kind::Multipart, Kind::Grpc];

impl Kind {
    fn body(self) -> Body {
        match self {
            Self::Json => Format::Json.into(),
            Self::JsonLines => Format::JsonLines.into(),
            Self::EventStream => Format::EventStream.into(),
            Self::Form => Format::Form.into(),
            Self::Text | Self::Xml => Format::Text.into(),
            Self::Multipart => Body::Multipart(Box::new(Multipart::new(b"B", ContentTypes::default(), false))),
            Self::Grpc => Body::Grpc(Grpc::new(false)),
        }
    }

    /// A body in which a text stands.
    fn holding(self, text: &str) -> Vec<u8> {
        let json = json!({"note": text, "list": [text, 4711, true]});
        match self {
            Self::Json => json.to_string().into(),
            Self::JsonLines => format!("{json}\n[]\n{json}\n").into(),
            Self::EventStream => format!("id: 1\ndata: {json}\n\ndata: - {text}\n\n").into(),
            Self::Form => {
                let mut form = b"note=".to_vec();
                Coding::Form.encode(text.as_bytes(), &mut form);
                [form, b"&list=1".to_vec()].concat()
            }
            Self::Text => text.into(),
            Self::Xml => format!("<note of='{text}'>{text}</note>").into(),
            Self::Multipart => format!(
                "--B\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{text}\r\n\
                 --B\r\nContent-Type: application/json\r\n\r\n{json}\r\n--B--\r\n"
            )
            .into(),
            Self::Grpc => {
                let mut message = Vec::new();
                protobuf::put_bytes(&mut message, 1, text.as_bytes());
                protobuf::put_number(&mut message, 2, 4711);
                [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat()
            }
        }
    }

    /// How a text is written in it.
    fn written(self, text: &str) -> Vec<Vec<u8>> {
        let mut written = vec![text.into()];
        let json = json!(text).to_string();
        written.push(json[1..json.len() - 1].into());
        let mut form = Vec::new();
        Coding::Form.encode(text.as_bytes(), &mut form);
        written.push(form);
        written
    }

    fn assert_well_formed(self, body: &[u8]) {
        let documents: Vec<&[u8]> = match self {
            Self::Json => vec![body],
            Self::JsonLines => body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect(),
            Self::EventStream => {
                let lines = body.split(|byte| *byte == b'\n');
                lines.filter_map(|line| line.strip_prefix(b"data: ")).filter(|data| data.starts_with(b"{")).collect()
            }
            _ => return,
        };
        for document in documents {
            serde_json::from_slice::<Value>(document).unwrap();
        }
    }
}

/// How many policies there are.
const POLICIES: usize = 8;

/// The policy that encrypts, and does not look for ciphertexts: who masks those masks its own.
const ENCRYPTING: usize = 7;

/// What is done to the matches of a detector.
fn action(policy: usize, detector: usize) -> Action {
    let key = "0123456789abcdef";
    let encrypt = json!({"encrypt": {"key_id": "k1", "key": key}});
    let actions = [
        json!({"mask": {}}),
        json!({"replace": "[gone]"}),
        json!({"mask": {"keep_last": 4}}),
        json!({"token": {"key": key, "prefix": "em_"}}),
        json!({"mask": {"char": "#", "keep_first": 1, "keep_separators": true}}),
        json!({"hash": {"key": key}}),
        json!("remove"),
    ];
    read(if policy == ENCRYPTING { &encrypt } else { &actions[(policy + detector) % actions.len()] })
}

struct Read(Action);

impl config::FromConfig for Read {
    fn from_config(node: config::Node<'_>) -> Option<Self> {
        Action::read(node).map(Self)
    }
}

fn read(action: &Value) -> Action {
    config::parse::<Read>(action.to_string().as_bytes()).unwrap().0
}

fn looks_for(policy: usize, name: &str) -> bool {
    policy != ENCRYPTING || name != "encrypted"
}

/// A policy of all detectors.
fn policy(number: usize) -> Policy {
    let entry = |name: &str, action| Entry { name: name.to_owned(), action };
    let names: Vec<_> = MATCHES.iter().map(|(name, ..)| *name).filter(|name| looks_for(number, name)).collect();
    let sought = |name: &&str| (Sought::BuiltIn(detectors::find(name).unwrap()), false);
    Policy {
        scanner: Scanner::new(names.iter().map(sought).collect()),
        detectors: names.iter().enumerate().map(|(index, name)| entry(name, action(number, index))).collect(),
        fields: Vec::new(),
        messages: vec![MessageField { path: vec![1], entry: entry("note", Action::Report) }],
        excluded: Vec::new(),
        keys: false,
    }
}

fn masked(policy: &Policy, max_hold: usize, kind: Kind, pieces: &[&[u8]]) -> Vec<u8> {
    let options = Options { on_invalid: Some(OnInvalid::Text), numbers: Numbers::String, max_hold, report_only: false };
    let mut stream = Stream::new(kind.body(), None, false, None);
    let mut out = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let is_last = number + 1 == pieces.len();
        let outcome = stream.piece(policy, &options, &mut Tally::default(), piece, is_last).unwrap();
        out.extend_from_slice(outcome.replaced.as_deref().unwrap_or(piece));
    }
    out
}

/// Holds a body that holds these matches to what is promised.
fn check(policy: &Policy, max_hold: usize, kind: Kind, body: &[u8], matches: &[&str]) -> Vec<u8> {
    let once = masked(policy, max_hold, kind, &[body]);
    let shown = || format!("{kind:?}: {} became {}", body.escape_ascii(), once.escape_ascii());
    for written in matches.iter().flat_map(|text| kind.written(text)) {
        assert!(!once.windows(written.len()).any(|part| part == written), "{}: {}", written.escape_ascii(), shown());
    }
    kind.assert_well_formed(&once);
    let twice = masked(policy, max_hold, kind, &[&once]);
    assert!(twice == once, "{}, then {}", shown(), twice.escape_ascii());
    once
}

#[test]
fn matches_of_all_detectors_are_masked_once_and_for_all_in_every_kind_of_body() {
    assert_eq!(detectors::all().len(), MATCHES.len());
    for number in 0..POLICIES {
        let policy = policy(number);
        for (name, before, text) in MATCHES.into_iter().filter(|(name, ..)| looks_for(number, name)) {
            for kind in KINDS {
                let body = kind.holding(&format!("a {before}{text}, b"));
                let masked = check(&policy, 8192, kind, &body, &[text]);
                assert!(masked != body, "{name} is not found in {kind:?}");
            }
        }
    }
}

#[test]
fn every_way_to_cut_a_body_once_or_twice_comes_to_the_same() {
    let policy = policy(0);
    for (number, (name, before, text)) in MATCHES.iter().enumerate() {
        for (place, kind) in KINDS.into_iter().enumerate() {
            let body = kind.holding(&format!("{before}{text}"));
            let whole = masked(&policy, 8192, kind, &[&body]);
            for first in 0..=body.len() {
                // In each kind every eighth detector, or it takes minutes.
                let seconds = if (number + place) % KINDS.len() == 0 { first..body.len() } else { 0..0 };
                for second in seconds.chain([body.len()]) {
                    let pieces = [&body[..first], &body[first..second], &body[second..]];
                    assert!(masked(&policy, 8192, kind, &pieces) == whole, "{name} in {kind:?}: {first}, {second}");
                }
            }
        }
    }
}

/// Texts, and which matches of which detectors are in them, set off by commas.
fn texts() -> impl Strategy<Value = (String, Vec<(&'static str, &'static str)>)> {
    let of_match =
        select(&MATCHES[..]).prop_map(|(name, before, text)| (format!("{before}{text}"), vec![(name, text)]));
    let other = prop_oneof![select(&OTHERS[..]).prop_map(str::to_owned), "[ -~]{1,12}"];
    let part = prop_oneof![of_match, other.prop_map(|text| (text, Vec::new()))];
    proptest::collection::vec(part, 1..8).prop_map(|parts| {
        let (texts, matches): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        (texts.join(", "), matches.concat())
    })
}

#[test]
fn bodies_of_matches_and_what_looks_like_them_hold_every_promise() {
    let policies: Vec<_> = (0..POLICIES).map(policy).collect();
    let body = (texts(), select(&KINDS[..]), 0..POLICIES, select(&[256, 8192][..]), any::<[prop::sample::Index; 2]>());
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 5_000, failure_persistence: None, ..Config::default() },
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&body, |((text, matches), kind, number, max_hold, cuts)| {
            let body = kind.holding(&text);
            let policy = &policies[number];
            let matches = matches.into_iter().filter(|(name, _)| looks_for(number, name));
            let matches: Vec<_> = matches.map(|(_, text)| text).collect();
            let whole = check(policy, max_hold, kind, &body, &matches);
            let mut cuts = cuts.map(|cut| cut.index(body.len() + 1));
            cuts.sort_unstable();
            let pieces = [&body[..cuts[0]], &body[cuts[0]..cuts[1]], &body[cuts[1]..]];
            prop_assert!(
                masked(policy, max_hold, kind, &pieces) == whole,
                "{kind:?} {cuts:?}: {}",
                body.escape_ascii()
            );
            Ok(())
        })
        .unwrap();
}
