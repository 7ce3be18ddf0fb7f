//! Numbers that states give to people and enterprises.

mod africa;
mod americas;
mod asia;
mod europe;
mod oceania;

pub(super) use africa::ZA_ID;
pub(super) use americas::{BR_CNPJ, BR_CPF, CA_SIN, US_SSN};
pub(super) use asia::{CN_MOBILE, CN_RESIDENT_ID, IN_AADHAAR, IN_PAN, KR_RRN, SG_FIN, TR_ID};
pub(super) use europe::{DE_TAX_ID, ES_NIF, FR_NIR, PL_PESEL, UK_NHS, UK_NINO};
pub(super) use oceania::{AU_ABN, AU_TFN};

use super::byte_set::DIGITS;
use super::written::{self, Written};
use super::{Boundary, Detector, Score, Shape, Words};

type Forms = &'static [&'static str];
type Check = fn(&[u8]) -> Option<Score>;

/// A number of digits whose unseparated form is rarely anything else: fewer than one in a hundred numbers of its length
/// pass the check.
const fn rare(name: &'static str, forms: Forms, check: Check) -> Detector {
    Detector {
        name,
        starts: DIGITS,
        max_len: 32,
        needs: written::needs(forms),
        leads: written::leads(forms),
        before: Boundary::NotNumber,
        skip: 0,
        context: Words::NONE,
        shape: Shape::Written(Written { forms, check, is_common: false }),
    }
}

/// A number of digits whose unseparated form needs one of these words before it.
const fn common(name: &'static str, forms: Forms, words: &'static [&'static str], check: Check) -> Detector {
    let context = Words::new(words);
    Detector { context, shape: Shape::Written(Written { forms, check, is_common: true }), ..rare(name, forms, check) }
}

/// What a checksum confirms.
fn validated(is_valid: bool) -> Option<Score> {
    is_valid.then_some(Score::Validated)
}
