//! A module without its custom sections: names, producers and target features cost start time and serve no request.

use anyhow::{Context, Result};
use wasmparser::BinaryReader;

const HEADER: usize = 8;
const CUSTOM: u8 = 0;

/// The module without its custom sections; everything else keeps its bytes.
///
/// # Errors
///
/// If the bytes are no WebAssembly module.
pub fn strip(module: &[u8]) -> Result<Vec<u8>> {
    let mut reader = BinaryReader::new(module, 0);
    let mut stripped = reader.read_bytes(HEADER)?.to_vec();
    while !reader.eof() {
        let section = reader.current_position();
        let id = reader.read_u8()?;
        let length = usize::try_from(reader.read_var_u32()?)?;
        reader.read_bytes(length)?;
        let end = reader.current_position();
        if id != CUSTOM {
            stripped.extend(module.get(section..end).context("a section ends before it begins")?);
        }
    }
    Ok(stripped)
}

#[cfg(test)]
mod tests {
    use wasmparser::{Parser, Payload};

    use super::*;

    #[test]
    fn custom_sections_go_wherever_they_stand_and_the_rest_stays() {
        let bare = wat::parse_str(r#"(module (memory 1) (func (export "run")))"#).unwrap();
        let with_sections = wat::parse_str(
            r#"(module $named (@custom "producers" (before first) "rustc")
                 (memory 1) (func $f (export "run")) (@custom "target_features" "x"))"#,
        )
        .unwrap();
        assert!(custom_sections(&with_sections) >= 3);
        assert_eq!(strip(&with_sections).unwrap(), strip(&bare).unwrap());
        assert_eq!(custom_sections(&strip(&with_sections).unwrap()), 0);
    }

    #[test]
    fn a_truncated_module_is_an_error() {
        let module = wat::parse_str(r#"(module (memory 1) (func (export "run")))"#).unwrap();
        assert!(strip(&module[..module.len() - 1]).is_err());
    }

    fn custom_sections(module: &[u8]) -> usize {
        let payloads = Parser::new(0).parse_all(module).map(Result::unwrap);
        payloads.filter(|payload| matches!(payload, Payload::CustomSection(_))).count()
    }
}
