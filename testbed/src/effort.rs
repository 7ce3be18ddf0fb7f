//! Effort: how long tests may take.

use std::env;

/// Whether tests are to take their time, as `PALISADE_LONG=1` asks for.
pub fn is_long() -> bool {
    env::var_os("PALISADE_LONG").is_some_and(|long| long == "1")
}
