use proptest::prelude::*;
use sfv::FieldType as _;

use super::*;

fn written(dictionary: &Dictionary) -> Vec<u8> {
    let mut to = Vec::new();
    for (place, (key, member)) in dictionary.iter().enumerate() {
        if place > 0 {
            to.extend_from_slice(b", ");
        }
        to.extend_from_slice(key.as_bytes());
        let truth = |item: &Item| item.bare == Bare::Boolean(true);
        match member {
            Member::Item(item) if truth(item) => write_parameters(&item.parameters, &mut to),
            member => {
                to.push(b'=');
                member.write(&mut to);
            }
        }
    }
    to
}

#[test]
fn each_kind_of_value_is_read_and_written() {
    for field in [
        "a=1",
        "a=-999999999999999",
        "a=1.5, b=-0.25, c=100.125, d=3.0",
        r#"a="x\"y\\z""#,
        "a=token/with:most*chars",
        "a=:AQID:",
        "a=::",
        "a, b=?0",
        "a;x=1;y",
        r#"sig1=("@method" "@query-param";name="q" "x";key="a");created=1;nonce="n", sig2=()"#,
    ] {
        let dictionary = dictionary(field.as_bytes()).unwrap_or_else(|| panic!("{field}"));
        assert_eq!(String::from_utf8(written(&dictionary)).unwrap(), field);
    }
}

#[test]
fn white_space_between_members_does_not_count() {
    let expected = dictionary(b"a=1, b=(1 2);x").unwrap();
    for field in ["  a=1,b=( 1  2 );x  ", "a=1\t,\tb=(1 2); x", "a=1 ,  b=(1 2 );x\t"] {
        assert_eq!(dictionary(field.as_bytes()).as_ref(), Some(&expected), "{field:?}");
    }
}

#[test]
fn what_is_no_dictionary_is_refused() {
    for field in [
        "a=",
        "a=1,",
        ",a=1",
        "a=1 b=2",
        "a=1;",
        "A=1",
        "1=1",
        "a=(",
        "a=(1",
        "a=(1,2)",
        "a=(1)2",
        "a=(1\"x\")",
        "a=\"x",
        "a=\"\\x\"",
        "a=\"\u{7f}\"",
        "a=\"é\"",
        "a=:AQID",
        "a=:AQI:",
        "a=:AQJ=:",
        "a=:A-_D:",
        "a=?2",
        "a=1.",
        "a=1.2345",
        "a=1234567890123456",
        "a=1234567890123.1",
        "a=-",
        "a=@1659578233",
        "a=%\"x\"",
        "a==1",
        "a=1\n",
        "\ta=1",
    ] {
        assert_eq!(dictionary(field.as_bytes()), None, "{field:?}");
    }
}

#[test]
fn a_key_that_occurs_twice_is_refused() {
    for field in ["a=1, a=1", "a=1, b=2, a=3", "a=(1);x=1;x=1", "a;x;x"] {
        assert_eq!(dictionary(field.as_bytes()), None, "{field:?}");
    }
}

#[test]
fn what_holds_more_than_a_message_has_use_for_is_refused() {
    let members = |count: usize| (0..count).map(|key| format!("k{key}=1")).collect::<Vec<_>>().join(", ");
    assert!(dictionary(members(MOST).as_bytes()).is_some());
    assert!(dictionary(members(MOST + 1).as_bytes()).is_none());
    let items = |count: usize| format!("a=({})", vec!["1"; count].join(" "));
    assert!(dictionary(items(MOST).as_bytes()).is_some());
    assert!(dictionary(items(MOST + 1).as_bytes()).is_none());
}

/// What the `sfv` crate reads from a field, in its canonical form.
fn oracle(field: &[u8]) -> Option<String> {
    let dictionary: sfv::Dictionary = sfv::Parser::new(field).with_version(sfv::Version::Rfc8941).parse().ok()?;
    Some(dictionary.serialize().unwrap_or_default())
}

fn fields() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i32>().prop_map(|number| number.to_string()),
        (any::<i16>(), 0..1000_u32).prop_map(|(whole, rest)| format!("{whole}.{rest}")),
    ];
    let bare = prop_oneof![
        number,
        "\"([ !#-\\[\\]-~]|\\\\\"|\\\\\\\\){0,6}\"",
        "[a-zA-Z*][a-z!#$%&'*+./:^_`|~-]{0,5}",
        proptest::collection::vec(any::<u8>(), 0..7).prop_map(|bytes| format!(":{}:", base64::encode(&bytes))),
        "\\?[01]",
    ];
    let bare = bare.boxed();
    let parameters =
        proptest::collection::vec(("; {0,2}[a-z*][a-z0-9_.*-]{0,2}", proptest::option::of(bare.clone())), 0..3)
            .prop_map(|all| {
                let parameter = |(place, (key, value)): (usize, (String, Option<String>))| match value {
                    Some(value) => format!("{key}{place}={value}"),
                    None => format!("{key}{place}"),
                };
                all.into_iter().enumerate().map(parameter).collect::<String>()
            })
            .boxed();
    let item = (bare, parameters.clone()).prop_map(|(bare, parameters)| format!("{bare}{parameters}")).boxed();
    let list = (proptest::collection::vec(item.clone(), 0..4), parameters.clone(), " {1,2}")
        .prop_map(|(items, parameters, blank)| format!("({}){parameters}", items.join(&blank)));
    let member =
        prop_oneof![item.prop_map(|item| format!("={item}")), list.prop_map(|list| format!("={list}")), parameters,];
    proptest::collection::vec(("[a-z*][a-z0-9_.*-]{0,2}", member), 0..4).prop_map(|members| {
        let member = |(place, (key, member)): (usize, (String, String))| format!("{key}{place}{member}");
        members.into_iter().enumerate().map(member).collect::<Vec<_>>().join(", ")
    })
}

proptest! {
    #[test]
    fn what_is_read_is_what_the_sfv_crate_reads_and_its_canonical_form(field in fields()) {
        let ours = dictionary(field.as_bytes());
        prop_assert!(ours.is_some(), "{}", field);
        prop_assert_eq!(String::from_utf8(written(&ours.unwrap())).unwrap(), oracle(field.as_bytes()).unwrap());
    }

    #[test]
    fn arbitrary_bytes_are_read_only_where_the_sfv_crate_reads_them(field in proptest::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"=,;()\":?1a \\."[..])], 0..24)) {
        if let Some(ours) = dictionary(&field) {
            prop_assert_eq!(String::from_utf8(written(&ours)).ok(), oracle(&field), "{:?}", field);
        }
    }
}
