//! What the actions make, and what their config must be.

use palisade_sdk::config::{FromFields, Object, parse};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::detectors::{all, detect, find};

struct Config(Action);

impl FromFields for Config {
    fn from_fields(object: &mut Object<'_>) -> Option<Self> {
        object.required("action").map(Self)
    }
}

fn read(action: &Value) -> Result<Action, String> {
    let config = json!({ "action": action }).to_string();
    parse::<Config>(config.as_bytes()).map(|config| config.0).map_err(|errors| errors.to_string())
}

fn applied(action: &Action, value: &str) -> String {
    let mut out = Vec::new();
    action.apply("iban", value.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

fn by(action: Value, value: &str) -> String {
    applied(&read(&action).unwrap(), value)
}

const KEY: &str = "0123456789abcdef";

#[test]
fn each_action_does_as_it_says() {
    let value = "DE89370400440532013000";
    assert_eq!(by(json!({"mask": {"keep_first": 4, "char": "#"}}), value), "DE89##################");
    assert_eq!(by(json!({"replace": "[{{type}}]"}), value), "[iban]");
    assert_eq!(by(json!("remove"), value), "");
    assert_eq!(by(json!("report"), value), value);
    assert_eq!(read(&json!({"block": {"status": 451}})).unwrap().blocks(), Some(451));
    assert_eq!(read(&json!({"block": {}})).unwrap().blocks(), Some(403));
}

/// `printf %s DE89370400440532013000 | openssl dgst -sha256 -hmac 0123456789abcdef`.
#[test]
fn a_hash_begins_as_the_hmac_does() {
    let hash = by(json!({"hash": {"alg": "hmac-sha256", "key": KEY, "len": 64}}), "DE89370400440532013000");
    assert_eq!(&hash[..69], "hash_6ddb6f39c161eec57b022602d8c7e0d10c2f26a8471d6e3e00e44dd988a0dd7f");
    assert_eq!(hash.len(), 5 + 64 + 8);
}

#[test]
fn pseudonyms_are_stable_and_depend_on_value_and_key() {
    for action in ["hash", "token"] {
        let made = |key: &str, value: &str| by(json!({action: {"key": key}}), value);
        let own = made(KEY, "a@b.example");
        assert_eq!(own, made(KEY, "a@b.example"));
        assert_ne!(own, made(KEY, "a@c.example"));
        assert_ne!(own, made("0123456789abcdeF", "a@b.example"));
    }
    assert!(by(json!({"token": {"key": KEY, "prefix": "em_"}}), "a@b.example").starts_with("em_"));
}

#[test]
fn fpe_keeps_separators_and_the_last_digits_and_finds_the_way_back() {
    let card = "4111-1111-1111-1111";
    let encrypt = json!({"fpe": {"key": KEY, "keep_last": 4, "luhn_fix": true}});
    let decrypt = json!({"fpe": {"key": KEY, "keep_last": 4, "luhn_fix": true, "direction": "decrypt"}});
    let secret = by(encrypt.clone(), card);
    assert_ne!(secret, card);
    assert!(secret.ends_with("-1111") && crate::detectors::luhn(secret.replace('-', "").as_bytes()), "{secret}");
    assert_eq!(by(decrypt.clone(), &secret), card);
    let other = "4111-1111-1111-1112";
    let secret = by(encrypt, other);
    assert!(!crate::detectors::luhn(secret.replace('-', "").as_bytes()));
    assert_eq!(by(decrypt, &secret), other);
}

#[test]
fn fpe_masks_what_it_cannot_encrypt() {
    for value in ["12345", "", "no digits", "1234567 x", "12-34-5", &"1".repeat(57)] {
        assert_eq!(by(json!({"fpe": {"key": KEY}}), value), "*".repeat(value.len()));
    }
    assert_eq!(by(json!({"fpe": {"key": KEY, "keep_last": 4}}), "123456789"), "*********");
    assert_eq!(by(json!({"fpe": {"key": KEY, "keep_last": 4}}), "123"), "***");
}

#[test]
fn what_is_encrypted_is_decrypted_under_the_key_of_its_name() {
    let [old, new] = ["k1", "k2"].map(|id| by(json!({"encrypt": {"key_id": id, "key": KEY}}), "John \u{e4}"));
    assert!(old.starts_with("enc_k1_") && new.starts_with("enc_k2_"));
    // As Python's `cryptography` encrypts under HMAC-SHA256 of "palisade aes-siv mac" and that of "palisade aes-siv ctr".
    assert_eq!(old, "enc_k1_56cic4rjkq4jwmys7hseuzvpcql32z3ribb4i");
    assert_ne!(old[7..], new[7..]);
    let keys = json!([{"key_id": "k1", "key": KEY}, {"key_id": "k2", "key": KEY}]);
    let decrypt = read(&json!({"decrypt": {"keys": keys}})).unwrap();
    assert_eq!(applied(&decrypt, &old), "John \u{e4}");
    assert_eq!(applied(&decrypt, &new), "John \u{e4}");
    for foreign in
        ["", "enc_k1_", "enc_k1_aaaa", &old.replace("k1", "k2"), &old.replace("k1", "k3"), &old[..old.len() - 1]]
    {
        assert_eq!(applied(&decrypt, foreign), *foreign);
    }
    let encrypt = json!({"encrypt": {"key_id": "k1", "key": KEY}});
    assert_eq!(by(encrypt.clone(), &"x".repeat(3000)), "[iban]");
    assert_eq!(applied(&decrypt, &by(encrypt, &"x".repeat(2500))), "x".repeat(2500));
}

#[test]
fn a_ciphertext_is_found_by_its_detector() {
    let detector = find("encrypted").unwrap();
    for len in [0, 1, 100, 2500] {
        let secret = by(json!({"encrypt": {"key_id": "k1", "key": KEY}}), &"x".repeat(len));
        let found = crate::detectors::Step::Match { len: secret.len(), score: crate::detectors::Score::Shape };
        assert_eq!(detector.scan(secret.as_bytes(), true), found);
    }
}

#[test]
fn bad_actions_are_refused_with_what_to_mend() {
    for (action, error) in [
        (json!("drop"), "action: expected \"remove\" or \"report\", found \"drop\""),
        (json!("mask"), "action: write it as an object, {mask: {...}}"),
        (json!(1), "action: expected \"remove\", \"report\" or an object such as {mask: {}}, found the number 1"),
        (
            json!({}),
            "action: expected exactly one of \"mask\", \"replace\", \"hash\", \"token\", \"fpe\", \"encrypt\", \"decrypt\" or \"block\", found none",
        ),
        (json!({"mask": {"keep_lst": 4}}), "action.mask.keep_lst: unknown field, did you mean \"keep_last\"?"),
        (
            json!({"mask": {"keep_last": 65}}),
            "action.mask.keep_last: expected an integer from 0 to 64, found the number 65",
        ),
        (json!({"hash": {"alg": "hmac-sha256"}}), "action.hash: missing field \"key\""),
        (json!({"hash": {"alg": "sha256", "key": KEY}}), "action.hash.alg: expected \"hmac-sha256\", found \"sha256\""),
        (
            json!({"hash": {"key": "short-secret"}}),
            "action.hash.key: a key must have at least 16 bytes; `openssl rand -hex 32` makes one",
        ),
        (
            json!({"token": {"key": KEY, "prefix": "em"}}),
            "action.token.prefix: expected a prefix such as \"em_\": a to z and 0 to 9, a letter first, 15 at most, and then a _",
        ),
        (
            json!({"token": {"key": KEY, "prefix": "whsec_"}}),
            "action.token.prefix: what stands in the place of a match looks like a match of stripe_key",
        ),
        (
            json!({"token": {"key": KEY, "prefix": "enc_"}}),
            "action.token.prefix: what stands in the place of a match looks like a match of encrypted",
        ),
        (
            json!({"replace": "x@masked.example"}),
            "action.replace: what stands in the place of a match looks like a match of email",
        ),
        (json!({"replace": "[{{typ}}]"}), "action.replace: the only placeholder is {{type}}"),
        (
            json!({"fpe": {"key": KEY, "radix": 36}}),
            "action.fpe.radix: expected an integer from 10 to 10, found the number 36",
        ),
        (
            json!({"encrypt": {"key": KEY, "key_id": "K 1"}}),
            "action.encrypt.key_id: expected the name of a key such as \"k1\": 1 to 16 of a to z and 0 to 9",
        ),
        (
            json!({"decrypt": {"keys": []}}),
            "action.decrypt.keys: expected a list with at least one item, found an empty list",
        ),
        (
            json!({"decrypt": {"keys": [{"key_id": "a", "key": KEY}, {"key_id": "a", "key": KEY}]}}),
            "action.decrypt.keys: two keys have the same key_id",
        ),
        (
            json!({"block": {"status": 200}}),
            "action.block.status: expected an integer from 400 to 599, found the number 200",
        ),
    ] {
        assert_eq!(read(&action).unwrap_err(), error);
    }
}

#[test]
fn keys_are_in_no_debug() {
    for action in [
        json!({"hash": {"key": KEY}}),
        json!({"token": {"key": KEY}}),
        json!({"fpe": {"key": KEY}}),
        json!({"encrypt": {"key": KEY, "key_id": "k1"}}),
        json!({"decrypt": {"keys": [{"key": KEY, "key_id": "k1"}]}}),
    ] {
        let debug = format!("{:?}", read(&action).unwrap());
        assert!(!debug.contains(KEY) && debug.contains(".."), "{debug}");
    }
}

/// Actions whose results no detector finds.
fn lasting() -> Vec<Action> {
    let actions = [
        json!({"mask": {}}),
        json!({"mask": {"char": "#", "keep_separators": true}}),
        json!({"replace": "[{{type}}]"}),
        json!({"hash": {"key": KEY}}),
        json!({"hash": {"key": KEY, "len": 16, "prefix": "a_"}}),
        json!({"token": {"key": KEY}}),
        json!({"encrypt": {"key": KEY, "key_id": "1"}}),
        json!("remove"),
    ];
    actions.iter().map(|action| read(action).unwrap()).collect()
}

proptest! {
    #[test]
    fn no_detector_finds_what_an_action_made(value in "[ -~]{0,24}|[0-9]{0,20}|[a-z0-9.]{1,9}@[a-z0-9]{1,9}\\.com") {
        for action in lasting() {
            let made = applied(&action, &value);
            let found = detect(made.as_bytes()).map(|detector| detector.name).filter(|name| *name != "encrypted");
            prop_assert_eq!(found, None, "{} {}", action.name(), made);
        }
    }

    #[test]
    fn what_an_action_made_stays_when_it_is_masked_again(value in any::<String>()) {
        for action in lasting() {
            let made = applied(&action, &value);
            prop_assert_eq!(applied(&action, &made), made);
        }
    }

    #[test]
    fn what_is_encrypted_can_be_decrypted(value in any::<String>()) {
        let decrypt = json!({"decrypt": {"keys": [{"key_id": "k1", "key": KEY}]}});
        prop_assert_eq!(by(decrypt, &by(json!({"encrypt": {"key_id": "k1", "key": KEY}}), &value)), value);
    }

    #[test]
    fn fpe_finds_the_way_back(value in "[0-9]{6,56}", keep_last in 0..5usize, luhn_fix in any::<bool>()) {
        let action = |direction: &str| json!({"fpe": {"key": KEY, "keep_last": keep_last, "luhn_fix": luhn_fix, "direction": direction}});
        let secret = by(action("encrypt"), &value);
        if secret.contains('*') {
            prop_assert!(value.len() - keep_last < 6);
        } else {
            prop_assert_eq!(by(action("decrypt"), &secret), value);
        }
    }
}

#[test]
fn names_of_detectors_are_found_by_none_in_brackets() {
    for detector in all() {
        assert!(detect(["[", detector.name, "]"].concat().as_bytes()).is_none());
    }
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_accepts_what_the_reader_does_and_refuses_wrong_shapes() {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<Action>();
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let key = json!({"env": "MASK_KEY"});
    let good = [
        json!("remove"),
        json!("report"),
        json!({"mask": {}}),
        json!({"mask": {"char": "#", "keep_first": 1, "keep_last": 64, "keep_separators": true}}),
        json!({"replace": "[{{type}}]"}),
        json!({"hash": {"alg": "hmac-sha256", "key": key, "len": 16, "prefix": "h1_"}}),
        json!({"token": {"key": key, "prefix": "em_"}}),
        json!({"fpe": {"alg": "ff1", "radix": 10, "key": key, "keep_last": 4, "luhn_fix": true, "direction": "decrypt"}}),
        json!({"encrypt": {"alg": "aes-siv", "key_id": "k1", "key": key}}),
        json!({"decrypt": {"alg": "aes-siv", "keys": [{"key_id": "k1", "key": key}]}}),
        json!({"block": {}}),
        json!({"block": {"status": 451}}),
    ];
    let bad = [
        json!("mask"),
        json!({}),
        json!({"mask": {}, "replace": ""}),
        json!({"mask": {"keep": 1}}),
        json!({"mask": {"char": "x"}}),
        json!({"mask": {"keep_first": -1}}),
        json!({"replace": 1}),
        json!({"hash": {"alg": "sha256", "key": key}}),
        json!({"hash": {"key": key, "len": 65}}),
        json!({"token": {"prefix": "em_"}}),
        json!({"token": {"key": key, "prefix": "EM_"}}),
        json!({"fpe": {"key": key, "keep_last": 13}}),
        json!({"encrypt": {"key": key}}),
        json!({"decrypt": {"keys": []}}),
        json!({"block": {"status": 302}}),
    ];
    for (actions, expected) in [(&good[..], true), (&bad[..], false)] {
        for action in actions {
            assert_eq!((read(action).is_ok(), validator.is_valid(action)), (expected, expected), "{action}");
        }
    }
}
