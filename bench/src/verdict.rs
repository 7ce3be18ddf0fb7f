//! A verdict: a goal, and what was measured.

use crate::group::Kind;
use crate::memory::Memory;
use crate::report::{Figures, Measured};

/// A goal of a chain, and what was measured.
#[derive(Debug)]
pub(crate) struct Verdict<'m> {
    pub(crate) chain: &'m str,
    /// What is measured.
    pub(crate) what: &'static str,
    pub(crate) goal: String,
    /// `None` where it was not.
    pub(crate) measured: Option<String>,
    pub(crate) is_missed: bool,
    pub(crate) why: Option<&'m str>,
}

impl Measured {
    /// The verdicts on all goals.
    pub(crate) fn verdicts(&self) -> Vec<Verdict<'_>> {
        self.chains.iter().flat_map(|chain| self.verdicts_on(chain)).collect()
    }

    fn verdicts_on<'m>(&'m self, figures: &'m Figures) -> Vec<Verdict<'m>> {
        let goal = &figures.goal;
        let time = figures.cpu_time.as_ref();
        let start = figures.start.first().map(|start| start.cpu_ms.added.median);
        let all: [(_, Show, _, _); 8] = [
            ("instructions added", thousands, goal.instructions, figures.instructions_added()),
            ("instructions added, to the dearest filter", ratio, goal.dearest_ratio, self.to_dearest(figures)),
            ("CPU time, to the native chain", ratio, goal.cpu_ratio, time.and_then(|time| Some(time.ratio?.median))),
            (
                "CPU time added, to the native chain",
                ratio,
                goal.added_ratio,
                time.and_then(|time| Some(time.added_ratio?.median)),
            ),
            (
                "host calls that return data",
                ratio,
                goal.returned_data,
                figures.host_calls.as_ref().map(|calls| calls.returned_data),
            ),
            ("CPU time of the start", milliseconds, goal.start_ms, start),
            ("size of the module", kib, goal.size_kib, Some(figures.bytes as f64 / 1024.0).filter(|size| *size > 0.0)),
            (
                "growth of memory",
                kib,
                goal.growth_kib,
                figures.memory.as_ref().and_then(Memory::growth_over_a_million_kib),
            ),
        ];
        let of = |(what, show, goal, measured): (_, Show, Option<f64>, Option<f64>)| {
            let limit = goal?;
            let is_missed = measured.is_some_and(|measured| measured > limit);
            let why = figures.goal.why.as_deref().filter(|_| is_missed);
            let measured = measured.map(show);
            Some(Verdict { chain: &figures.chain, what, goal: show(limit), measured, is_missed, why })
        };
        all.into_iter().filter_map(of).collect()
    }

    /// As a multiple of the dearest other chain of ours.
    fn to_dearest(&self, figures: &Figures) -> Option<f64> {
        let others = self.chains.iter().filter(|other| other.kind == Kind::Palisade && other.chain != figures.chain);
        let dearest = others.filter_map(Figures::instructions_added).max_by(f64::total_cmp)?;
        Some(figures.instructions_added()? / dearest)
    }
}

impl Figures {
    fn instructions_added(&self) -> Option<f64> {
        self.instructions.map(|counted| counted.added.median)
    }
}

type Show = fn(f64) -> String;

fn thousands(count: f64) -> String {
    format!("{:.1}k", count / 1e3)
}

fn ratio(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

fn milliseconds(milliseconds: f64) -> String {
    format!("{milliseconds:.0} ms")
}

fn kib(kib: f64) -> String {
    format!("{kib:.0} KiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goal::Goal;
    use crate::instructions::Instructions;
    use crate::statistics::Spread;

    fn figures(chain: &str, added: f64, goal: Goal) -> Figures {
        let added = Spread { median: added, low: added, high: added };
        let instructions = Some(Instructions { added, total: 0.0, compiled: 0.0 });
        Figures { instructions, ..Figures::new(chain, Kind::Palisade, goal) }
    }

    fn measured(chains: Vec<Figures>) -> Measured {
        Measured { group: "g".to_owned(), workload: "w".to_owned(), point: None, native: None, chains }
    }

    #[test]
    fn a_goal_that_is_missed_says_why() {
        let goal = Goal { instructions: Some(9000.0), why: Some("the host".to_owned()), ..Goal::default() };
        let measured = measured(vec![figures("met", 9000.0, goal.clone()), figures("missed", 9100.0, goal)]);
        let verdicts = measured.verdicts();
        assert!(!verdicts[0].is_missed && verdicts[0].why.is_none());
        assert!(verdicts[1].is_missed && verdicts[1].why == Some("the host"));
        assert_eq!((verdicts[1].measured.as_deref(), verdicts[1].goal.as_str()), (Some("9.1k"), "9.0k"));
    }

    #[test]
    fn several_filters_are_compared_with_the_dearest_one() {
        let goal = Goal { dearest_ratio: Some(1.8), ..Goal::default() };
        let chains =
            vec![figures("all", 60.0, goal), figures("a", 30.0, Goal::default()), figures("b", 20.0, Goal::default())];
        let measured = measured(chains);
        assert_eq!((measured.verdicts().len(), measured.verdicts()[0].is_missed), (1, true));
        assert_eq!(measured.verdicts()[0].measured.as_deref(), Some("2.00"));
    }

    #[test]
    fn a_goal_of_which_nothing_was_measured_is_neither_met_nor_missed() {
        let goal = Goal { cpu_ratio: Some(1.1), ..Goal::default() };
        let measured = measured(vec![figures("a", 1.0, goal)]);
        assert!(measured.verdicts()[0].measured.is_none() && !measured.verdicts()[0].is_missed);
    }
}
