//! `palisade`: builds, pins and checks Palisade filters.

fn main() {}
