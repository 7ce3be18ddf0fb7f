//! Signatures of functions between a guest and its host.

use wasmtime::{Engine, FuncType, ValType};

/// The types of a function's parameters and results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature {
    pub parameters: &'static [Word],
    pub result: bool,
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    I32,
    I64,
}

impl Signature {
    pub(crate) fn fits(self, ty: &FuncType) -> bool {
        ty.params().map(|ty| Word::of(&ty)).eq(self.parameters.iter().map(|word| Some(*word)))
            && ty.results().map(|ty| Word::of(&ty)).eq(self.result.then_some(Some(Word::I32)))
    }

    pub(crate) fn ty(self, engine: &Engine) -> FuncType {
        let parameters = self.parameters.iter().map(|word| match word {
            Word::I32 => ValType::I32,
            Word::I64 => ValType::I64,
        });
        FuncType::new(engine, parameters, self.result.then_some(ValType::I32))
    }
}

impl Word {
    const fn of(ty: &ValType) -> Option<Self> {
        match ty {
            ValType::I32 => Some(Self::I32),
            ValType::I64 => Some(Self::I64),
            _ => None,
        }
    }
}
