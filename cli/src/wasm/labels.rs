//! The names of the labels that a module's metrics have, from the custom section in which the SDK leaves them.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use wasmparser::{Parser, Payload};

const SECTION: &str = "palisade.labels";

/// The names, each on a line of the section.
///
/// # Errors
///
/// If the bytes are no WebAssembly module, or a name is one that the SDK would not take.
pub fn labels(module: &[u8]) -> Result<BTreeSet<String>> {
    let mut labels = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CustomSection(section) = payload.context("it is no WebAssembly module")? else { continue };
        if section.name() == SECTION {
            let names = str::from_utf8(section.data()).context("its labels are no text")?;
            labels.extend(names.lines().map(ToString::to_string));
        }
    }
    for label in &labels {
        let is_name = label.starts_with(|first: char| first.is_ascii_lowercase())
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        ensure!(is_name, "its label {label:?} is not of a-z, 0-9 and _, or does not begin with a letter");
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_lines_of_their_sections() {
        let module = r#"(module (@custom "palisade.labels" "tier\0asampled\0a") (memory 1)
            (@custom "other" "none\0a") (@custom "palisade.labels" "tier\0aconfig\0a"))"#;
        let found = labels(&wat::parse_str(module).unwrap()).unwrap();
        assert_eq!(found, BTreeSet::from(["config", "sampled", "tier"].map(String::from)));
        assert!(labels(&wat::parse_str("(module)").unwrap()).unwrap().is_empty());
    }

    #[test]
    fn a_label_that_is_no_name_is_refused() {
        for label in ["", "Tier", "1st", "a.b", "a)(b", "a'b", "\\ff"] {
            let module = format!(r#"(module (@custom "palisade.labels" "{label}\0a"))"#);
            assert!(labels(&wat::parse_str(&module).unwrap()).is_err(), "{label}");
        }
    }
}
