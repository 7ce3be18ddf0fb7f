//! gRPC: messages of Protocol Buffers, each behind a flag and its length (gRPC over HTTP/2, "Length-Prefixed-Message").

use crate::masking::{Run, Stop};
use palisade_sdk::protobuf::{Wire, put_bytes, take_field};

/// The flag and the length.
const PREFIX: usize = 5;

/// The longest message: all of it is held. The usual limit of gRPC's libraries is four times that.
const LONGEST: usize = 1 << 20;

/// Messages that come in pieces.
#[derive(Debug)]
pub struct Grpc {
    passes_compressed: bool,
}

/// A field below a message: its index among those of the policy, and the numbers that lead to it from here.
type Below<'p> = (usize, &'p [u32]);

impl Grpc {
    /// Messages of which compressed ones pass, or fail.
    #[must_use]
    pub fn new(passes_compressed: bool) -> Self {
        Self { passes_compressed }
    }

    /// Masks the input as far as it is decided: up to the place that comes back.
    ///
    /// # Errors
    ///
    /// The message must not go on.
    pub fn push(&mut self, run: &mut Run<'_>, input: &[u8], at_end: bool) -> Result<usize, Stop> {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((length, message)) = split(rest)? else {
                return if at_end { Err(Stop::Failed("cut_off")) } else { Ok(at) };
            };
            if rest.first() == Some(&0) {
                let policy = run.policy;
                let fields: Vec<_> =
                    policy.messages.iter().enumerate().map(|(index, field)| (index, field.path.as_slice())).collect();
                if let Some(masked) = masked(run, message, &fields)? {
                    let len = u32::try_from(masked.len()).map_err(|_| Stop::Failed("too_long"))?;
                    let message = [&[0][..], &len.to_be_bytes(), &masked].concat();
                    run.splice.replace(at, at.saturating_add(length), &message);
                }
            } else if !self.passes_compressed {
                return Err(Stop::Failed("undecodable"));
            }
            at = at.saturating_add(length);
        }
        Ok(at)
    }
}

/// The first message, and its length with what stands before it; `None` when some of it is missing.
fn split(input: &[u8]) -> Result<Option<(usize, &[u8])>, Stop> {
    let Some([_, length @ ..]) = input.first_chunk::<PREFIX>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(Stop::Failed("too_long"));
    }
    let end = PREFIX.saturating_add(length);
    Ok(input.get(PREFIX..end).map(|message| (end, message)))
}

/// The message with these fields masked; `None` when nothing is.
fn masked(run: &mut Run<'_>, message: &[u8], fields: &[Below<'_>]) -> Result<Option<Vec<u8>>, Stop> {
    let mut out = Vec::new();
    let mut is_changed = false;
    let mut rest = message;
    while !rest.is_empty() {
        let before = rest;
        let (number, content) = take_field(&mut rest).ok_or(Stop::Failed("invalid"))?;
        let raw = before.get(..before.len().saturating_sub(rest.len())).unwrap_or_default();
        let below: Vec<_> = fields
            .iter()
            .filter_map(|(index, path)| Some((*index, path.split_first()?)))
            .filter(|(_, (first, _))| u64::from(**first) == number)
            .map(|(index, (_, path))| (index, path))
            .collect();
        let named = below.iter().find(|(_, path)| path.is_empty());
        let becomes = match (named, content) {
            _ if below.is_empty() => None,
            (Some((index, _)), Wire::Bytes(value)) => run.message_field(*index, value)?,
            // A number that is masked is one that is not there.
            (Some((index, _)), _) => run.message_field(*index, &[])?.map(|_| Vec::new()),
            (None, Wire::Bytes(value)) => masked(run, value, &below)?,
            (None, _) => None,
        };
        match becomes {
            None => out.extend_from_slice(raw),
            Some(content_masked) => {
                is_changed = true;
                let stays = matches!(content, Wire::Bytes(_))
                    && !named.is_some_and(|(index, _)| run.policy.removes_message_field(*index));
                if let Some(number) = u32::try_from(number).ok().filter(|_| stays) {
                    put_bytes(&mut out, number, &content_masked);
                }
            }
        }
    }
    Ok(is_changed.then_some(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::{Action, Mask};
    use crate::fake::{OPTIONS, cuts, in_pieces, policy};
    use crate::masking::{Entry, MessageField, Policy, Tally};
    use crate::splice::Splice;

    fn the_policy() -> Policy {
        let mut policy = policy(Vec::new(), vec![("email", Action::Replace("[mail]".into()))]);
        let field = |path: &[u32], action| MessageField {
            path: path.to_vec(),
            entry: Entry { name: "field".to_owned(), action },
        };
        policy.messages = vec![
            field(&[1, 3], Action::Mask(Mask { keep_last: 2, ..Mask::default() })),
            field(&[2], Action::Remove),
            field(&[4], Action::Report),
            field(&[5], Action::Replace("a longer text than before".into())),
        ];
        policy
    }

    fn masked(pieces: &[&[u8]]) -> Result<Vec<u8>, Stop> {
        let mut body = Grpc::new(false);
        let mut tally = Tally::default();
        let policy = the_policy();
        in_pieces(pieces, |input, at_end| {
            let mut run = Run { policy: &policy, options: &OPTIONS, splice: Splice::new(input), tally: &mut tally };
            let consumed = body.push(&mut run, input, at_end)?;
            Ok((consumed, run.splice.finish(consumed).into_owned()))
        })
    }

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        [&[flag][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
    }

    fn field(number: u32, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, number, content);
        out
    }

    #[test]
    fn fields_are_masked_by_their_numbers_in_every_chunking() {
        let inner = [field(2, b"stays"), field(3, b"alice"), field(3, b"bob"), vec![0x18, 7]].concat();
        let message = [
            field(1, &inner),
            field(2, b"gone"),
            vec![0x10, 42],
            field(3, b"a@x.org"),
            field(4, b"to a@x.org"),
            field(5, b"x"),
            vec![0x28, 42],
            vec![0x08, 1],
        ]
        .concat();
        let inner = [field(2, b"stays"), field(3, b"***ce"), field(3, b"*ob")].concat();
        let expected = [
            field(1, &inner),
            field(3, b"a@x.org"),
            field(4, b"to [mail]"),
            field(5, b"a longer text than before"),
            vec![0x08, 1],
        ]
        .concat();
        let untouched = field(9, b"a@x.org");
        let text = [framed(0, &message), framed(0, &untouched), framed(0, &[])].concat();
        let expected = [framed(0, &expected), framed(0, &untouched), framed(0, &[])].concat();
        for pieces in cuts(&text) {
            assert_eq!(masked(&pieces), Ok(expected.clone()));
        }
        assert_eq!(masked(&text.chunks(1).collect::<Vec<_>>()), Ok(expected));
    }

    #[test]
    fn what_cannot_be_read_fails() {
        for (text, reason) in [
            (framed(1, b""), "undecodable"),
            (framed(0, &[0x0b, 0x0c]), "invalid"),
            (framed(0, &[0x0a, 5, b'a']), "invalid"),
            (framed(0, &field(1, b"\xff")), "invalid"),
            (vec![0, 0, 0, 0], "cut_off"),
            (framed(0, &field(3, b"a"))[..6].to_vec(), "cut_off"),
            (vec![0, 0, 16, 0, 1], "too_long"),
        ] {
            assert_eq!(masked(&[&text]), Err(Stop::Failed(reason)), "{text:?}");
        }
    }
}
