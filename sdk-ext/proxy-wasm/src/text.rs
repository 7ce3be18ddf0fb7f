//! Text: what the `proxy-wasm` crate takes, of what are bytes for the host.

/// Header lines; `None` where a value is no text.
pub(crate) fn lines(lines: &[(String, Vec<u8>)]) -> Option<Vec<(&str, &str)>> {
    lines.iter().map(|(name, value)| Some((name.as_str(), str::from_utf8(value).ok()?))).collect()
}

/// An `envoy.config.core.v3.GrpcService` with the fields `envoy_grpc.cluster_name` and
/// `envoy_grpc.max_receive_message_length`; `None` where the cluster's name is too long for one that is text.
///
/// Envoy takes the cluster's name alone as well, but ends as a whole where its bytes happen to be such a message.
pub(crate) fn grpc_service(cluster: &str, max_message: usize) -> Option<String> {
    let limit = match length(max_message) {
        Some(length) => field('\u{22}', &format!("\u{8}{length}"))?,
        None => String::new(),
    };
    field('\n', &(field('\n', cluster)? + &limit))
}

/// A field of which the tag says that a length stands before its content. A length of more than seven bits is no text.
fn field(tag: char, content: &str) -> Option<String> {
    let length = u8::try_from(content.len()).ok().filter(u8::is_ascii)?;
    Some(format!("{tag}{}{content}", char::from(length)))
}

/// A length that is at least this one, and not much more, as a varint: seven bits a byte, the lowest first; the eighth says
/// that more follow. Its bytes are the characters U+0080 (C2 80) or U+1000 (E1 80 80) and the number of 16 KiB or 2 MiB.
/// `None` for more than 254 MiB.
fn length(at_least: usize) -> Option<String> {
    let units = |unit: usize| u8::try_from(at_least.div_ceil(unit)).ok().filter(u8::is_ascii).map(char::from);
    let small = units(1 << 14).map(|units| format!("\u{80}{units}"));
    small.or_else(|| units(1 << 21).map(|units| format!("\u{1000}{units}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_goes_through_the_crate() {
        let with = |value: &[u8]| vec![(":path".to_owned(), b"/".to_vec()), ("x-name".to_owned(), value.to_vec())];
        assert_eq!(lines(&with("é".as_bytes())), Some(vec![(":path", "/"), ("x-name", "é")]));
        assert_eq!(lines(&with(b"\xE9")), None);
    }

    #[test]
    fn a_service_names_its_cluster_and_the_longest_message() {
        let service = grpc_service("h2", 65536).unwrap();
        assert_eq!(service.as_bytes(), b"\x0A\x0A\x0A\x02h2\x22\x04\x08\xC2\x80\x04");
        assert_eq!(grpc_service("h2", usize::MAX).unwrap().as_bytes(), b"\x0A\x04\x0A\x02h2");
        assert!(grpc_service(&"x".repeat(110), 65536).is_some());
        assert_eq!(grpc_service(&"x".repeat(125), 65536), None);
        assert_eq!(grpc_service(&"x".repeat(1000), 65536), None);
    }

    #[test]
    fn a_length_is_at_least_what_is_asked_for_and_not_much_more() {
        for at_least in [0, 1, 1000, 16 << 10, 65536, 65537, (2 << 20) - 20_000, 2 << 20, 3 << 20, 254 << 20] {
            let length = length(at_least).unwrap();
            let bits = |number: usize, byte: u8| (number << 7) | usize::from(byte & 0x7F);
            let decoded = length.bytes().rev().fold(0, bits);
            assert!(
                length.bytes().rev().skip(1).all(|byte| byte >= 0x80) && length.ends_with(|last: char| last.is_ascii())
            );
            let most = at_least + if at_least < (2 << 20) - (16 << 10) { 17 << 10 } else { 3 << 20 };
            assert!((at_least..=most).contains(&decoded), "{at_least}: {decoded}");
        }
        assert_eq!(length(255 << 20), None);
    }
}
