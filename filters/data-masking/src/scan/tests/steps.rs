//! How often a scanner of all detectors looks at the bytes of a text.

use super::*;
use crate::detectors::steps;

/// What matches are made of, and what looks like their beginnings.
const PIECES: &[&[u8]] = &[
    b"1",
    b"12",
    b"123",
    b"1234",
    b"0",
    b"4111",
    b"a",
    b"A",
    b"e",
    b"f",
    b".",
    b"-",
    b" ",
    b"@",
    b"'",
    b":",
    b"/",
    b"+",
    b"_",
    b"(",
    b"%",
    b"\\",
    b"\n",
    b"eyJ",
    b"eyJ-",
    b"eyJhbGciOiJub25lIn0.",
    b"://",
    b"://a:b",
    b"xoxb-",
    b"xoxa-1",
    b"hooks.slack.com/services/",
    b"ghp_",
    b"ghs_",
    b"github_pat_",
    b"sk_live_",
    b"whsec_/",
    b"ya29.",
    b"AIza-",
    b"GOCSPX-",
    b"AKIA",
    b"enc_k1_",
    b"-----BEGIN PRIVATE KEY-----",
    b"-----BEGIN PRIVATE KEY-----{",
    b"-----END ",
    b"-----END PRIVATE KEY-----",
    b"bc1",
    b"1BvBMSEYst",
    b"GB82",
    b"GB82 WEST",
    b"DE89 3704 ",
    b"4111 1111 1111 1111",
    b"+1 415 555 0123",
    b"536-90-4399",
    b"a@b.example",
    b"a.b@",
    b"x@y.zz'",
    b"2001:db8::1",
    b"192.0.2.1",
    b"00:11:22",
    b"110105",
    b"19491231",
    b"S1234567",
    b"AB 12 34 56",
    b"ACUPA7085R",
    b"16.727.230/0001-97",
    b"aA1/",
    b"the ",
    b"ssn ",
    b"tel",
    b"tel (",
    b"\xc3\xa4",
    b"\xff",
];

fn scanner_of_all() -> Scanner {
    Scanner::new(detectors::all().iter().map(|detector| (Sought::BuiltIn(detector), false)).collect())
}

/// Steps of the scanner for a whole text.
fn steps_for(scanner: &Scanner, text: &[u8]) -> usize {
    steps::reset();
    let mut findings = Vec::new();
    scanner.scan(&mut State::default(), b"", text, true, &mut findings);
    text.len() + steps::count()
}

/// The same numbers every time (xorshift).
fn next(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed >> 33).unwrap()
}

#[test]
fn no_text_costs_more_for_each_byte_the_longer_it_is() {
    let scanner = scanner_of_all();
    for (number, piece) in PIECES.iter().enumerate() {
        for other in [b"".as_slice(), PIECES[(number * 7 + 3) % PIECES.len()], b" ", b"1", b"a"] {
            let unit = [piece, other].concat();
            // 1 MiB is looked at in the module, by its fuel.
            let [short, long] = [16 << 10, 128 << 10].map(|len: usize| {
                let mut text = unit.repeat(len / unit.len() + 1);
                text.truncate(len);
                steps_for(&scanner, &text) as f64 / len as f64
            });
            assert!(long <= short * 1.5, "{short:.1} and {long:.1} steps a byte: {}", unit.escape_ascii());
        }
    }
}

#[test]
fn none_of_a_million_texts_costs_five_times_the_median_for_each_byte() {
    let scanner = scanner_of_all();
    let mut seed = 20_260_601;
    let mut costs = Vec::new();
    let mut worst = (0.0, Vec::new());
    let mut text = Vec::new();
    for _ in 0..1_000_000 {
        text.clear();
        // Of few pieces over and over, or of many.
        let pool: Vec<_> = (0..=next(&mut seed) % 6).map(|_| PIECES[next(&mut seed) % PIECES.len()]).collect();
        while text.len() < 96 {
            text.extend_from_slice(pool[next(&mut seed) % pool.len()]);
        }
        let cost = steps_for(&scanner, &text) as f64 / text.len() as f64;
        if cost > worst.0 {
            worst = (cost, text.clone());
        }
        costs.push(cost);
    }
    costs.sort_by(f64::total_cmp);
    let median = costs[costs.len() / 2];
    assert!(worst.0 <= 5.0 * median, "{median:.1} and {:.1} steps a byte: {}", worst.0, worst.1.escape_ascii());
}
