//! Parameters of a header's value: `; name=value` and `; name="value"` (RFC 9110, section 5.6.6; RFC 2045, section 5.1).

use std::ops::Range;

/// The parameters behind the first `;`: their names in lower case, and where their values stand, without quotes.
pub(super) fn parameters(value: &[u8]) -> Vec<(Vec<u8>, Range<usize>)> {
    let mut parameters = Vec::new();
    let position = |from: usize, byte: u8| {
        let rest = value.get(from..)?;
        Some(from.saturating_add(rest.iter().position(|other| *other == byte)?))
    };
    let mut next = position(0, b';');
    while let Some(semicolon) = next {
        let from = semicolon.saturating_add(1);
        let Some(equals) = position(from, b'=') else { break };
        let name = value.get(from..equals).unwrap_or_default();
        // What stands before another semicolon is a parameter without a value.
        let name = name.rsplit(|byte| *byte == b';').next().unwrap_or(name).trim_ascii().to_ascii_lowercase();
        let start = equals.saturating_add(1);
        let blanks =
            value.get(start..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let start = start.saturating_add(blanks);
        let range = if value.get(start) == Some(&b'"') {
            let start = start.saturating_add(1);
            start..quoted_end(value, start)
        } else {
            start..position(start, b';').unwrap_or(value.len())
        };
        next = position(range.end, b';');
        parameters.push((name, range));
    }
    parameters
}

/// Where the quotes end that were opened before `from`: `\"` does not end them.
fn quoted_end(value: &[u8], from: usize) -> usize {
    let mut is_escaped = false;
    let ends = |byte: &u8| match (std::mem::take(&mut is_escaped), *byte) {
        (false, b'\\') => {
            is_escaped = true;
            false
        }
        (is_escaped, b'"') => !is_escaped,
        _ => false,
    };
    let len = value.get(from..).unwrap_or_default().iter().position(ends);
    len.map_or(value.len(), |len| from.saturating_add(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_with_quotes_and_without() {
        let value = br#"form-data; Name="a;b\"c" ;x; filename= y ;z="""#;
        let found: Vec<_> = parameters(value)
            .into_iter()
            .map(|(name, range)| {
                (String::from_utf8(name).unwrap(), String::from_utf8_lossy(&value[range]).into_owned())
            })
            .collect();
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("name", r#"a;b\"c"#), ("filename", "y "), ("z", "")]);
    }
}
