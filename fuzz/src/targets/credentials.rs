//! Credentials in queries and cookies: how they are found, and taken out.

use palisade_auth::request::{Head, Removal, Source};
use palisade_sdk::HeaderMap;
use palisade_sdk::matching::Field;

use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "credentials",
    words: &["key=", "%6bey=", "k%65y", "&", "&&", "?", ";", "; key=", "=", "%", "%26", "+", "other=1", "\n", " "],
    run,
};

/// Holds that what was taken out is gone, that all else is there as it was, and that a value which is found stands alone.
///
/// The first line is a path, each other line a `cookie` header.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let path = [b"/", lines.next().unwrap_or_default()].concat();
    let cookies: Vec<_> = lines.map(<[u8]>::trim_ascii).collect();
    let [key, other] = ["key", "other"].map(|name| [Source::Query(name.to_owned()), Source::Cookie(name.to_owned())]);

    let before = headers(&path, &cookies);
    let mut removal = Removal::default();
    for source in &key {
        removal.add(source, Head::new(&before));
    }
    let edits: Vec<_> = removal.iter().collect();
    let (mut path_after, mut cookies_after) = (path.clone(), cookies.clone());
    for (name, value) in &edits {
        match (*name, *value) {
            (":path", Some(value)) => path_after = value.to_vec(),
            ("cookie", value) => cookies_after = value.into_iter().collect(),
            (name, _) => panic!("{name} is changed"),
        }
    }
    let after = headers(&path_after, &cookies_after);

    for (source, edited) in key.iter().zip([":path", "cookie"]) {
        let found = source.read(Head::new(&before));
        let is_edited = edits.iter().any(|(name, _)| *name == edited);
        assert_eq!(is_edited, found != Field::Absent, "a header is changed for no reason, or left");
        assert_eq!(source.read(Head::new(&after)), Field::Absent, "a credential is left");
    }
    for source in &other {
        let [before, after] = [&before, &after].map(|headers| source.read(Head::new(headers)));
        assert_eq!(before, after, "another value is changed");
    }
    assert_eq!(path_after.split(|byte| *byte == b'?').next(), path.split(|byte| *byte == b'?').next());
    assert!(is_thinned(&path, &path_after), "bytes are changed");
    if let [cookie] = cookies.as_slice() {
        assert!(is_thinned(cookie, &cookies_after.concat()), "bytes are changed");
    }
}

fn headers(path: &[u8], cookies: &[&[u8]]) -> HeaderMap {
    HeaderMap::from_lines([(":path", path)].into_iter().chain(cookies.iter().map(|value| ("cookie", *value))))
}

/// Whether one text is the other with some bytes left out.
fn is_thinned(text: &[u8], thinned: &[u8]) -> bool {
    let mut bytes = text.iter();
    thinned.iter().all(|byte| bytes.any(|known| known == byte))
}
