//! Bodies that are masked: the targets of all formats hold the same promises.

use std::sync::LazyLock;

use palisade_data_masking::actions::{Action, Mask};
use palisade_data_masking::body::Body;
use palisade_data_masking::body::stream::Stream;
use palisade_data_masking::detectors;
use palisade_data_masking::masking::{Entry, Field, Numbers, OnInvalid, Options, Policy, Stop, Tally};
use palisade_data_masking::path::Path;
use palisade_data_masking::scan::{Scanner, Sought};

/// Short, so that long values are as frequent as others.
const OPTIONS: Options = Options { on_invalid: None, numbers: Numbers::String, max_hold: 64, report_only: false };

/// Longer bodies are cut: two values that are too long to be held come together in fewer bytes.
const LONGEST: usize = 160;

/// One with paths, and one in which values are skimmed.
static POLICIES: LazyLock<[Policy; 2]> = LazyLock::new(|| {
    let mask = || Action::Mask(Mask { keep_last: 4, ..Mask::default() });
    let fields = [("$..secret", Action::Remove), ("$.name", mask())];
    let fields = fields.map(|(path, action)| Field {
        path: Path::parse(path).expect("a path"),
        entry: Entry { name: "field".to_owned(), action },
    });
    [policy(fields.into(), mask), policy(Vec::new(), mask)]
});

fn policy(fields: Vec<Field>, mask: fn() -> Action) -> Policy {
    let detecting = [
        ("credit_card", mask()),
        ("email", Action::Replace("[email]".to_owned())),
        ("us_ssn", mask()),
        ("pem_private_key", Action::Replace("[key]".to_owned())),
        ("github_token", Action::Remove),
    ];
    let sought = |name| (Sought::BuiltIn(detectors::find(name).expect("a detector")), false);
    Policy {
        scanner: Scanner::new(detecting.iter().map(|(name, _)| sought(name)).collect()),
        detectors: detecting.into_iter().map(|(name, action)| Entry { name: name.to_owned(), action }).collect(),
        fields,
        messages: Vec::new(),
        excluded: Vec::new(),
        keys: false,
    }
}

/// A body and what becomes of it.
pub(super) struct Held<'d> {
    pub(super) body: &'d [u8],
    pub(super) masked: Vec<u8>,
    /// Whether a body that is not what it says it is would have failed.
    pub(super) is_strict: bool,
}

/// Holds that a body comes out the same however it is cut. The first two bytes say how that is, and by which policy it is masked.
/// `None` when there are none, or the body fails.
pub(super) fn hold<B: Into<Body>>(new: impl Fn() -> B, data: &[u8]) -> Option<Held<'_>> {
    let [cut, choice, body @ ..] = data else { return None };
    let body = body.get(..LONGEST).unwrap_or(body);
    let [with_paths, plain] = &*POLICIES;
    let policy = if choice & 1 == 0 { with_paths } else { plain };
    let is_strict = choice & 2 != 0;
    let on_invalid = Some(if is_strict { OnInvalid::Fail } else { OnInvalid::Text });
    let options = Options { on_invalid, ..OPTIONS };
    let masked = |pieces: &[&[u8]]| masked(policy, &options, new().into(), pieces);
    let whole = masked(&[body]);
    let pieces: Vec<_> = match choice & 4 {
        0 => <[&[u8]; 2]>::from(body.split_at(usize::from(*cut).min(body.len()))).into(),
        _ => body.chunks(1 + usize::from(choice >> 4)).collect(),
    };
    assert_eq!(masked(&pieces), whole, "in {} pieces", pieces.len());
    Some(Held { body, masked: whole.ok()?, is_strict })
}

fn masked(policy: &Policy, options: &Options, body: Body, pieces: &[&[u8]]) -> Result<Vec<u8>, Stop> {
    let mut stream = Stream::new(body, None, false, None);
    let mut out = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let is_last = number + 1 == pieces.len();
        let outcome = stream.piece(policy, options, &mut Tally::default(), piece, is_last)?;
        out.extend_from_slice(outcome.replaced.as_deref().unwrap_or(piece));
    }
    Ok(out)
}
