//! Strings of JSON, which the module looks over in blocks of sixteen bytes.

use palisade_testbed::Answer;
use serde_json::json;

use crate::mesh::{Mesh, Version};

/// One for every mark by which a string is known to hold nothing, and for the digits.
const MATCHES: [(&str, &str); 8] = [
    ("email", "a@b.example"),
    ("phone_e164", "+14155550123"),
    ("us_ssn", "536-90-4399"),
    ("ipv6", "2001:db8::1"),
    ("mac", "00:00:5E:00:53:01"),
    ("ipv4", "192.0.2.1"),
    ("github_token", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ("credit_card", "4111111111111111"),
];

#[test]
fn a_match_is_found_wherever_in_a_block_it_stands() {
    let detectors = MATCHES.map(|(name, _)| json!({"type": name, "action": {"replace": "[{{type}}]"}}));
    let mesh = Mesh::start(&json!({"rules": [{"direction": ["response"], "detectors": detectors}]}), Version::Http1);
    let (mut strings, mut expected) = (Vec::new(), Vec::new());
    for (name, text) in MATCHES {
        for before in 0..=32 {
            // Nothing special, one character that is written as an escape, and one of more than one byte.
            for first in ["", "\"", "\\", "\n", "\u{e9}"] {
                for behind in [0, 1, 15, 16, 17] {
                    let (before, behind) = ("z".repeat(before), " z".repeat(behind));
                    strings.push(format!("{first}{before} {text}{behind}"));
                    expected.push(format!("{first}{before} [{name}]{behind}"));
                }
            }
        }
    }
    let answer = Answer::default().header("content-type", "application/json").body(json!(strings).to_string());
    let response = mesh.get(Version::Http1, answer).unwrap();
    let masked: Vec<String> = serde_json::from_slice(&response.body).unwrap();
    let differing: Vec<_> = expected.iter().zip(&masked).filter(|(expected, masked)| expected != masked).collect();
    assert!(differing.is_empty() && masked.len() == expected.len(), "{:?}", differing.first());
}
