//! Components: the parts of a request that a signature covers (RFC 9421, section 2), and the signature base that they
//! make.

use std::borrow::Cow;

use palisade_sdk::HeaderMap;
use palisade_sdk::matching::Field;

use super::structured::{Bare, Dictionary, Item, Parameters, dictionary, find, write_bytes, write_inner_list};

/// Why a component has no value that could be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsignable {
    /// The request does not have it, or has it more than once where one is meant.
    Missing,
    /// It is none that a request's verifier here understands.
    Unsupported,
}

/// The string that was signed (RFC 9421, section 2.5): a line for each component, and one for the parameters.
///
/// # Errors
///
/// A component occurs twice or has no value.
pub fn signature_base(
    components: &[Item],
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Vec<u8>, Unsignable> {
    let mut base = Vec::with_capacity(512);
    for (place, component) in components.iter().enumerate() {
        if components.iter().take(place).any(|earlier| earlier == component) {
            return Err(Unsignable::Unsupported);
        }
        let value = value(component, headers)?;
        // What is no printable ASCII could be a line of its own, or is read differently by others.
        if !value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Err(Unsignable::Unsupported);
        }
        component.write(&mut base);
        base.extend_from_slice(b": ");
        base.extend_from_slice(&value);
        base.push(b'\n');
    }
    base.extend_from_slice(br#""@signature-params": "#);
    write_inner_list(components, parameters, &mut base);
    Ok(base)
}

/// Whether the components cover one that is required, by itself or as part of another.
#[must_use]
pub fn covers(components: &[Item], required: &str) -> bool {
    let wider: &[&str] = match required {
        "@path" | "@query" => &["@request-target", "@target-uri"],
        "@authority" | "@scheme" | "@request-target" => &["@target-uri"],
        _ => &[],
    };
    components.iter().any(|component| match &component.bare {
        Bare::String(name) if name == required => {
            // Bytes in base64 are the whole field, a key is a part of it.
            component.parameters.is_empty() || component.parameters == [("bs".to_owned(), Bare::Boolean(true))]
        }
        Bare::String(name) => component.parameters.is_empty() && wider.contains(&name.as_str()),
        _ => false,
    })
}

/// Whether a signature can cover it: what a config may ask for.
#[must_use]
pub fn is_supported(name: &str) -> bool {
    match name.strip_prefix('@') {
        Some(derived) => {
            matches!(derived, "method" | "target-uri" | "authority" | "scheme" | "request-target" | "path" | "query")
        }
        None => is_field_name(name),
    }
}

/// The value of a component.
fn value<'a>(component: &Item, headers: &'a HeaderMap) -> Result<Cow<'a, [u8]>, Unsignable> {
    let Bare::String(name) = &component.bare else { return Err(Unsignable::Unsupported) };
    match (name.as_str(), component.parameters.as_slice()) {
        ("@method", []) => one(headers, ":method").map(Cow::Borrowed),
        ("@scheme", []) => one(headers, ":scheme").map(|scheme| scheme.to_ascii_lowercase().into()),
        ("@authority", []) => authority(headers).map(Cow::Owned),
        ("@request-target", []) => one(headers, ":path").map(Cow::Borrowed),
        ("@target-uri", []) => {
            let scheme = one(headers, ":scheme")?.to_ascii_lowercase();
            Ok([&scheme, b"://".as_slice(), &authority(headers)?, one(headers, ":path")?].concat().into())
        }
        ("@path", []) => {
            let (path, _) = target(headers)?;
            Ok(Cow::Borrowed(if path.is_empty() { b"/" } else { path }))
        }
        ("@query", []) => {
            let (_, query) = target(headers)?;
            Ok([b"?", query.unwrap_or_default()].concat().into())
        }
        ("@query-param", [(key, Bare::String(name))]) if key == "name" => {
            let (_, query) = target(headers)?;
            query_parameter(query.unwrap_or_default(), name.as_bytes()).map(Cow::Owned)
        }
        (name, parameters) if is_field_name(name) => match parameters {
            [] => field(headers, name).map(Cow::Owned),
            [(key, Bare::Boolean(true))] if key == "bs" => encoded(headers, name).map(Cow::Owned),
            [(key, Bare::String(member))] if key == "key" => {
                let members = dictionary(&field(headers, name)?).ok_or(Unsignable::Unsupported)?;
                written(&members, member).map(Cow::Owned)
            }
            _ => Err(Unsignable::Unsupported),
        },
        _ => Err(Unsignable::Unsupported),
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a [u8], Unsignable> {
    match headers.field(name) {
        Field::One(value) => Ok(value),
        Field::Absent | Field::Many => Err(Unsignable::Missing),
    }
}

/// Path and query of the request's target; no query is another than an empty one.
fn target(headers: &HeaderMap) -> Result<(&[u8], Option<&[u8]>), Unsignable> {
    let target = one(headers, ":path")?;
    let mut parts = target.splitn(2, |byte| *byte == b'?');
    Ok((parts.next().unwrap_or_default(), parts.next()))
}

/// In lower case, and without the scheme's own port (RFC 9421, section 2.2.3).
fn authority(headers: &HeaderMap) -> Result<Vec<u8>, Unsignable> {
    let authority = one(headers, ":authority")?.to_ascii_lowercase();
    let port: &[u8] = match one(headers, ":scheme") {
        Ok(scheme) if scheme.eq_ignore_ascii_case(b"https") => b":443",
        Ok(scheme) if scheme.eq_ignore_ascii_case(b"http") => b":80",
        _ => b"",
    };
    Ok(authority.strip_suffix(port).unwrap_or(&authority).to_vec())
}

/// All lines of a field, each without the white space around it (RFC 9421, section 2.1).
fn field(headers: &HeaderMap, name: &str) -> Result<Vec<u8>, Unsignable> {
    joined(headers, name, |line, value| value.extend_from_slice(line))
}

/// The same as byte sequences (RFC 9421, section 2.1.3).
fn encoded(headers: &HeaderMap, name: &str) -> Result<Vec<u8>, Unsignable> {
    joined(headers, name, write_bytes)
}

fn joined(headers: &HeaderMap, name: &str, write: impl Fn(&[u8], &mut Vec<u8>)) -> Result<Vec<u8>, Unsignable> {
    let mut value: Option<Vec<u8>> = None;
    for line in headers.all(name) {
        let value = match &mut value {
            Some(value) => {
                value.extend_from_slice(b", ");
                value
            }
            None => value.insert(Vec::new()),
        };
        write(line.trim_ascii(), value);
    }
    value.ok_or(Unsignable::Missing)
}

/// A member of a dictionary (RFC 9421, section 2.1.2).
fn written(members: &Dictionary, key: &str) -> Result<Vec<u8>, Unsignable> {
    let mut value = Vec::new();
    find(members, key).ok_or(Unsignable::Missing)?.write(&mut value);
    Ok(value)
}

/// The value of the one query parameter of a name, decoded and encoded again (RFC 9421, section 2.2.8).
fn query_parameter(query: &[u8], name: &[u8]) -> Result<Vec<u8>, Unsignable> {
    let mut values = query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let own = reencoded(parts.next().unwrap_or_default());
        (own == name).then(|| reencoded(parts.next().unwrap_or_default()))
    });
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Unsignable::Missing),
    }
}

/// Decoded as a form is, and encoded with the percent-encode set of forms, a blank as `%20`.
fn reencoded(mut bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        let (byte, rest) = match (first, rest) {
            (b'+', _) => (b' ', rest),
            (b'%', [high, low, behind @ ..]) => match byte_of(*high, *low) {
                Some(byte) => (byte, behind),
                None => (b'%', rest),
            },
            _ => (*first, rest),
        };
        bytes = rest;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_') {
            encoded.push(byte);
        } else {
            encoded.extend_from_slice(&percent(byte));
        }
    }
    encoded
}

fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

fn percent(byte: u8) -> [u8; 3] {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).map_or(b'0', |digit| digit.to_ascii_uppercase() as u8);
    [b'%', digit(byte >> 4), digit(byte & 0xF)]
}

/// A field's name in lower case (RFC 9421, section 2.1).
fn is_field_name(name: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_valid)
}

#[cfg(test)]
mod tests;
