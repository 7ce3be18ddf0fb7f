//! Arguments of a host call.

use wasmtime::Val;

/// Arguments of a host call, whose types the engine has checked.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a>(pub(crate) &'a [Val]);

impl Arguments<'_> {
    pub(crate) fn u32(self, index: usize) -> u32 {
        match self.0.get(index) {
            Some(Val::I32(value)) => value.cast_unsigned(),
            _ => 0,
        }
    }

    pub(crate) fn i64(self, index: usize) -> i64 {
        match self.0.get(index) {
            Some(Val::I64(value)) => *value,
            _ => 0,
        }
    }
}
