//! Labels: the names that tell the members of a family apart, and how a value stands in a metric's name.

/// The names of a family's labels, made by [`labels!`](crate::labels).
#[derive(Clone, Copy, Debug)]
pub struct Labels<const N: usize>([&'static str; N]);

/// The labels of a family of metrics: `labels!["tier", "sampled"]`.
///
/// Each name is of `a` to `z`, `0` to `9` and `_`, begins with a letter, and is not one of Prometheus's own (`le`,
/// `quantile`); another does not compile:
///
/// ```compile_fail
/// palisade_sdk::labels!["Tier"];
/// ```
///
/// The names are left in the module's custom section `palisade.labels`, where `cargo palisade build` finds them.
#[macro_export]
macro_rules! labels {
    [$($name:literal),+ $(,)?] => {{
        const NAMES: &[u8] = concat!($($name, "\n"),+).as_bytes();
        #[used]
        #[cfg_attr(target_arch = "wasm32", unsafe(link_section = "palisade.labels"))]
        static DECLARED: [u8; NAMES.len()] = $crate::metrics::Labels::<0>::copy(NAMES);
        const { &$crate::metrics::Labels::new([$($name),+]) }
    }};
}

/// The longest value, in bytes.
const LONGEST: usize = 64;

impl<const N: usize> Labels<N> {
    #[doc(hidden)]
    #[must_use]
    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "at compile time")]
    pub const fn new(names: [&'static str; N]) -> Self {
        let mut label = 0;
        while label < N {
            let name = names[label].as_bytes();
            assert!(!matches!(name, b"le" | b"quantile"), "Prometheus gives this label itself");
            assert!(!name.is_empty() && name[0].is_ascii_lowercase(), "a label begins with a letter from a to z");
            let mut at = 0;
            while at < name.len() {
                assert!(
                    matches!(name[at], b'a'..=b'z' | b'0'..=b'9' | b'_'),
                    "a label consists of a to z, 0 to 9 and _"
                );
                at += 1;
            }
            label += 1;
        }
        Self(names)
    }

    #[doc(hidden)]
    #[must_use]
    #[expect(clippy::panic, reason = "at compile time")]
    pub const fn copy<const LEN: usize>(names: &[u8]) -> [u8; LEN] {
        match names.first_chunk() {
            Some(names) => *names,
            None => panic!("the array is longer than the names"),
        }
    }

    /// The name of a metric with these values.
    pub(crate) fn name(&self, metric: &[u8], values: [&str; N]) -> Vec<u8> {
        name(metric, &self.0, &values.map(str::as_bytes))
    }

    pub(super) const fn names(&self) -> &[&'static str] {
        &self.0
    }
}

/// The name of a metric with these values of its labels.
pub(super) fn name(metric: &[u8], labels: &[&str], values: &[&[u8]]) -> Vec<u8> {
    let mut name = metric.to_vec();
    for (label, value) in labels.iter().zip(values) {
        name.push(b';');
        name.extend(label.as_bytes());
        name.push(b'=');
        name.extend(plain(value));
    }
    name
}

/// A value as it stands in a name. Two values that are equal there are one series.
pub(super) fn plain(value: &[u8]) -> Vec<u8> {
    let plain_byte = |byte| if is_plain(byte) { byte } else { b'_' };
    let mut plain: Vec<_> = value.iter().take(LONGEST).copied().map(plain_byte).collect();
    // At the end of a name, Envoy would take `_rq_503` for a response code and make a label of its own of it.
    if let [.., b'_', b'r', b'q', before @ b'_', _, _, _] = plain.as_mut_slice() {
        *before = b'-';
    }
    plain
}

/// What a value may hold: neither `;` nor `=`, so that none ends its label early, and no `.`, at which Envoy and what it
/// reports to cut names into segments.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_stand_in_the_name() {
        let name = name(b"palisade.f.m", labels!["tier", "sampled"].names(), &[b"vip", b"true"]);
        assert_eq!(name, b"palisade.f.m;tier=vip;sampled=true");
    }

    #[test]
    fn an_empty_value_keeps_its_label() {
        assert_eq!(name(b"palisade.f.m", labels!["a", "b"].names(), &[b"", b""]), b"palisade.f.m;a=;b=");
    }

    #[test]
    fn a_long_value_is_cut_off() {
        let name = name(b"m", labels!["a"].names(), &[&[b'x'; 65]]);
        assert_eq!(name, format!("m;a={}", "x".repeat(64)).into_bytes());
    }

    #[test]
    fn a_value_is_no_response_code() {
        for (value, expected) in [("_rq_503", "_rq-503"), ("a.rq.5xx", "a_rq-5xx"), ("_rq_5030", "_rq_5030")] {
            assert_eq!(plain(value.as_bytes()), expected.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn values_come_out_of_the_name_as_they_went_in_but_for_their_alphabet(
            values: [Vec<u8>; 2],
            metric in "[a-z_]{1,8}",
        ) {
            let name = name(metric.as_bytes(), labels!["tier", "tie"].names(), &[&values[0], &values[1]]);
            let name = String::from_utf8(name).unwrap();
            let parts: Vec<_> = name.split(';').collect();
            let plain = values.map(|value| String::from_utf8(plain(&value)).unwrap());
            prop_assert_eq!(&parts, &[metric, format!("tier={}", plain[0]), format!("tie={}", plain[1])]);
            prop_assert!(plain.iter().all(|value| value.len() <= 64 && !value.contains(['.', '='])));
            prop_assert!(!name.contains(|char: char| char.is_control() || char.is_whitespace()));
        }

        #[test]
        fn a_plain_value_is_its_own_plain_value(value: Vec<u8>) {
            let once = plain(&value);
            prop_assert_eq!(plain(&once), once);
        }
    }
}
