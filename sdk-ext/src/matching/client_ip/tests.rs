use proptest::prelude::*;

use super::*;
use crate::config;
use crate::matching::fake::Request;

const PEER: &str = "10.0.0.9:4711";

fn settings(json: &str) -> ClientIp {
    config::parse(json.as_bytes()).unwrap()
}

fn client(settings: &str, peer: &str, forwarded: &str) -> String {
    let request = Request::get("/").property("source.address", peer).header("x-forwarded-for", forwarded);
    match self::settings(settings).resolve(&request).unwrap() {
        Field::Absent => "absent".to_owned(),
        Field::One(address) => address.to_string(),
        Field::Many => "many".to_owned(),
    }
}

fn cidr(text: &str) -> Cidr {
    Cidr::parse(text).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn by_default_the_client_is_the_peer() {
    assert_eq!(client("{}", PEER, "1.2.3.4"), "10.0.0.9");
    assert_eq!(client("{}", "[2001:db8::1]:80", "1.2.3.4"), "2001:db8::1");
    assert_eq!(client("{}", "[::ffff:10.0.0.9]:80", "1.2.3.4"), "10.0.0.9");
    assert_eq!(client("{}", "/run/envoy.sock", "1.2.3.4"), "absent");
}

#[test]
fn trusted_hops_are_counted_from_the_right_end() {
    assert_eq!(client(r#"{"trusted_hops": 1}"#, PEER, "6.6.6.6, 1.2.3.4"), "1.2.3.4");
    assert_eq!(client(r#"{"trusted_hops": 2}"#, PEER, "6.6.6.6, 1.2.3.4,10.0.0.8"), "1.2.3.4");
    assert_eq!(client(r#"{"trusted_hops": 1}"#, PEER, "[2001:db8::1]:99"), "2001:db8::1");
}

#[test]
fn the_peer_that_envoy_itself_appended_is_not_counted() {
    assert_eq!(client(r#"{"trusted_hops": 1}"#, PEER, "6.6.6.6, 1.2.3.4, 10.0.0.9"), "1.2.3.4");
    assert_eq!(client(r#"{"trusted_cidrs": ["10.0.0.0/8"]}"#, PEER, "1.2.3.4, 10.0.0.9"), "1.2.3.4");
}

#[test]
fn too_few_or_broken_hops_leave_the_peer() {
    for forwarded in ["", "1.2.3.4", "1.2.3.4, unknown", "nonsense, 1.2.3.4", ",1.2.3.4", "1.2.3.4,"] {
        assert_eq!(client(r#"{"trusted_hops": 2}"#, PEER, forwarded), "10.0.0.9", "{forwarded:?}");
    }
}

#[test]
fn the_first_address_that_is_no_trusted_proxy_is_the_client() {
    let trusted = r#"{"trusted_cidrs": ["10.0.0.0/8", "2001:db8::/32"]}"#;
    assert_eq!(client(trusted, PEER, "6.6.6.6, 1.2.3.4, 2001:db8::5, 10.1.1.1"), "1.2.3.4");
    assert_eq!(client(trusted, PEER, "10.2.2.2, 10.1.1.1"), "10.2.2.2");
    assert_eq!(client(trusted, PEER, "1.2.3.4, unknown, 10.1.1.1"), "10.1.1.1");
    assert_eq!(client(trusted, "5.5.5.5:1", "1.2.3.4"), "5.5.5.5");
}

#[test]
fn a_duplicated_forwarded_for_is_ambiguous_where_it_is_read() {
    let request = Request::get("/")
        .property("source.address", PEER)
        .header(X_FORWARDED_FOR, "1.1.1.1")
        .header(X_FORWARDED_FOR, "2.2.2.2");
    assert_eq!(settings(r#"{"trusted_hops": 1}"#).resolve(&request), Ok(Field::Many));
    assert_eq!(settings("{}").resolve(&request), Ok(Field::One(address("10.0.0.9"))));
}

#[test]
fn an_ipv6_key_is_cut_to_the_prefix() {
    assert_eq!(settings("{}").key(address("2001:db8:1:2:3:4:5:6")), address("2001:db8:1:2::"));
    assert_eq!(settings(r#"{"ipv6_prefix": 48}"#).key(address("2001:db8:1:2:3:4:5:6")), address("2001:db8:1::"));
    assert_eq!(settings(r#"{"ipv6_prefix": 128}"#).key(address("2001:db8::6")), address("2001:db8::6"));
    assert_eq!(settings("{}").key(address("1.2.3.4")), address("1.2.3.4"));
}

#[test]
fn hops_and_ranges_exclude_each_other() {
    let error = config::parse::<ClientIp>(br#"{"trusted_hops": 1, "trusted_cidrs": ["10.0.0.0/8"]}"#).unwrap_err();
    assert_eq!(error.to_string(), "config: give either \"trusted_hops\" or \"trusted_cidrs\", not both");
}

#[test]
fn a_range_holds_the_addresses_with_its_prefix() {
    assert!(cidr("10.0.0.0/8").contains(address("10.255.0.1")));
    assert!(!cidr("10.0.0.0/8").contains(address("11.0.0.1")));
    assert!(cidr("10.1.2.3/8").contains(address("10.9.9.9")));
    assert!(cidr("0.0.0.0/0").contains(address("1.2.3.4")));
    assert!(!cidr("0.0.0.0/0").contains(address("::1")));
    assert!(cidr("::/0").contains(address("::1")));
    assert!(cidr("10.0.0.1").contains(address("10.0.0.1")));
    assert!(!cidr("10.0.0.1").contains(address("10.0.0.2")));
    assert!(cidr("10.0.0.0/8").contains(address("::ffff:10.0.0.1")));
}

#[test]
fn what_is_no_range_is_refused() {
    for text in [
        "",
        "10.0.0.0/33",
        "::/129",
        "10.0.0/8",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "::ffff:10.0.0.0/104",
        "x",
    ] {
        assert_eq!(Cidr::parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn an_address_is_read_in_every_form_it_is_written_in(ip in any::<IpAddr>(), port in any::<u16>()) {
        let bare = ip.to_canonical();
        prop_assert_eq!(parse_address(ip.to_string().as_bytes()), Some(bare));
        prop_assert_eq!(parse_address(SocketAddr::new(ip, port).to_string().as_bytes()), Some(bare));
        if ip.is_ipv6() {
            prop_assert_eq!(parse_address(format!("[{ip}]").as_bytes()), Some(bare));
        }
    }

    #[test]
    fn no_bytes_make_the_client_anything_but_an_address(
        forwarded in prop::collection::vec(any::<u8>(), 0..40),
        hops in 1_u64..4,
    ) {
        let settings = ClientIp { trust: Trust::Hops(hops), ipv6_prefix: 64 };
        let request = Request::get("/").property("source.address", PEER).header(X_FORWARDED_FOR, forwarded);
        prop_assert!(matches!(settings.resolve(&request), Ok(Field::One(_))));
    }

    #[test]
    fn a_range_agrees_with_a_bitwise_oracle(network in any::<u32>(), other in any::<u32>(), prefix in 0_u32..=32) {
        let range = Cidr { network: IpAddr::V4(network.into()), prefix };
        let bits = |address: u32| format!("{address:032b}").chars().take(prefix as usize).collect::<String>();
        prop_assert_eq!(range.contains(IpAddr::V4(other.into())), bits(network) == bits(other));
    }
}
