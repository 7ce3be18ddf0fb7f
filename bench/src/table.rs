//! A table: the figures of a workload on a terminal.

use std::fmt;

use crate::host_calls::HostCalls;
use crate::report::{Figures, Measured};
use crate::statistics::Spread;

const COLUMNS: [&str; 12] = [
    "chain",
    "instr. added",
    "compiled",
    "CPU added us",
    "CPU us",
    "added to native",
    "all to native",
    "start CPU ms",
    "start ms",
    "start KiB",
    "warm KiB",
    "end KiB",
];

impl Figures {
    fn cells(&self) -> [String; COLUMNS.len()] {
        let mut cells = COLUMNS.map(|_| String::new());
        self.chain.clone_into(&mut cells[0]);
        if let Some(counted) = self.instructions {
            let half = (counted.added.high - counted.added.low) / 2.0;
            cells[1] = format!("{:.1}k ±{:.1}", counted.added.median / 1e3, half / 1e3);
            cells[2] = format!("{:.1}k", counted.compiled / 1e3);
        }
        if let Some(taken) = self.cpu_time {
            cells[3] = format!("{:.1}", taken.added.median);
            cells[4] = format!("{:.1}", taken.total.median);
            cells[5] = self.goal.added_ratio.map_or_else(String::new, |_| ratio(taken.added_ratio));
            cells[6] = ratio(taken.ratio);
        }
        let starts = |figure: fn(&crate::start::Start) -> f64| {
            self.start.iter().map(|start| format!("{:.0}", figure(start))).collect::<Vec<_>>().join(" / ")
        };
        cells[7] = starts(|start| start.cpu_ms.added.median);
        cells[8] = starts(|start| start.wall_ms.added.median);
        cells[9] = starts(|start| start.memory_kib.added.median);
        if let Some((warm, end, _)) = self.memory.as_ref().and_then(|memory| memory.ends()) {
            cells[10] = warm.to_string();
            cells[11] = end.to_string();
        }
        cells
    }
}

fn ratio(spread: Option<Spread>) -> String {
    spread.map_or_else(String::new, |ratio| format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.low, ratio.high))
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = self.point.map_or_else(String::new, |point| format!(", {point}"));
        writeln!(f, "{}{point}", self.name())?;
        let rows: Vec<_> =
            [COLUMNS.map(str::to_owned)].into_iter().chain(self.chains.iter().map(Figures::cells)).collect();
        for row in &rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
                match column {
                    0 => line += &format!("  {cell:<width$}"),
                    _ if rows.iter().skip(1).all(|row| row[column].is_empty()) => {}
                    _ => line += &format!("  {cell:>width$}"),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        for verdict in self.verdicts() {
            let (chain, what, goal) = (verdict.chain, verdict.what, verdict.goal);
            let Some(measured) = verdict.measured else { continue };
            let missed = if verdict.is_missed { ", missed" } else { "" };
            writeln!(f, "  {chain}: {what}: {measured}, goal {goal}{missed}")?;
        }
        for figures in &self.chains {
            if let Some(calls) = figures.host_calls.as_ref().filter(|calls| !calls.by_name.is_empty()) {
                writeln!(f, "  {}: {calls}", figures.chain)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for HostCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<_> = self.by_name.iter().map(|(name, count)| format!("{name} {count}")).collect();
        write!(f, "{}; {} returned data", calls.join(", "), self.returned_data)
    }
}

#[cfg(test)]
mod tests {
    use crate::goal::Goal;
    use crate::group::Kind;
    use crate::instructions::Instructions;
    use crate::report::{Figures, Measured};
    use crate::statistics::Spread;

    #[test]
    fn what_was_not_measured_has_no_column_and_a_goal_that_is_missed_is_called_so() {
        let added = Spread { median: 9100.0, low: 9000.0, high: 9200.0 };
        let goal = Goal { instructions: Some(9000.0), cpu_ratio: Some(1.1), ..Goal::default() };
        let chains = vec![Figures {
            instructions: Some(Instructions { added, total: 0.0, compiled: 1000.0 }),
            ..Figures::new("ours", Kind::Palisade, goal)
        }];
        let measured = Measured { group: "g".to_owned(), workload: "w".to_owned(), point: None, native: None, chains };
        let expected = "\
g: w
  chain  instr. added  compiled
  ours      9.1k ±0.1      1.0k
  ours: instructions added: 9.1k, goal 9.0k, missed
";
        assert_eq!(measured.to_string(), expected);
    }
}
