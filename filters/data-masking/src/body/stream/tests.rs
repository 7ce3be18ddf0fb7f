use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use palisade_sdk::protobuf::put_bytes;

use super::*;
use crate::actions::{Action, Mask};
use crate::body::Format;
use crate::body::encoding::Encoding;
use crate::body::grpc::Grpc;
use crate::fake::{OPTIONS, policy};

/// What a client gets of a body in these pieces, from a host that holds what it is told to.
fn received(options: &Options, encoding: Encoding, pieces: &[&[u8]], has_trailers: bool) -> Result<Vec<u8>, Stop> {
    let policy = policy(
        vec![("$.secret", Action::Remove)],
        vec![("credit_card", Action::Mask(Mask { keep_last: 4, ..Mask::default() }))],
    );
    let mut stream = Stream::new(Format::Json, encoding.decoder(1 << 20), has_trailers, None);
    let mut tally = Tally::default();
    let mut held: Vec<u8> = Vec::new();
    let mut is_kept = false;
    let mut client = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        held.extend_from_slice(piece);
        let is_last = !has_trailers && number + 1 == pieces.len();
        let outcome = stream.piece(&policy, options, &mut tally, &held, is_last)?;
        held = outcome.replaced.unwrap_or(held);
        is_kept = outcome.keep;
        if !is_kept {
            client.append(&mut held);
        }
    }
    if has_trailers {
        match is_kept {
            true => {
                let outcome = stream.piece(&policy, options, &mut tally, &held, true)?;
                assert!(!outcome.keep);
                client.append(&mut outcome.replaced.unwrap_or(held));
            }
            false => stream.end()?,
        }
    }
    Ok(client)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const BODY: &[u8] = br#"{"a": "4111 1111 1111 1111", "secret": 1, "b": [4111111111111111, "x"]}"#;
const MASKED: &[u8] = br#"{"a": "***************1111", "b": ["************1111", "x"]}"#;

#[test]
fn a_client_gets_the_same_in_every_chunking_with_and_without_trailers() {
    for (encoding, body) in [(Encoding::Identity, BODY.to_vec()), (Encoding::Gzip, gzip(BODY))] {
        for first in 0..=body.len() {
            for second in (first..=body.len()).step_by(3) {
                let pieces = [&body[..first], &body[first..second], &body[second..]];
                for has_trailers in [false, true] {
                    let received = received(&OPTIONS, encoding, &pieces, has_trailers).unwrap();
                    assert_eq!(received, MASKED, "{encoding:?} {first} {second} {has_trailers}");
                }
            }
        }
        let bytes: Vec<_> = body.chunks(1).collect();
        assert_eq!(received(&OPTIONS, encoding, &bytes, true).unwrap(), MASKED);
    }
}

#[test]
fn a_report_leaves_every_byte_as_it_came() {
    let options = Options { report_only: true, ..OPTIONS };
    let encoded = gzip(BODY);
    for size in [1, 5, 100] {
        let pieces: Vec<_> = encoded.chunks(size).collect();
        assert_eq!(received(&options, Encoding::Gzip, &pieces, false).unwrap(), encoded);
    }
}

#[test]
fn what_is_cut_off_does_not_look_complete() {
    let encoded = gzip(BODY);
    let cut_off = &encoded[..encoded.len() - 1];
    for has_trailers in [false, true] {
        assert_eq!(received(&OPTIONS, Encoding::Gzip, &[cut_off], has_trailers), Err(Stop::Failed("undecodable")));
    }
}

#[test]
fn a_piece_that_grows_and_grows_goes_all_the_same() {
    let options = Options { max_hold: 8192, ..OPTIONS };
    let value = "x".repeat(5000);
    let body = ["[", &format!("\"{value}\",").repeat(60), "4111111111111111]"].concat();
    let expected = body.replace("4111111111111111", "\"************1111\"");
    // Each piece ends in the middle of a string, so that none of them is decided to its end.
    let pieces: Vec<_> = body.as_bytes().chunks(4001).collect();
    assert_eq!(received(&options, Encoding::Identity, &pieces, false).unwrap(), expected.as_bytes());
    let mut stream = Stream::new(Format::Json, None, true, None);
    let policy = policy(vec![], vec![("credit_card", Action::Mask(Mask { keep_last: 4, ..Mask::default() }))]);
    let mut held = Vec::new();
    let mut longest = 0;
    let mut was_cut = false;
    for piece in pieces {
        held.extend_from_slice(piece);
        longest = longest.max(held.len());
        let outcome = stream.piece(&policy, &options, &mut Tally::default(), &held, false).unwrap();
        held = if outcome.keep { outcome.replaced.unwrap_or(held) } else { Vec::new() };
        was_cut |= !outcome.keep && stream.end() == Err(Stop::Failed("cut_off"));
    }
    assert!(longest < LONGEST_PIECE + 16 * 1024, "{longest}");
    assert!(was_cut, "trailers behind a piece that went do not make what is missing look complete");
}

#[test]
fn a_body_that_may_be_long_and_announces_no_trailers_is_never_held() {
    let policy = policy(vec![], vec![("credit_card", Action::Mask(Mask { keep_last: 4, ..Mask::default() }))]);
    let keeps = |announces_trailers, len| {
        let mut stream = Stream::new(Format::Json, None, announces_trailers, len);
        let outcome = stream.piece(&policy, &OPTIONS, &mut Tally::default(), b"{\"a\": \"4111", false).unwrap();
        assert_eq!(outcome.replaced, (!outcome.keep).then(|| b"{\"a\": ".to_vec()));
        outcome.keep
    };
    assert!(keeps(true, None) && keeps(false, Some(1000)) && keeps(true, Some(1 << 30)));
    assert!(!keeps(false, None) && !keeps(false, Some(1 << 30)));
}

#[test]
fn what_cannot_be_masked_is_given_back_to_the_byte_in_every_chunking() {
    let options = Options { on_invalid: Some(crate::masking::OnInvalid::Fail), ..OPTIONS };
    let policy = policy(vec![], vec![("credit_card", Action::Mask(Mask::default()))]);
    let body = b"{\"b\": \"hello\", oops}";
    for holds in [false, true] {
        for cut in 0..=body.len() {
            let mut stream = Stream::new(Format::Json, None, holds, None);
            let mut client = Vec::new();
            let mut held = Vec::new();
            for (part, is_last) in [(&body[..cut], false), (&body[cut..], true)] {
                held.extend_from_slice(part);
                match stream.piece(&policy, &options, &mut Tally::default(), &held, is_last) {
                    Ok(outcome) => {
                        held = outcome.replaced.unwrap_or(held);
                        if !outcome.keep {
                            client.append(&mut held);
                        }
                    }
                    Err(_) => {
                        client.append(&mut stream.give_back(&held).unwrap());
                        client.extend_from_slice(if is_last { b"" } else { &body[cut..] });
                        break;
                    }
                }
            }
            assert_eq!(client, body, "{holds} {cut}");
        }
    }
}

#[test]
fn a_body_that_begins_with_a_mark_of_utf_16_cannot_be_read() {
    let policy = policy(vec![], vec![("credit_card", Action::Mask(Mask::default()))]);
    for format in [Format::Json, Format::JsonLines, Format::EventStream, Format::Form, Format::Text] {
        for body in [b"\xff\xfe4\x001\x00", b"\xfe\xff\x004\x001"] {
            for cut in 0..body.len() {
                let mut stream = Stream::new(format, None, false, None);
                let mut push = |piece: &[u8], is_last| {
                    stream
                        .piece(&policy, &OPTIONS, &mut Tally::default(), piece, is_last)
                        .map(|outcome| outcome.replaced)
                };
                let pieces = push(&body[..cut], false).and_then(|_| push(&body[cut..], true));
                assert_eq!(pieces, Err(Stop::Failed("undecodable")), "{format:?} {cut}");
            }
        }
        let mut stream = Stream::new(Format::Text, None, false, None);
        for (piece, is_last) in [(&b"x"[..], false), (b"\xff\xfe", true)] {
            assert!(stream.piece(&policy, &OPTIONS, &mut Tally::default(), piece, is_last).is_ok());
        }
    }
}

/// A gRPC message with one field of this length.
fn message(len: usize) -> Vec<u8> {
    let mut message = Vec::new();
    put_bytes(&mut message, 2, &vec![b'x'; len]);
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat()
}

/// What comes out of each piece of a body of which nothing is held.
fn pieces(body: impl Into<Body>, options: &Options, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let policy = policy(vec![], vec![("credit_card", Action::Mask(Mask::default()))]);
    let mut stream = Stream::new(body, None, false, None);
    let mut piece = |piece: &&[u8]| {
        let outcome = stream.piece(&policy, options, &mut Tally::default(), piece, false).unwrap();
        outcome.replaced.unwrap_or_else(|| piece.to_vec())
    };
    pieces.iter().map(&mut piece).collect()
}

#[test]
fn what_is_carried_is_not_copied_for_each_piece() {
    let policy = policy(vec![], vec![]);
    let message = message(20_000);
    for encoding in [Encoding::Identity, Encoding::Gzip] {
        let encoded = match encoding {
            Encoding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
                encoder.write_all(&message).unwrap();
                encoder.finish().unwrap()
            }
            _ => message.clone(),
        };
        let mut stream = Stream::new(Body::Grpc(Grpc::new(false)), encoding.decoder(1 << 20), false, None);
        let mut copies = 0;
        let mut client = Vec::new();
        for (at, byte) in encoded.chunks(1).enumerate() {
            let before = stream.carry.capacity();
            let outcome =
                stream.piece(&policy, &OPTIONS, &mut Tally::default(), byte, at + 1 == encoded.len()).unwrap();
            copies += usize::from(stream.carry.capacity() != before);
            client.extend(outcome.replaced.unwrap_or_else(|| byte.to_vec()));
        }
        assert_eq!(client, message);
        assert!(copies < 50, "{copies}");
    }
}

#[test]
fn messages_that_wait_for_their_ends_are_bounded_together() {
    let policy = policy(vec![], vec![]);
    let begun = &message((1 << 20) - 100)[..(1 << 20) - 200];
    let piece = |stream: &mut Stream, piece: &[u8]| {
        stream.piece(&policy, &OPTIONS, &mut Tally::default(), piece, false).map(|outcome| outcome.keep)
    };
    let new = || Stream::new(Body::Grpc(Grpc::new(false)), None, false, None);
    let mut streams = Vec::new();
    let outcome = loop {
        let mut stream = new();
        match piece(&mut stream, begun) {
            Ok(_) => streams.push(stream),
            outcome => break outcome,
        }
    };
    assert_eq!(outcome, Err(Stop::FULL));
    assert!((60..70).contains(&streams.len()), "{}", streams.len());
    assert_eq!(piece(&mut new(), &begun[..60_000]), Ok(false), "short ones pass all the same");
    streams.pop();
    assert_eq!(piece(&mut new(), begun), Ok(false), "what has gone makes room");
}

#[test]
fn what_is_whole_goes_with_the_piece_that_makes_it_so() {
    let message = message(17_000);
    for at in [1, 4, 5, 6, 1000, 16_384, message.len() - 1] {
        let (first, second) = message.split_at(at);
        let sent = pieces(Body::Grpc(Grpc::new(false)), &OPTIONS, &[first, second]);
        assert_eq!(sent, [vec![], message.clone()], "{at}");
    }
    let options = Options { max_hold: 8192, ..OPTIONS };
    for (format, before, after) in
        [(Format::JsonLines, "{\"a\":\"", "\"}\n"), (Format::EventStream, "data: {\"a\":\"", "\"}\n\n")]
    {
        let begun = [before, &"x".repeat(5000)].concat();
        let [begun, sent] = pieces(format, &options, &[begun.as_bytes(), after.as_bytes()]).try_into().unwrap();
        assert!(begun.len() < before.len(), "{format:?}");
        assert!(sent.ends_with(after.trim_end().as_bytes()) || sent.ends_with(after.as_bytes()), "{format:?}");
    }
}

#[test]
fn a_quote_that_ends_nothing_is_no_reason_to_look_again() {
    let options = Options { max_hold: 8192, ..OPTIONS };
    let policy = policy(vec![], vec![("credit_card", Action::Mask(Mask::default()))]);
    let mut stream = Stream::new(Format::Json, None, false, None);
    let mut looks = 0;
    for byte in [&b"[\""[..], &b"\\\"".repeat(4000)].concat().chunks(1) {
        let before = stream.reader.undecided;
        stream.piece(&policy, &options, &mut Tally::default(), byte, false).unwrap();
        looks += usize::from(stream.reader.undecided != before);
    }
    assert!(looks < 600, "{looks}");
}
