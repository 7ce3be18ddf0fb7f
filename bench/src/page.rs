//! The page of a report: what an operator asks, answered by its figures.

use std::fmt::Write as _;

use anyhow::Result;

use crate::group::{Kind, REFERENCE};
use crate::picture;
use crate::report::{Figures, Report};
use crate::verdict::Verdict;

/// The page and its pictures, by the names of their files.
pub fn files(report: &Report) -> Result<[(&'static str, String); 3]> {
    Ok([("README.md", page(report)), ("cost.svg", picture::cost(report)?), ("scaling.svg", picture::scaling(report)?)])
}

fn page(report: &Report) -> String {
    let sections = [
        HEAD.to_owned(),
        machine(report),
        requests(report),
        starts(report),
        memory(report),
        scaling(report),
        goals(report),
    ];
    sections.join("\n")
}

const HEAD: &str = "\
# What the filters cost

`scripts/bench report` made this page and its pictures of [figures.json](figures.json), which `scripts/bench --json FILE` has written. How it was
measured, and what the columns are, says [the bench](../README.md).
";

fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let version = machine.envoy.split('/').nth(1).unwrap_or(&machine.envoy);
    let valgrind = machine.valgrind.as_ref().map_or_else(String::new, |version| format!(", {version}"));
    let quick = if report.quick { " Some of it with `--quick`: in few rounds." } else { "" };
    let modules = report.modules.iter().map(|module| {
        let sha256 = module.sha256.get(..12).unwrap_or(&module.sha256);
        format!("{} ({} bytes, `{sha256}`)", module.name, module.size)
    });
    format!(
        "Envoy {version}{valgrind}, {} cores of an {}, Linux {}.{quick}\n\nThe modules, with their lengths and the first digits of their SHA-256: \
         {}.\n",
        machine.cores,
        machine.cpu,
        machine.kernel,
        modules.collect::<Vec<_>>().join(", ")
    )
}

/// A table of these columns, without those that have nothing; the first is text, the others are figures.
fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    if rows.is_empty() {
        return "Not measured.\n".to_owned();
    }
    let is_shown = |column: usize| rows.iter().any(|row| !row[column].is_empty());
    let shown: Vec<_> = (0..columns.len()).filter(|column| is_shown(*column)).collect();
    let line = |cells: &dyn Fn(usize) -> String| {
        let cells: Vec<_> = shown.iter().map(|column| cells(*column)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut table = line(&|column| columns[column].to_owned());
    table += &format!("|---|{}\n", "--:|".repeat(shown.len().saturating_sub(1)));
    for row in &rows {
        table += &line(&|column| row[column].clone());
    }
    table
}

fn cell<T>(figure: Option<T>, show: impl FnOnce(T) -> String) -> String {
    figure.map_or_else(String::new, show)
}

// === Requests ===

fn requests(report: &Report) -> String {
    let mut text = "\
## What does it cost me per request?

![Instructions that filters add to a request](cost.svg)

What a chain adds to a request in Envoy's worker thread: thousands of instructions, and microseconds of CPU time, which hold for this machine
alone. `to …` is the CPU time of the whole request as a multiple of what it takes with that chain, of Envoy's own filter or of Lua. `no filter` is
the whole of a request that meets the router alone.
"
    .to_owned();
    for measured in report.workloads.iter().filter(|measured| measured.point.is_none()) {
        let rows: Vec<_> = measured.chains.iter().filter_map(request).collect();
        if !rows.is_empty() {
            let native = measured.native.as_deref().map_or_else(String::new, |name| format!("to {name}"));
            let columns = ["chain", "instructions", "of the module", "CPU us", &native, "host calls that return data"];
            let _ = write!(text, "\n**{}**\n\n{}", measured.name(), table(&columns, rows));
        }
    }
    text
}

fn request(figures: &Figures) -> Option<Vec<String>> {
    if figures.instructions.is_none() && figures.cpu_time.is_none() {
        return None;
    }
    let is_reference = figures.chain == REFERENCE;
    let instructions = figures.instructions.map(|counted| match is_reference {
        true => counted.total,
        false => counted.added.median,
    });
    let compiled = figures.instructions.filter(|_| !is_reference && figures.bytes > 0);
    let time = figures.cpu_time.map(|taken| if is_reference { taken.total } else { taken.added });
    let calls = figures.host_calls.as_ref().filter(|_| figures.bytes > 0);
    Some(vec![
        if is_reference { "no filter".to_owned() } else { figures.chain.clone() },
        cell(instructions, |count| format!("{:.1}k", count / 1e3)),
        cell(compiled, |counted| format!("{:.1}k", counted.compiled / 1e3)),
        cell(time, |time| format!("{:.1} ({:.1}-{:.1})", time.median, time.low, time.high)),
        cell(figures.cpu_time.and_then(|taken| taken.ratio), |ratio| {
            format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.low, ratio.high)
        }),
        cell(calls, |calls| calls.returned_data.to_string()),
    ])
}

// === Starts ===

fn starts(report: &Report) -> String {
    let mut text = "\
## How long is the start, and how much memory does a worker take?

What a module adds to Envoy from its execution to the first answer: CPU time of all threads, time on the clock, and memory, with one worker
thread, and for the second one. `no filter` is the whole of it.

"
    .to_owned();
    let rows = report.workloads.iter().flat_map(|measured| &measured.chains).filter_map(start);
    text += &table(
        &["chain", "module", "CPU time", "time", "memory", "CPU time of one more worker", "memory of one more worker"],
        rows,
    );
    text
}

fn start(figures: &Figures) -> Option<Vec<String>> {
    let [one, two] = figures.start.as_slice() else { return None };
    let is_reference = figures.kind == Kind::None;
    let of = |taken: crate::start::Taken| if is_reference { taken.total.median } else { taken.added.median };
    // Zero has no sign.
    let milliseconds = |time: f64| format!("{:.0} ms", time.round() + 0.0);
    let mib = |kib: f64| format!("{:.1} MiB", kib / 1024.0);
    Some(vec![
        if is_reference { "no filter".to_owned() } else { figures.chain.clone() },
        if is_reference { String::new() } else { format!("{:.0} KiB", figures.bytes as f64 / 1024.0) },
        milliseconds(of(one.cpu_ms)),
        milliseconds(of(one.wall_ms)),
        mib(of(one.memory_kib)),
        milliseconds(of(two.cpu_ms) - of(one.cpu_ms)),
        mib(of(two.memory_kib) - of(one.memory_kib)),
    ])
}

// === Memory ===

fn memory(report: &Report) -> String {
    let mut text = "\
## Does it leak?

The memory of the whole of Envoy, with one worker thread and one chain, after a tenth of the requests, when all is compiled and all tables are
full, and after all of them.

"
    .to_owned();
    let rows = report.workloads.iter().flat_map(|measured| &measured.chains).filter_map(|figures| {
        let (warm, end, requests) = figures.memory.as_ref()?.ends()?;
        let growth = figures.memory.as_ref()?.growth_kib()?;
        Some(vec![
            figures.chain.clone(),
            requests.to_string(),
            format!("{warm} KiB"),
            format!("{end} KiB"),
            format!("{growth:+} KiB"),
        ])
    });
    text += &table(&["chain", "requests", "after a tenth", "in the end", "growth"], rows);
    text
}

// === Scaling ===

fn scaling(report: &Report) -> String {
    let mut text = "\
## Does it cost more when there is more?

![What filters add to a request when there is more of something](scaling.svg)

"
    .to_owned();
    let rows =
        report.workloads.iter().flat_map(|measured| measured.chains.iter().map(move |figures| (measured, figures)));
    let rows = rows.filter(|(_, figures)| figures.kind != Kind::None).filter_map(|(measured, figures)| {
        Some(vec![
            format!("{}: {}", measured.workload, figures.chain),
            measured.point?.to_string(),
            cell(figures.instructions, |counted| format!("{:.1}k", counted.added.median / 1e3)),
            cell(figures.cpu_time, |taken| {
                format!("{:.1} ({:.1}-{:.1})", taken.added.median, taken.added.low, taken.added.high)
            }),
        ])
    });
    text += &table(&["what", "at", "instructions added", "CPU us added"], rows);
    text
}

// === Goals ===

fn goals(report: &Report) -> String {
    let verdicts = || {
        let workloads = report.workloads.iter();
        workloads.flat_map(|measured| measured.verdicts().into_iter().map(move |verdict| (measured, verdict)))
    };
    let count = |is_counted: fn(&Verdict<'_>) -> bool| verdicts().filter(|(_, verdict)| is_counted(verdict)).count();
    let (measured, missed) = (count(|verdict| verdict.measured.is_some()), count(|verdict| verdict.is_missed));
    let mut text = format!("## Are the goals met?\n\n{} of {measured} are.", measured - missed);
    match count(|verdict| verdict.measured.is_none()) {
        0 => {}
        others => text += &format!(" {others} more were not measured."),
    }
    text += "\n\n";
    let rows = verdicts().map(|(measured, verdict)| {
        vec![
            format!("{}: {}", measured.name(), verdict.chain),
            verdict.what.to_owned(),
            verdict.goal,
            match (&verdict.measured, verdict.is_missed) {
                (None, _) => "not measured",
                (_, true) => "**missed**",
                (_, false) => "met",
            }
            .to_owned(),
            verdict.measured.unwrap_or_default(),
        ]
    });
    text += &table(&["chain", "what", "goal", "", "measured"], rows);
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for (measured, verdict) in verdicts() {
        let Some(why) = verdict.why else { continue };
        let chain = format!("{}: {}", measured.name(), verdict.chain);
        match reasons.iter_mut().find(|(known, _)| known == why.trim()) {
            Some((_, chains)) if chains.contains(&chain) => {}
            Some((_, chains)) => chains.push(chain),
            None => reasons.push((why.trim().to_owned(), vec![chain])),
        }
    }
    if !reasons.is_empty() {
        text += "\nWhy some are not:\n\n";
    }
    for (why, chains) in reasons {
        let _ = writeln!(text, "- {why} ({})", chains.join("; "));
    }
    text
}
