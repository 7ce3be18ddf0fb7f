//! Headers and trailers: single values with a name.

use crate::config::HeaderRule;
use crate::masking::{Options, Policy, Run, Stop, Tally};
use crate::splice::Splice;

/// Headers and their lines.
pub(crate) type Lines = Vec<(String, Vec<Vec<u8>>)>;

/// The lines of a header with what is to be masked masked; `None` when nothing is.
pub(crate) fn masked(
    rule: &HeaderRule,
    policy: &Policy,
    options: &Options,
    tally: &mut Tally,
    values: &[&[u8]],
) -> Result<Option<Vec<Vec<u8>>>, Stop> {
    let mut run = Run { policy, options, splice: Splice::new(&[]), tally };
    let mut is_changed = false;
    let mut lines = Vec::with_capacity(values.len());
    for value in values {
        let masked = match &rule.action {
            Some(action) => run.named(action, &rule.name, value)?,
            None => run.whole(rule.name.as_bytes(), value)?,
        };
        let is_removed = rule.action.as_ref().is_some_and(|action| action.is_remove()) && masked.is_some();
        is_changed |= masked.is_some();
        if !is_removed {
            lines.push(masked.unwrap_or_else(|| value.to_vec()));
        }
    }
    Ok(is_changed.then_some(lines))
}
