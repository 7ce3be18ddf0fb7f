//! Statistics of few and noisy figures.

use serde::{Deserialize, Serialize};

/// A median, and the quartiles around it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the figures are at most this.
    pub median: f64,
    /// A quarter of the figures are below.
    pub low: f64,
    /// A quarter of the figures are above.
    pub high: f64,
}

impl Spread {
    /// Of these figures; nothing is known from none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let quantile = |share| quantile(&figures, share);
        Some(Self { median: quantile(0.5)?, low: quantile(0.25)?, high: quantile(0.75)? })
    }

    /// Of the figures that come from one round of each, since what disturbs a round disturbs both.
    pub fn of_pairs(ours: &[f64], theirs: &[f64], relate: impl Fn(f64, f64) -> f64) -> Option<Self> {
        Self::of(ours.iter().zip(theirs).map(|(ours, theirs)| relate(*ours, *theirs)))
    }
}

/// By linear interpolation between the two figures that are nearest.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * (sorted.len().checked_sub(1)? as f64);
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_ignores_what_lies_far_out() {
        let spread = Spread::of([3.0, 1.0, 1000.0, 2.0, 4.0]).unwrap();
        assert_eq!(spread, Spread { median: 3.0, low: 2.0, high: 4.0 });
    }

    #[test]
    fn a_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([1.0, 2.0]).unwrap(), Spread { median: 1.5, low: 1.25, high: 1.75 });
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_round_that_is_slow_for_both_does_not_change_their_ratio() {
        let (ours, theirs) = ([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]);
        assert_eq!(Spread::of_pairs(&ours, &theirs, |a, b| a / b).unwrap().median, 2.0);
        assert_eq!(Spread::of_pairs(&ours, &theirs, |a, b| a - b).unwrap().median, 1.0);
    }
}
