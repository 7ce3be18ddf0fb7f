//! The wasm module of several filters; of which, says `cargo palisade build --fuse`.

include!(concat!(env!("OUT_DIR"), "/fuse.rs"));
