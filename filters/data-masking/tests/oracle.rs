//! Validators agree with other implementations on seeded random numbers: see `oracle/oracle.py`.

#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used)]

use palisade_data_masking::detectors::{self, Score, Step};
use sha2::{Digest as _, Sha256};

const DIGITS: &[u8] = b"0123456789";
const CAPITALS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

#[test]
fn every_verdict_is_that_of_another_implementation() {
    let mut differing = Vec::new();
    for line in include_str!("oracle/verdicts.txt").lines() {
        let [name, template, bodies, valid, digest] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let detector = detectors::find(name).unwrap();
        let mut verdicts = Vec::new();
        for number in numbers(&template.replace('_', " "), bodies.parse().unwrap()) {
            let step = detector.scan(&number, true);
            assert_ne!(step, Step::Open);
            // Korea's numbers count by context where the check digit is wrong.
            let is_unchecked = |score| name == "kr_rrn" && score == Score::Bare;
            let is_valid = matches!(step, Step::Match { len, score } if len == number.len() && !is_unchecked(score));
            verdicts.push(if is_valid { b'1' } else { b'0' });
        }
        let own = verdicts.iter().filter(|verdict| **verdict == b'1').count();
        let own_digest: String = Sha256::digest(&verdicts).iter().map(|byte| format!("{byte:02x}")).collect();
        if (own, own_digest.as_str()) != (valid.parse().unwrap(), digest) {
            differing.push(format!("{own} valid here: {line}"));
        }
    }
    assert_eq!(differing, [""; 0]);
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ z >> 31) % bound as u64).unwrap()
    }
}

fn numbers(template: &str, bodies: usize) -> Vec<Vec<u8>> {
    let mut random = Random(template.len() as u64);
    let mut numbers = Vec::new();
    for _ in 0..bodies {
        let mut drawn = vec![Vec::new()];
        let mut rest = template;
        while let Some(symbol) = rest.chars().next() {
            rest = rest.strip_prefix(symbol).unwrap();
            let mut one_of = |characters: &[u8]| vec![vec![characters[random.below(characters.len())]]];
            let parts: Vec<Vec<u8>> = match symbol {
                '9' => one_of(DIGITS),
                'A' => one_of(CAPITALS),
                'X' => one_of(&[DIGITS, CAPITALS].concat()),
                '#' => DIGITS.iter().map(|digit| vec![*digit]).collect(),
                '@' => [DIGITS, CAPITALS].concat().into_iter().map(|byte| vec![byte]).collect(),
                '(' => {
                    let (choices, behind) = rest.split_once(')').unwrap();
                    rest = behind;
                    let choices: Vec<_> = choices.split('|').collect();
                    vec![choices[random.below(choices.len())].as_bytes().to_vec()]
                }
                symbol => vec![vec![symbol as u8]],
            };
            let joined =
                |number: &Vec<u8>| parts.iter().map(|part| [number.as_slice(), part].concat()).collect::<Vec<_>>();
            drawn = drawn.iter().flat_map(joined).collect();
        }
        numbers.append(&mut drawn);
    }
    numbers
}
