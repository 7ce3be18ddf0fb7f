//! The structured fields of a response, read by a parser of RFC 9651 that is not ours.

use palisade_testbed::Response;
use sfv::{BareItem, Item, List, ListEntry, Parser};

/// A member of `RateLimit-Policy`: a name, and its quota and window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) quota: i64,
    pub(crate) window: Option<i64>,
}

/// A member of `RateLimit`: a name, what remains, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) name: String,
    pub(crate) remaining: i64,
    pub(crate) reset: Option<i64>,
}

/// What `RateLimit-Policy` says; empty where there is none.
pub(crate) fn policies(response: &Response) -> Vec<Policy> {
    let read =
        |item: &Item| Policy { name: name(item), quota: integer(item, "q").unwrap(), window: integer(item, "w") };
    items(response, "ratelimit-policy").iter().map(read).collect()
}

/// What `RateLimit` says; empty where there is none.
pub(crate) fn left(response: &Response) -> Vec<Left> {
    let read =
        |item: &Item| Left { name: name(item), remaining: integer(item, "r").unwrap(), reset: integer(item, "t") };
    items(response, "ratelimit").iter().map(read).collect()
}

/// `Retry-After` in seconds.
pub(crate) fn retry_after(response: &Response) -> Option<u64> {
    let lines = response.headers.all("retry-after");
    assert!(lines.len() <= 1, "{lines:?}");
    lines.first().map(|line| String::from_utf8(line.to_vec()).unwrap().parse().unwrap())
}

/// The members of a list, of which the lines are one (RFC 9651, section 4.2).
fn items(response: &Response, field: &str) -> Vec<Item> {
    let lines = response.headers.all(field);
    if lines.is_empty() {
        return Vec::new();
    }
    let text = lines.join(&b", "[..]);
    let list: List = Parser::new(&text).parse().unwrap_or_else(|error| panic!("{field}: {error}: {lines:?}"));
    assert!(!list.is_empty(), "{field} without members is not sent");
    let item = |entry| match entry {
        ListEntry::Item(item) => item,
        ListEntry::InnerList(list) => panic!("{field}: {list:?} is no item"),
    };
    list.into_iter().map(item).collect()
}

fn name(item: &Item) -> String {
    match &item.bare_item {
        BareItem::String(name) => name.as_str().to_owned(),
        other => panic!("{other:?} is no string"),
    }
}

/// A parameter that is an integer, and not negative.
fn integer(item: &Item, parameter: &str) -> Option<i64> {
    item.params.get(parameter).map(|value| match value {
        BareItem::Integer(value) if i64::from(*value) >= 0 => i64::from(*value),
        other => panic!("{parameter}: {other:?} is no integer from 0 on"),
    })
}
