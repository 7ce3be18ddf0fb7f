//! SHA crypt (Drepper, 2008): `$5$` and `$6$`, as text.

use ::sha_crypt::{Params, sha256_crypt, sha512_crypt};

use super::radix64;

const NONE: u8 = u8::MAX;

const GROUPS_256: &[[u8; 3]] = &[
    [0, 10, 20],
    [21, 1, 11],
    [12, 22, 2],
    [3, 13, 23],
    [24, 4, 14],
    [15, 25, 5],
    [6, 16, 26],
    [27, 7, 17],
    [18, 28, 8],
    [9, 19, 29],
    [NONE, 31, 30],
];

const GROUPS_512: &[[u8; 3]] = &[
    [0, 21, 42],
    [22, 43, 1],
    [44, 2, 23],
    [3, 24, 45],
    [25, 46, 4],
    [47, 5, 26],
    [6, 27, 48],
    [28, 49, 7],
    [50, 8, 29],
    [9, 30, 51],
    [31, 52, 10],
    [53, 11, 32],
    [12, 33, 54],
    [34, 55, 13],
    [56, 14, 35],
    [15, 36, 57],
    [37, 58, 16],
    [59, 17, 38],
    [18, 39, 60],
    [40, 61, 19],
    [62, 20, 41],
    [NONE, NONE, 63],
];

/// The 43 characters of `$5$`.
pub(super) fn sha256(password: &[u8], salt: &[u8], params: Params) -> [u8; 43] {
    radix64::write(&sha256_crypt(password, salt, params), GROUPS_256)
}

/// The 86 characters of `$6$`.
pub(super) fn sha512(password: &[u8], salt: &[u8], params: Params) -> [u8; 86] {
    radix64::write(&sha512_crypt(password, salt, params), GROUPS_512)
}
