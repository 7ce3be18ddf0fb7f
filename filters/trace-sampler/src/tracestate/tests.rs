use proptest::prelude::*;

use super::*;

const HALF: &[u8] = b"8";

fn half() -> Threshold {
    Threshold::decode(HALF).unwrap()
}

fn parse(field: &str) -> Tracestate<'_> {
    Tracestate::parse(field.as_bytes()).unwrap_or_else(|Malformed| panic!("{field:?} is malformed"))
}

fn malformed(field: &str) -> bool {
    Tracestate::parse(field.as_bytes()).is_err()
}

/// The whole list, written anew.
fn rendered(field: &str) -> String {
    let mut list = parse(field);
    list.tidy = false;
    match list.update(ThresholdUpdate::Keep) {
        (Updated::Changed(field), true) => String::from_utf8(field).unwrap(),
        (Updated::Empty, true) => String::new(),
        other => panic!("{other:?}"),
    }
}

fn changed(field: &str) -> (Updated, bool) {
    (Updated::Changed(field.into()), true)
}

const UNCHANGED: (Updated, bool) = (Updated::Unchanged, true);

fn numbered(members: usize) -> String {
    (1..=members).map(|n| format!("bar{n:02}={n:02}")).collect::<Vec<_>>().join(",")
}

// The list.

#[test]
fn members_keep_their_order_across_lines() {
    assert_eq!(rendered("foo=1,bar=2,rojo=1,congo=2,baz=3"), "foo=1,bar=2,rojo=1,congo=2,baz=3");
}

#[test]
fn whitespace_around_members_is_ignored() {
    assert_eq!(rendered("foo=1 \t , \t bar=2, \t baz=3"), "foo=1,bar=2,baz=3");
    assert_eq!(rendered("\t foo=1 \t"), "foo=1");
}

#[test]
fn whitespace_alone_is_no_reason_to_write_the_field() {
    assert_eq!(parse("foo=1 , bar=2").update(ThresholdUpdate::Keep), UNCHANGED);
}

#[test]
fn empty_members_are_dropped() {
    assert_eq!(parse(",foo=1,, ,bar=2,").update(ThresholdUpdate::Keep), changed("foo=1,bar=2"));
}

#[test]
fn an_empty_field_is_taken_away() {
    for field in ["", " ", ",", " , ,"] {
        assert_eq!(parse(field).update(ThresholdUpdate::Keep), (Updated::Empty, true), "{field:?}");
    }
}

#[test]
fn the_first_of_duplicate_keys_is_kept() {
    assert_eq!(parse("foo=1,bar=2,foo=3").update(ThresholdUpdate::Keep), changed("foo=1,bar=2"));
    assert_eq!(parse("foo=1,foo=1").update(ThresholdUpdate::Keep), changed("foo=1"));
}

#[test]
fn thirty_two_members_are_kept_and_thirty_three_discarded() {
    assert_eq!(rendered(&numbered(32)), numbered(32));
    assert!(malformed(&numbered(33)));
}

#[test]
fn duplicates_count_as_members() {
    assert!(malformed(&["foo=1"; 33].join(",")));
    assert_eq!(rendered(&["foo=1"; 32].join(",")), "foo=1");
}

#[test]
fn keys_have_lowercase_letters_digits_and_five_signs() {
    for key in ["a", "0", "foo_-*/@", "tenant@system", "0abc", &"z".repeat(256)] {
        assert_eq!(rendered(&format!("{key}=1")), format!("{key}=1"));
    }
    for key in ["", "_a", "-a", "*a", "/a", "@a", "foo ", "fo o", "FOO", "foo.bar", "fóo", &"z".repeat(257)] {
        assert!(malformed(&format!("foo=1,{key}=1")), "{key:?}");
    }
}

#[test]
fn values_are_printable_without_comma_and_equals() {
    let all: String = (' '..='~').filter(|c| !matches!(c, ',' | '=')).collect();
    assert_eq!(rendered(&format!("foo={all}")), format!("foo={all}"));
    assert_eq!(rendered(&format!("foo={}", "v".repeat(256))).len(), 260);
    for value in ["", "bar=baz", "=", "a\tb", "é", "\u{7f}", &"v".repeat(257)] {
        assert!(malformed(&format!("bar=2,foo={value},baz=3")), "{value:?}");
    }
}

#[test]
fn a_value_may_begin_but_not_end_with_a_space() {
    assert_eq!(rendered("foo= 1 ,bar=2"), "foo= 1,bar=2");
    assert!(malformed("foo= ,bar=2"));
}

#[test]
fn no_blank_is_left_at_the_end_where_a_threshold_stood() {
    let updated = |list: &[u8], update| Tracestate::parse(list).unwrap().update(update).0;
    assert_eq!(updated(b"ot=a:b ;th:0", ThresholdUpdate::Erase), Updated::Changed(b"ot=a:b".to_vec()));
    assert_eq!(updated(b"ot= ;th:0", ThresholdUpdate::Erase), Updated::Empty);
    let set = updated(b"ot=a ;th:8,k=v", ThresholdUpdate::Set(Threshold::NONE));
    assert_eq!(set, Updated::Changed(b"ot=th:0;a,k=v".to_vec()));
}

#[test]
fn a_member_without_an_equals_sign_discards_the_list() {
    assert!(malformed("foo=1,bar"));
}

#[test]
fn bytes_beyond_ascii_discard_the_list() {
    assert_eq!(Tracestate::parse(b"foo=\xe9").err(), Some(Malformed));
    assert_eq!(Tracestate::parse(b"\xff=1").err(), Some(Malformed));
}

// The member of OpenTelemetry.

#[test]
fn threshold_and_randomness_are_read_from_the_ot_member() {
    let list = parse("foo=1,ot=p:8;rv:00000000000010;th:8");
    assert_eq!(list.threshold(), Some(half()));
    assert_eq!(list.randomness(), Randomness::decode(b"00000000000010"));
}

#[test]
fn only_the_first_ot_member_counts() {
    assert_eq!(parse("ot=th:8,ot=th:c").threshold(), Some(half()));
    assert_eq!(parse("tot=th:8,ot@x=th:8,foo=ot").threshold(), None);
}

#[test]
fn malformed_or_repeated_sub_keys_say_nothing() {
    for ot in ["th", "th:", "th:g", "th:8;th:8", "xth:8", "th:800000000000000", "th :8", "TH:8"] {
        assert_eq!(parse(&format!("ot={ot}")).threshold(), None, "{ot}");
    }
    for ot in ["rv:", "rv:8", "rv:0000000000000G", "rv:00000000000010;rv:00000000000010"] {
        assert_eq!(parse(&format!("ot={ot}")).randomness(), None, "{ot}");
    }
}

#[test]
fn a_threshold_is_added_to_an_empty_list() {
    assert_eq!(Tracestate::EMPTY.update(ThresholdUpdate::Set(half())), changed("ot=th:8"));
}

#[test]
fn a_new_ot_member_goes_first() {
    assert_eq!(parse("foo=1,bar=2").update(ThresholdUpdate::Set(half())), changed("ot=th:8,foo=1,bar=2"));
}

#[test]
fn a_changed_ot_member_moves_to_the_front_and_keeps_its_other_sub_keys() {
    let list = parse("foo=1,ot=a:1;th:c;rv:00000000000010;b,bar=2");
    let expected = "ot=th:8;a:1;rv:00000000000010;b,foo=1,bar=2";
    assert_eq!(list.update(ThresholdUpdate::Set(half())), changed(expected));
}

#[test]
fn the_threshold_that_is_there_already_is_not_written() {
    let list = parse("foo=1,ot=rv:00000000000010;th:80");
    assert_eq!(list.update(ThresholdUpdate::Set(half())), UNCHANGED);
}

#[test]
fn an_erased_threshold_leaves_the_other_sub_keys() {
    let list = parse("foo=1,ot=th:c;rv:00000000000010");
    assert_eq!(list.update(ThresholdUpdate::Erase), changed("ot=rv:00000000000010,foo=1"));
}

#[test]
fn an_unusable_threshold_is_erased_too() {
    assert_eq!(parse("ot=th:8;th:c;a:1").update(ThresholdUpdate::Erase), changed("ot=a:1"));
    assert_eq!(parse("ot=th:XYZ,foo=1").update(ThresholdUpdate::Erase), changed("foo=1"));
}

#[test]
fn an_ot_member_without_sub_keys_goes_away() {
    assert_eq!(parse("foo=1,ot=th:c").update(ThresholdUpdate::Erase), changed("foo=1"));
    assert_eq!(parse("ot=th:c").update(ThresholdUpdate::Erase), (Updated::Empty, true));
}

#[test]
fn nothing_is_written_where_there_is_nothing_to_erase() {
    assert_eq!(parse("foo=1,ot=a:1").update(ThresholdUpdate::Erase), UNCHANGED);
    assert_eq!(parse("foo=1").update(ThresholdUpdate::Erase), UNCHANGED);
    assert_eq!(Tracestate::EMPTY.update(ThresholdUpdate::Erase), UNCHANGED);
}

#[test]
fn the_right_most_of_thirty_three_members_is_dropped() {
    let expected = format!("ot=th:8,{}", numbered(31));
    assert_eq!(parse(&numbered(32)).update(ThresholdUpdate::Set(half())), changed(&expected));
}

#[test]
fn an_ot_member_that_is_there_costs_no_other_its_place() {
    let list = format!("{},ot=a:1", numbered(31));
    let expected = format!("ot=th:8;a:1,{}", numbered(31));
    assert_eq!(parse(&list).update(ThresholdUpdate::Set(half())), changed(&expected));
}

#[test]
fn an_ot_member_of_256_characters_is_written_and_a_longer_one_is_not() {
    let full = format!("ot=a:{}", "v".repeat(256 - "th:8;a:".len()));
    let (Updated::Changed(field), true) = parse(&full).update(ThresholdUpdate::Set(half())) else {
        panic!("256 characters are allowed");
    };
    assert_eq!(field.len(), "ot=".len() + 256);

    let longer = format!("{full}v");
    assert_eq!(parse(&longer).update(ThresholdUpdate::Set(half())), (Updated::Unchanged, false));
}

#[test]
fn a_threshold_that_finds_no_room_does_not_leave_the_old_one_standing() {
    let others = format!("a:{}", "v".repeat(256 - "th:8;a:".len()));
    let longer = Threshold::decode(b"fd70a").unwrap();
    let (updated, fits) = parse(&format!("ot=th:8;{others}")).update(ThresholdUpdate::Set(longer));
    assert_eq!(updated, Updated::Changed(format!("ot={others}").into()));
    assert!(!fits);
}

fn fields() -> impl Strategy<Value = String> {
    let ot = "ot=(th:[0-9a-f]{1,15}|rv:[0-9a-f]{14}|[a-z]:[a-z]{0,120}|)(;th:[0-9a-f]{1,4}|;rv:[0-9a-f]{14}|;x|;){0,3}";
    let member = prop_oneof![3 => "[a-z][a-z0-9@]{0,3}=[!-+.-<>-~]{1,4}", 1 => ot, 1 => " ?"];
    proptest::collection::vec(member, 0..40).prop_map(|members| members.join(","))
}

fn updates() -> impl Strategy<Value = ThresholdUpdate> {
    let threshold = "[0-9a-f]{1,14}".prop_map(|digits| Threshold::decode(digits.as_bytes()).unwrap());
    prop_oneof![Just(ThresholdUpdate::Keep), Just(ThresholdUpdate::Erase), threshold.prop_map(ThresholdUpdate::Set),]
}

proptest! {
    #[test]
    fn any_bytes_are_parsed(field: Vec<u8>) {
        let _ = Tracestate::parse(&field);
    }

    #[test]
    fn what_is_rendered_is_valid_and_nothing_is_left_to_do(field in fields(), update in updates()) {
        let Ok(list) = Tracestate::parse(field.as_bytes()) else { return Ok(()) };
        let (Updated::Changed(rendered), fits) = list.update(update) else { return Ok(()) };
        let again = Tracestate::parse(&rendered);
        prop_assert!(again.is_ok(), "{:?}", String::from_utf8_lossy(&rendered));
        let again = again.unwrap();
        if fits {
            prop_assert_eq!(again.update(update), UNCHANGED);
        }
        match update {
            ThresholdUpdate::Set(threshold) if fits => prop_assert_eq!(again.threshold(), Some(threshold)),
            ThresholdUpdate::Set(_) | ThresholdUpdate::Erase => prop_assert_eq!(again.threshold(), None),
            ThresholdUpdate::Keep => prop_assert_eq!(again.threshold(), list.threshold()),
        }
        prop_assert_eq!(again.randomness(), list.randomness());
    }
}
