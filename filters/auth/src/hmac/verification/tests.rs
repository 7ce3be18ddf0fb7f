use base64ct::{Base64, Encoding as _};
use proptest::prelude::*;

use super::*;

const SECRET: &[u8] = b"a secret of thirty-two bytes ...";
const NOW: u64 = 1_700_000_000;

fn verifier() -> Verifier {
    let covered = ["@method", "@authority", "@path", "@query", "content-digest"].map(str::to_owned).to_vec();
    let key = |client: &str, secret| Key::new(client.to_owned(), covered.clone(), secret).unwrap();
    let keys = [("partner", key("partner", SECRET)), ("other", key("other", b"another secret, as long as that."))];
    Verifier {
        keys: keys.map(|(keyid, key)| (keyid.to_owned(), key)).into(),
        max_age: Duration::from_secs(300),
        clock_skew: Duration::from_secs(60),
    }
}

/// A request and how it is signed.
#[derive(Clone)]
struct Signed {
    path: &'static str,
    list: String,
    secret: &'static [u8],
    body: bool,
}

fn signed(parameters: &str) -> Signed {
    let list = format!("(\"@method\" \"@authority\" \"@path\" \"@query\"){parameters}");
    Signed { path: "/pay?to=alice", list, secret: SECRET, body: false }
}

const GOOD: &str = ";created=1700000000;keyid=\"partner\"";

fn with_headers(request: &Signed, input: &str, signature: &str) -> HeaderMap {
    HeaderMap::from_lines([
        (":method", &b"POST"[..]),
        (":scheme", b"https"),
        (":authority", b"api.example"),
        (":path", request.path.as_bytes()),
        ("content-digest", b"sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"),
        ("signature-input", input.as_bytes()),
        ("signature", signature.as_bytes()),
    ])
}

/// The signature of a list of components, in base64.
fn sign(request: &Signed) -> String {
    let members = dictionary(format!("s={}", request.list).as_bytes()).unwrap();
    let Some(Member::InnerList(components, parameters)) = find(&members, "s") else { panic!("{}", request.list) };
    let base = signature_base(components, parameters, &with_headers(request, "", "")).unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(request.secret).unwrap().chain_update(base);
    Base64::encode_string(&mac.finalize().into_bytes())
}

fn headers(request: &Signed) -> HeaderMap {
    with_headers(request, &format!("sig={}", request.list), &format!("sig=:{}:", sign(request)))
}

fn verdict(request: &Signed) -> Result<String, Failure> {
    verdict_at(request, NOW)
}

fn verdict_at(request: &Signed, now: u64) -> Result<String, Failure> {
    let verifier = verifier();
    let verified = verifier.verify(&headers(request), request.body, Duration::from_secs(now)).unwrap();
    verified.map(|verified| verified.client.to_owned())
}

fn failure(headers: &HeaderMap) -> Option<Failure> {
    verifier().verify(headers, false, Duration::from_secs(NOW)).unwrap().err()
}

/// RFC 9421, appendix B.2.5.
#[test]
fn the_signature_of_the_rfc_is_good() {
    let secret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    let covered = ["date", "@authority", "content-type"].map(str::to_owned).to_vec();
    let key = Key::new("rfc".to_owned(), covered, &Base64::decode_vec(secret).unwrap()).unwrap();
    let verifier = Verifier { keys: vec![("test-shared-secret".to_owned(), key)], ..verifier() };
    let lines = [
        (":method", &b"POST"[..]),
        (":scheme", b"https"),
        (":authority", b"example.com"),
        (":path", b"/foo?param=Value&Pet=dog"),
        ("date", b"Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", b"application/json"),
        ("content-length", b"18"),
        (
            "signature-input",
            b"sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"",
        ),
        ("signature", b"sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"),
    ];
    let now = Duration::from_secs(1_618_884_480);
    let verified = verifier.verify(&HeaderMap::from_lines(lines), true, now).unwrap().unwrap();
    assert_eq!((verified.client, verified.covers_digest, verified.until), ("rfc", false, 1_618_884_773));
    for place in 0..7 {
        let mut lines = lines;
        let changed = [lines[place].1, b"x"].concat();
        lines[place].1 = &changed;
        let outcome = verifier.verify(&HeaderMap::from_lines(lines), true, now).unwrap();
        let covered = ["date", ":authority", "content-type"].contains(&lines[place].0);
        assert_eq!(outcome.is_err(), covered, "{}", lines[place].0);
    }
}

#[test]
fn a_request_without_a_signature_has_none() {
    let headers = HeaderMap::from_lines([(":path", &b"/"[..]), ("authorization", b"Bearer x")]);
    assert!(verifier().verify(&headers, false, Duration::from_secs(NOW)).is_none());
}

#[test]
fn a_good_signature_names_the_client() {
    assert_eq!(verdict(&signed(GOOD)).as_deref(), Ok("partner"));
    assert_eq!(
        verdict(&signed(&format!("{GOOD};alg=\"hmac-sha256\";nonce=\"n\";tag=\"x\";more"))).as_deref(),
        Ok("partner")
    );
}

#[test]
fn another_key_or_algorithm_is_refused() {
    let other = Signed { secret: b"another secret, as long as that.", ..signed(GOOD) };
    assert_eq!(verdict(&other), Err(Failure::Mismatch));
    for algorithm in ["\"rsa-v1_5-sha256\"", "\"ed25519\"", "\"HMAC-SHA256\"", "\"hmac-sha512\"", "\"none\"", "\"\""] {
        assert_eq!(verdict(&signed(&format!("{GOOD};alg={algorithm}"))), Err(Failure::Algorithm), "{algorithm}");
    }
    assert_eq!(verdict(&signed(&format!("{GOOD};alg=hmac-sha256"))), Err(Failure::Malformed));
    for keyid in ["nobody", "", "Partner", "../partner"] {
        let request = signed(&format!(";created=1700000000;keyid=\"{keyid}\""));
        assert_eq!(verdict(&request), Err(Failure::UnknownKey), "{keyid}");
    }
}

#[test]
fn a_signature_counts_from_its_creation_for_its_age() {
    let request = signed(GOOD);
    assert_eq!(verdict_at(&request, NOW + 300).as_deref(), Ok("partner"));
    assert_eq!(verdict_at(&request, NOW + 301), Err(Failure::TooOld));
    assert_eq!(verdict_at(&request, NOW - 60).as_deref(), Ok("partner"));
    assert_eq!(verdict_at(&request, NOW - 61), Err(Failure::InFuture));
}

#[test]
fn a_signature_expires_when_it_says_so() {
    let request = signed(&format!("{GOOD};expires=1700000010"));
    assert_eq!(verdict_at(&request, NOW + 10).as_deref(), Ok("partner"));
    assert_eq!(verdict_at(&request, NOW + 11), Err(Failure::Expired));
    let longer = signed(&format!("{GOOD};expires=1800000000"));
    assert_eq!(verdict_at(&longer, NOW + 301), Err(Failure::TooOld));
}

/// Catches a memory that forgets what still counts, or keeps what does not.
#[test]
fn a_signature_is_to_be_remembered_as_long_as_it_counts() {
    let verifier = verifier();
    let until = |parameters: &str| {
        let headers = headers(&signed(parameters));
        verifier.verify(&headers, false, Duration::from_secs(NOW)).unwrap().unwrap().until
    };
    assert_eq!(until(GOOD), 1_700_000_300);
    assert_eq!(until(";created=1700000060;keyid=\"partner\""), 1_700_000_360);
    assert_eq!(until(&format!("{GOOD};expires=1700000010")), 1_700_000_010);
    assert_eq!(until(&format!("{GOOD};expires=1800000000")), 1_700_000_300);
}

#[test]
fn times_and_names_are_of_their_types() {
    for parameters in [
        ";keyid=\"partner\"",
        ";created=\"1700000000\";keyid=\"partner\"",
        ";created=1700000000.0;keyid=\"partner\"",
        ";created=-1;keyid=\"partner\"",
        ";created;keyid=\"partner\"",
        ";created=1700000000",
        ";created=1700000000;keyid=partner",
        ";created=1700000000;keyid=\"partner\";expires=\"1700000010\"",
        ";created=1700000000;keyid=\"partner\";expires=-1",
        ";created=1700000000;keyid=\"partner\";nonce=1",
        ";created=1700000000;keyid=\"partner\";nonce=:AAAA:",
    ] {
        assert_eq!(verdict(&signed(parameters)), Err(Failure::Malformed), "{parameters}");
    }
}

#[test]
fn what_has_to_be_covered_is_not_left_out() {
    let covering = |components: &str| Signed { list: format!("({components}){GOOD}"), ..signed("") };
    for components in [
        "",
        "\"@method\" \"@authority\" \"@path\"",
        "\"@authority\" \"@path\" \"@query\"",
        "\"@method\" \"@path\" \"@query\"",
        "\"@method\" \"@authority\" \"@query\"",
        "\"@method\" \"@authority\" \"@path\" \"@query-param\";name=\"to\"",
    ] {
        assert_eq!(verdict(&covering(components)), Err(Failure::NotCovered), "{components}");
    }
    assert!(verdict(&covering("\"@method\" \"@target-uri\"")).is_ok());
}

#[test]
fn a_query_and_a_body_have_to_be_covered_where_they_are() {
    let without = Signed { path: "/pay", list: format!("(\"@method\" \"@authority\" \"@path\"){GOOD}"), ..signed("") };
    assert!(verdict(&without).is_ok());
    assert_eq!(verdict(&Signed { path: "/pay?", ..without.clone() }), Err(Failure::NotCovered));
    assert_eq!(verdict(&Signed { body: true, ..without.clone() }), Err(Failure::NotCovered));
    let list = format!("(\"@method\" \"@authority\" \"@path\" \"content-digest\"){GOOD}");
    let digested = Signed { list, body: true, ..without };
    assert!(verdict(&digested).is_ok());
    let verifier = verifier();
    let covers_digest = |request: &Signed| {
        verifier.verify(&headers(request), request.body, Duration::from_secs(NOW)).unwrap().unwrap().covers_digest
    };
    assert!(covers_digest(&digested));
    assert!(!covers_digest(&signed(GOOD)));
}

#[test]
fn what_is_covered_and_missing_or_not_understood_is_refused() {
    let request = |component: &str| {
        let list = format!("(\"@method\" \"@target-uri\" {component}){GOOD}");
        with_headers(&signed(""), &format!("sig={list}"), &format!("sig=:{}:", Base64::encode_string(&[0; 32])))
    };
    let verdict = |component| failure(&request(component));
    assert_eq!(verdict("\"x-none\""), Some(Failure::MissingComponent));
    assert_eq!(verdict("\"@status\""), Some(Failure::UnsupportedComponent));
    assert_eq!(verdict("\"@method\""), Some(Failure::UnsupportedComponent));
    assert_eq!(verdict("\"content-digest\""), Some(Failure::Mismatch));
}

#[test]
fn one_signature_by_a_known_key_suffices_and_more_are_refused() {
    let request = signed(GOOD);
    let (list, good) = (&request.list, sign(&request));
    let foreign = "(\"@authority\");created=1;keyid=\"bot\";alg=\"ed25519\";tag=\"web-bot-auth\"";
    let other = list.replace("partner", "other");
    let outcome = |input: String, signature: String| {
        let verifier = verifier();
        let headers = with_headers(&request, &input, &signature);
        verifier.verify(&headers, false, Duration::from_secs(NOW)).unwrap().map(|verified| verified.client.to_owned())
    };
    let beside = outcome(format!("bot={foreign}, a={list}"), format!("bot=:AAAA:, a=:{good}:"));
    assert_eq!(beside.as_deref(), Ok("partner"));
    assert_eq!(outcome(format!("bot={foreign}"), "bot=:AAAA:".to_owned()), Err(Failure::UnknownKey));
    assert_eq!(outcome(format!("a={list}"), format!("b=:{good}:")), Err(Failure::Malformed), "labels differ");
    for second in [list, &other] {
        for signatures in [format!("a=:{good}:, b=:{good}:"), format!("a=:{good}:"), format!("b=:AAAA:, a=:{good}:")] {
            let several = outcome(format!("a={list}, b={second}"), signatures.clone());
            assert_eq!(several, Err(Failure::Multiple), "{second} {signatures}");
        }
    }
}

#[test]
fn what_is_no_signature_is_refused() {
    let request = signed(GOOD);
    let (list, good) = (&request.list, sign(&request));
    for (input, signature) in [
        ("", ""),
        ("sig", "sig"),
        (list.as_str(), good.as_str()),
        (&format!("sig={list}, sig={list}"), &format!("sig=:{good}:")),
        (&format!("sig={list}"), &format!("sig=:{good}:, sig=:{good}:")),
        (&format!("sig={list}"), &format!("sig=\"{good}\"")),
        (&format!("sig={list}"), &format!("sig=(:{good}:)")),
        (&format!("sig={list}"), ""),
        (&format!("sig=\"{GOOD}\""), &format!("sig=:{good}:")),
        (&format!("sig={list}{}", " ".repeat(LONGEST)), &format!("sig=:{good}:")),
    ] {
        let headers = with_headers(&request, input, signature);
        assert_eq!(failure(&headers), Some(Failure::Malformed), "{input} {signature}");
    }
    for signature in ["::", ":AAAA:"] {
        let headers = with_headers(&request, &format!("sig={list}"), &format!("sig={signature}"));
        assert_eq!(failure(&headers), Some(Failure::Mismatch), "{signature}");
    }
    for name in ["signature", "signature-input"] {
        let alone = HeaderMap::from_lines([(name, &b"sig=:AAAA:"[..])]);
        assert_eq!(failure(&alone), Some(Failure::Malformed), "{name}");
    }
}

#[test]
fn a_stamp_is_the_clients_nonce_or_its_signature() {
    let verifier = verifier();
    let stamp =
        |request: &Signed| verifier.verify(&headers(request), false, Duration::from_secs(NOW)).unwrap().unwrap().stamp;
    let nonce = |nonce: &str| signed(&format!("{GOOD};nonce=\"{nonce}\""));
    assert_eq!(stamp(&nonce("a")), stamp(&Signed { path: "/other?x", ..nonce("a") }));
    assert_ne!(stamp(&nonce("a")), stamp(&nonce("b")));
    assert_eq!(stamp(&signed(GOOD)), stamp(&signed(GOOD)));
    assert_ne!(stamp(&signed(GOOD)), stamp(&Signed { path: "/other?x", ..signed(GOOD) }));
    assert_ne!(super::stamp("a", Some("n"), b""), super::stamp("b", Some("n"), b""), "nonces of two clients");
    assert_ne!(super::stamp("a", Some("b"), b""), super::stamp("ab", Some(""), b""));
    assert_ne!(super::stamp("a", Some("b"), b""), super::stamp("a", None, b"b"));
}

proptest! {
    #[test]
    fn arbitrary_fields_are_never_a_good_signature(input in "\\PC{0,80}", signature in "\\PC{0,80}") {
        let headers = with_headers(&signed(""), &input, &signature);
        prop_assert!(matches!(verifier().verify(&headers, false, Duration::from_secs(NOW)), Some(Err(_))));
    }

    /// Catches a part of the request that is left out of what is signed.
    #[test]
    fn a_change_to_any_byte_is_found(place in any::<prop::sample::Index>(), bit in 0..8_u8, field in 0..4_usize) {
        let request = signed(GOOD);
        let map = headers(&request);
        let name = [":method", ":authority", ":path", "signature"][field];
        let mut lines: Vec<(String, Vec<u8>)> = map
            .iter()
            .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), value.to_vec()))
            .collect();
        let value = &mut lines.iter_mut().find(|(own, _)| own == name).unwrap().1;
        let place = place.index(value.len());
        value[place] ^= 1 << bit;
        // An authority is compared without case.
        prop_assume!(!(name == ":authority" && bit == 5));
        let changed = HeaderMap::from_lines(lines.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        prop_assert!(failure(&changed).is_some(), "{name} {place} {bit}");
    }
}
