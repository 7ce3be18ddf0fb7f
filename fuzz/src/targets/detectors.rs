//! Texts in which detectors of personal data and secrets look for matches.

use palisade_data_masking::detectors::{Step, all};

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "detectors",
    words: &[
        "4111 1111 1111 1111",
        "GB82 WEST 1234 5698 7654 32",
        "@",
        ".example",
        "+1",
        "://",
        "eyJhbGciOiJub25lIn0",
        ".",
        "-----BEGIN ",
        "PRIVATE KEY",
        "-----",
        "-----END ",
        "AKIA",
        "ghp_",
        "xoxb-",
        "sk_live_",
        "AIza",
        "enc_k1_",
        "bc1q",
        "::",
        ":",
        "-",
        " ",
        "_",
        "'",
        "19900307",
        "000",
        "9",
        "A",
    ],
    run,
};

/// Holds that each detector decides when nothing follows, and that it never takes back what it has decided earlier. The first
/// byte says how much is known then.
pub fn run(data: &[u8]) {
    let Some((cut, text)) = data.split_first() else { return };
    let Some(first) = text.first() else { return };
    let known = text.get(..usize::from(*cut) % text.len()).unwrap_or_default();
    for detector in all().iter().filter(|detector| detector.starts.has(*first)) {
        let name = detector.name;
        let whole = detector.scan(text, true);
        match whole {
            Step::Match { len, .. } => assert!((detector.skip + 1..=text.len()).contains(&len), "{name}"),
            Step::Begun { len } => assert!(len <= text.len(), "{name}"),
            Step::No => {}
            Step::Open => panic!("{name} is open at the end"),
        }
        for (text, at_end) in [(known, false), (text, false)] {
            let step = detector.scan(text, at_end);
            assert!(step == Step::Open || step == whole, "{name} says {step:?} and {whole:?}");
        }
        assert!(detector.scan(text, false) != Step::Open || text.len() < detector.max_len, "{name} is open on and on");
    }
}
