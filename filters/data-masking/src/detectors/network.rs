//! Addresses of machines, and credentials in URLs.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::byte_set::{ByteSet, DIGITS, HEX};
use super::text::{Found, Text, Unknown};
use super::traits::{AT, COLON, DOT, Needs};
use super::written::{Written, leading};
use super::{Boundary, Detector, Score, Shape, Words};

pub(super) const IPV4: Detector = Detector {
    name: "ipv4",
    starts: DIGITS,
    max_len: 20,
    needs: Needs { len: 7, digits: 4, kinds: DOT, is_number: true },
    leads: leading(1, 3),
    before: Boundary::NotDotted,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Other(ipv4),
};

pub(super) const IPV6: Detector = Detector {
    name: "ipv6",
    starts: HEX.or(ByteSet::of(b":")),
    max_len: 50,
    needs: Needs { len: 3, kinds: COLON, ..Needs::NOTHING },
    leads: u32::MAX,
    before: Boundary::NotAddress,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Other(ipv6),
};

pub(super) const MAC: Detector = Detector {
    name: "mac",
    starts: HEX,
    max_len: 20,
    needs: Needs { len: 14, ..Needs::NOTHING },
    leads: u32::MAX,
    before: Boundary::NotAddress,
    skip: 0,
    context: Words::NONE,
    shape: Shape::Written(Written {
        forms: &["HH:HH:HH:HH:HH:HH", "HH-HH-HH-HH-HH-HH", "HHHH.HHHH.HHHH"],
        check: |_| Some(Score::Shape),
        is_common: false,
    }),
};

/// User name and password before the host of a URL (RFC 3986, section 3.2.1), without the `://`.
pub(super) const URL_USERINFO: Detector = Detector {
    name: "url_userinfo",
    starts: ByteSet::of(b":"),
    max_len: LONGEST_USERINFO + 5,
    needs: Needs { len: 5, kinds: AT | COLON, ..Needs::NOTHING },
    leads: u32::MAX,
    before: Boundary::Any,
    skip: 3,
    context: Words::NONE,
    shape: Shape::Other(userinfo),
};

const LONGEST_USERINFO: usize = 1024;

fn ipv4(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    address(text, DIGITS.or(ByteSet::of(b".")), b'.', 17, is::<Ipv4Addr>)
}

fn ipv6(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    let found = address(text, HEX.or(ByteSet::of(b".:")), b':', 47, is::<Ipv6Addr>)?;
    Ok(found.filter(|found| found.len > 2))
}

/// An address that all the bytes from its alphabet make, but for a dot or colon at the end. None is without its mark.
fn address(
    text: Text<'_>,
    alphabet: ByteSet,
    mark: u8,
    limit: usize,
    is_address: fn(&[u8]) -> bool,
) -> Result<Option<Found>, Unknown> {
    let len = text.run(0, alphabet, limit)?;
    if len == limit || !text.ends_word(len)? {
        return Ok(None);
    }
    let whole = text.known(0, len);
    if !whole.contains(&mark) {
        return Ok(None);
    }
    let short = whole.strip_suffix(b".").or(whole.strip_suffix(b":")).unwrap_or(whole);
    let address = [whole, short].into_iter().find(|bytes| is_address(bytes));
    Ok(address.map(|address| Found::new(address.len(), Score::Shape)))
}

fn is<T: FromStr>(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<T>().is_ok())
}

/// Up to the last `@` before what ends the authority.
fn userinfo(text: Text<'_>) -> Result<Option<Found>, Unknown> {
    if !text.has(0, b"://")? {
        return Ok(None);
    }
    let mut end = None;
    let mut at = 3usize;
    while at < LONGEST_USERINFO {
        match text.byte(at)? {
            Some(b'@') => end = Some(at),
            None | Some(..=b' ' | b'/' | b'?' | b'#' | b'"' | b'<' | b'>' | b'\\' | b'`' | 0x7F) => break,
            Some(_) => {}
        }
        at = at.saturating_add(1);
    }
    Ok(end.filter(|end| *end > 3).map(|end| Found::new(end, Score::Shape)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_finds, assert_finds_nothing, matches};
    use super::*;

    /// Addresses for documentation: RFC 5737, RFC 3849, RFC 7042; forms of RFC 4291, section 2.2.
    #[test]
    fn addresses_are_found() {
        assert_finds("ipv4", Score::Shape, &["192.0.2.1", "198.51.100.255", "0.0.0.0", "255.255.255.255"]);
        assert_finds(
            "ipv6",
            Score::Shape,
            &[
                "2001:db8::1",
                "2001:0DB8:0000:0000:0008:0800:200C:417A",
                "2001:db8:0:0:8:800:200c:417a",
                "::1",
                "fe80::",
                "::ffff:192.0.2.1",
                "2001:db8::192.0.2.1",
            ],
        );
        assert_finds("mac", Score::Shape, &["00:00:5E:00:53:01", "00-00-5e-00-53-01", "0000.5e00.5301"]);
    }

    #[test]
    fn look_alikes_are_left_alone() {
        assert_finds_nothing(
            "ipv4",
            &[
                "192.0.2",
                "192.0.2.256",
                "192.0.2.1.5",
                "v192.0.2.1",
                "192.0.2.01",
                "1.2.3.4x",
                "1.2.3.4_",
                "1..2.3.4",
                "192,0,2,1",
            ],
        );
        assert_finds_nothing(
            "ipv6",
            &[
                "::",
                "12:30:45",
                "std::net",
                "a::before",
                "2001:db8::1::2",
                "1:2:3:4:5:6:7:8:9",
                "face",
                "2001:db8::g",
                "10:00",
                "::x",
            ],
        );
        assert_finds_nothing(
            "mac",
            &[
                "00:00:5E:00:53",
                "00:00:5E-00:53:01",
                "00005E005301",
                "00:00:5E:00:53:0g",
                "00:00:5E:00:53:012",
                "x00:00:5E:00:53:01",
            ],
        );
    }

    #[test]
    fn punctuation_behind_an_address_is_no_part_of_it() {
        assert_eq!(matches(&IPV4, b"from 192.0.2.1:443."), [(5, 14, Score::Shape)]);
        assert_eq!(matches(&IPV4, b"192.0.2.0/24"), [(0, 9, Score::Shape)]);
        assert_eq!(matches(&IPV6, b"[2001:db8::1]:443"), [(1, 12, Score::Shape)]);
        assert_eq!(matches(&IPV6, b"2001:db8::1: refused"), [(0, 11, Score::Shape)]);
        assert_eq!(matches(&IPV6, b"fe80::1%eth0"), [(0, 7, Score::Shape)]);
    }

    #[test]
    fn credentials_of_a_url_are_found_up_to_its_host() {
        let matched = |text: &str| {
            let found = matches(&URL_USERINFO, text.as_bytes());
            found.first().map(|(from, to, _)| text[from + URL_USERINFO.skip..*to].to_owned())
        };
        for (url, userinfo) in [
            ("https://user:pa55@example.com/a?b", "user:pa55"),
            ("postgres://app:p@ss:w0rd@db:5432/x", "app:p@ss:w0rd"),
            ("ftp://anonymous@example.com", "anonymous"),
            ("redis://:secret@cache:6379", ":secret"),
            ("https://ghp_x:x-oauth-basic@example.com", "ghp_x:x-oauth-basic"),
        ] {
            assert_eq!(matched(url).as_deref(), Some(userinfo), "{url}");
        }
        for url in [
            "https://example.com/@user",
            "https://example.com?a=b@c",
            "https://example.com#@",
            "://@x",
            "a: b@c",
            "https://a b@c",
        ] {
            assert_eq!(matched(url), None, "{url}");
        }
    }
}
