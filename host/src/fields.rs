//! Header and trailer fields in order, with the rules of Envoy's header map.

use std::fmt;

/// Fields in order: names in lower case, values as bytes, pseudo-headers first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Vec<u8>, Vec<u8>)>);

/// Fields of which Envoy keeps one line: what is added goes behind the value that is there.
const JOINED: [&[u8]; 35] = [
    b"accept",
    b"accept-encoding",
    b"access-control-allow-credentials",
    b"access-control-allow-headers",
    b"access-control-allow-methods",
    b"access-control-allow-origin",
    b"access-control-expose-headers",
    b"access-control-max-age",
    b"access-control-request-headers",
    b"access-control-request-method",
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"date",
    b"etag",
    b"expect",
    b"grpc-accept-encoding",
    b"grpc-message",
    b"grpc-status",
    b"grpc-timeout",
    b"keep-alive",
    b"location",
    b"origin",
    b"proxy-connection",
    b"referer",
    b"server",
    b"te",
    b"transfer-encoding",
    b"upgrade",
    b"user-agent",
    b"via",
    b"x-forwarded-for",
];

impl Fields {
    /// No fields.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a line, or to the one line of a field of which there is only one.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (own_name(name), value.as_ref());
        let is_joined = name.starts_with(b":") || JOINED.contains(&name.as_slice());
        if is_joined && let Some((_, present)) = self.0.iter_mut().find(|(own, _)| *own == name) {
            present.push(b',');
            present.extend_from_slice(value);
            return;
        }
        self.insert(name, value.to_vec());
    }

    /// Removes all lines of a name and adds one, behind all others.
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = own_name(name);
        self.0.retain(|(own, _)| *own != name);
        self.insert(name, value.as_ref().to_vec());
    }

    /// Removes all lines of a name.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = own_name(name);
        self.0.retain(|(own, _)| *own != name);
    }

    /// The value of the first line of a name.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = own_name(name);
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_slice())
    }

    /// The values of all lines of a name, in order.
    #[must_use]
    pub fn all(&self, name: impl AsRef<[u8]>) -> Vec<&[u8]> {
        let name = own_name(name);
        let lines = self.0.iter().filter(|(own, _)| *own == name);
        lines.map(|(_, value)| value.as_slice()).collect()
    }

    /// The value of the first line of a name as text; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<String> {
        self.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// The number of lines.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no line.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all names and values, which is what Envoy takes for a map's size.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.0.iter().fold(0, |size, (name, value)| size.saturating_add(name.len()).saturating_add(value.len()))
    }

    fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) {
        if name.starts_with(b":") {
            let end = self.0.iter().position(|(own, _)| !own.starts_with(b":")).unwrap_or(self.0.len());
            self.0.insert(end, (name, value));
        } else {
            self.0.push((name, value));
        }
    }
}

/// In lower case; `host` is another name of `:authority`.
fn own_name(name: impl AsRef<[u8]>) -> Vec<u8> {
    let name = name.as_ref().to_ascii_lowercase();
    if name == b"host" { b":authority".to_vec() } else { name }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Self {
        let mut fields = Self::new();
        for (name, value) in lines {
            fields.add(name, value);
        }
        fields
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        formatter.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_field_stands_behind_all_others() {
        let mut fields: Fields = [("a", "1"), ("b", "2"), ("A", "3")].into_iter().collect();
        fields.replace("a", "4");
        assert_eq!(fields, [("b", "2"), ("a", "4")].into_iter().collect());
    }

    #[test]
    fn lines_of_a_field_that_is_one_are_joined_and_others_stay_apart() {
        let lines = [("authorization", "a"), ("Authorization", "b"), ("tracestate", "c"), ("tracestate", "d")];
        let fields: Fields = lines.into_iter().collect();
        assert_eq!(fields.all("authorization"), [b"a,b"]);
        assert_eq!(fields.all("tracestate"), [b"c", b"d"]);
    }

    #[test]
    fn the_host_is_the_authority() {
        let mut fields: Fields = [(":authority", "a")].into_iter().collect();
        assert_eq!(fields.get("Host"), Some(&b"a"[..]));
        fields.replace("host", "b");
        assert_eq!(fields.get(":authority"), Some(&b"b"[..]));
    }

    #[test]
    fn pseudo_headers_stay_before_the_others() {
        let mut fields: Fields = [(":method", "GET"), ("a", "1")].into_iter().collect();
        fields.replace(":path", "/");
        assert_eq!(fields.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&b":method"[..], b":path", b"a"]);
    }

    #[test]
    fn the_size_is_that_of_names_and_values() {
        let fields: Fields = [("ab", "1"), ("c", "234")].into_iter().collect();
        assert_eq!(fields.byte_size(), 7);
    }
}
