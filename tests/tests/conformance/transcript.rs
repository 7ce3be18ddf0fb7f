//! The transcript: an observation as text, without what differs from run to run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use conformance_probe::{CONTEXTS, ROOT};
use palisade_testbed::{Headers, checkout};

use crate::observation::{Client, Line, Observation, Observed, Vm};
use crate::scenarios::Scenarios;

/// Where the transcript of this name stands.
fn path(name: &str) -> Result<PathBuf> {
    Ok(checkout::root()?.join("tests/conformance/transcripts").join(name).with_extension("txt"))
}

/// The transcript of this name as it was recorded, without its head.
pub(crate) fn recorded(name: &str) -> Result<String> {
    let path = path(name)?;
    let text = fs::read_to_string(&path)
        .with_context(|| format!("there is no transcript {}: record it with PALISADE_RECORD=1", path.display()))?;
    let body = text.lines().skip_while(|line| line.starts_with('#'));
    Ok(body.map(|line| format!("{line}\n")).collect())
}

/// Whether the transcripts are to be written anew.
pub(crate) fn is_recording() -> bool {
    env::var_os("PALISADE_RECORD").is_some_and(|record| record == "1")
}

/// Writes a transcript; `host` names the host that it was recorded on.
pub(crate) fn record(name: &str, host: &str, body: &str) -> Result<()> {
    let path = path(name)?;
    let head =
        format!("# Recorded on {host};\n# PALISADE_RECORD=1 cargo test --package palisade-tests --test conformance\n");
    fs::write(&path, head + body).with_context(|| format!("writing {}", path.display()))
}

/// Holds what was seen against the transcript.
///
/// # Errors
///
/// The first lines that differ, with the case that they are in.
pub(crate) fn compare(file: &Scenarios, seen: &str) -> Result<()> {
    agreed(&differences(&recorded(&file.name)?, seen))
}

/// Like [`compare`], without what client and upstream saw, and but for `gaps`: the cases that are known to differ.
///
/// # Errors
///
/// The other cases that differ, or a gap that is none.
pub(crate) fn compare_callbacks(file: &Scenarios, seen: &str, gaps: &[&str]) -> Result<()> {
    let mut differences = callback_differences(file, seen)?;
    for gap in gaps {
        ensure!(differences.remove(*gap).is_some(), "{gap} is as recorded: take it from the known gaps");
    }
    agreed(&differences)
}

/// What differs first in each case that does, without what client and upstream saw.
pub(crate) fn callback_differences(file: &Scenarios, seen: &str) -> Result<BTreeMap<String, String>> {
    let around = |line: &&str| ["client ", "client: ", "upstream "].iter().any(|start| line.starts_with(start));
    let recorded: String =
        recorded(&file.name)?.lines().filter(|line| !around(line)).map(|line| format!("{line}\n")).collect();
    Ok(differences(&recorded, seen))
}

fn agreed(differences: &BTreeMap<String, String>) -> Result<()> {
    let shown: Vec<_> = differences.values().map(String::as_str).collect();
    ensure!(shown.is_empty(), "{} cases differ from the transcript\n{}", shown.len(), shown.join("\n"));
    Ok(())
}

/// What differs first in each case that does.
fn differences(recorded: &str, seen: &str) -> BTreeMap<String, String> {
    let (expected, found) = (by_case(recorded), by_case(seen));
    let cases = expected.keys().chain(found.keys().filter(|case| !expected.contains_key(*case)));
    let differing = cases.filter(|case| expected.get(*case) != found.get(*case));
    differing.map(|case| ((*case).to_owned(), difference(case, lines(&expected, case), lines(&found, case)))).collect()
}

fn lines<'a>(cases: &'a BTreeMap<&str, Vec<&'a str>>, case: &str) -> &'a [&'a str] {
    cases.get(case).map_or(&[], Vec::as_slice)
}

fn by_case(transcript: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut cases: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut case = "";
    for line in transcript.lines() {
        match line.strip_prefix("== ") {
            Some(name) => case = name,
            None => cases.entry(case).or_default().push(line),
        }
    }
    cases
}

fn difference(case: &str, expected: &[&str], found: &[&str]) -> String {
    let same = expected.iter().zip(found).take_while(|(one, other)| one == other).count();
    let line = |lines: &[&str]| lines.get(same).map_or("nothing", |line| line.trim()).to_owned();
    format!("  {case}, line {}:\n    recorded  {}\n    now       {}", same + 1, line(expected), line(found))
}

/// The transcript of an observation.
pub(crate) fn render(file: &Scenarios, observation: &Observation) -> String {
    let mut text = String::new();
    if file.root.is_some() {
        let canary = root_callbacks(observation, Vm::Canary);
        for (vm, name) in [(Vm::Canary, "canary"), (Vm::Main, "main"), (Vm::Worker, "worker")] {
            text += &format!("== {ROOT}, {name}\n");
            for (context, calls) in root_callbacks(observation, vm) {
                let same = vm != Vm::Canary && canary.iter().any(|other| (other.0, &other.1) == (context, &calls));
                text += &if same { format!("{context} as in the canary\n") } else { calls };
            }
        }
    }
    for case in &file.cases {
        let lines = observation.lines.iter().filter(|line| line.case == case.name);
        text += &format!("== {}\n{}", case.name, shown_lines(lines));
        if let Some(client) = observation.clients.iter().find(|client| client.case == case.name) {
            text += &shown_client(client);
        }
    }
    text
}

/// The callbacks of the root in a VM: ticks and queues come when they like, so each stands in its place.
fn root_callbacks(observation: &Observation, vm: Vm) -> Vec<(&'static str, String)> {
    let lines: Vec<_> = observation.lines.iter().filter(|line| line.case == ROOT && line.vm == vm).collect();
    let contexts = CONTEXTS.iter().map(|context| {
        let of_context = lines.iter().copied().filter(|line| line.is(ROOT, context));
        (*context, shown_lines(of_context))
    });
    contexts.filter(|(_, calls)| !calls.is_empty()).collect()
}

fn shown_lines<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let mut names = Names::default();
    lines
        .map(|line| match &line.seen {
            Observed::Callback { context, arguments } => format!("{context}{arguments}\n"),
            Observed::Call { call, answer, .. } => format!("  {call} -> {}\n", names.steady(answer)),
            Observed::Log { level, text, .. } => format!("  | {level}: {}\n", text.escape_debug()),
        })
        .collect()
}

fn shown_client(client: &Client) -> String {
    let mut text = match &client.response {
        Ok(response) => format!(
            "client {} {}{:?}{}\n",
            response.status,
            shown(&response.headers),
            response.text(),
            shown_trailers(&response.trailers)
        ),
        Err(error) => format!("client: {}\n", without_date(error.clone())),
    };
    for request in &client.upstream {
        text += &format!(
            "upstream {} {} {}{:?}{}\n",
            request.method,
            request.path,
            shown(&request.headers),
            String::from_utf8_lossy(&request.body),
            shown_trailers(&request.trailers),
        );
    }
    text
}

fn shown(headers: &Headers) -> String {
    let lines = headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(b"date"));
    lines.map(|(name, value)| format!("{}: {}; ", name.escape_ascii(), value.escape_ascii())).collect()
}

fn shown_trailers(trailers: &Headers) -> String {
    if trailers.is_empty() { String::new() } else { format!(" trailers {}", shown(trailers).trim_end()) }
}

/// Names for the numbers that differ from run to run: those that the whole process shares.
#[derive(Default)]
struct Names(BTreeMap<&'static str, Vec<String>>);

impl Names {
    /// An answer with names instead of compare-and-swap numbers, queues, times and ports.
    fn steady(&mut self, answer: &str) -> String {
        let mut words = Vec::new();
        let mut before = "";
        for word in answer.split(' ') {
            words.push(match before {
                "cas" => self.name("cas", word),
                "queue" => self.name("queue", word),
                "time" => "<time>".to_owned(),
                "\"x-envoy-upstream-service-time\":" => "<time>".to_owned(),
                _ => without_port(word),
            });
            before = word;
        }
        without_date(words.join(" "))
    }

    fn name(&mut self, kind: &'static str, number: &str) -> String {
        let known = self.0.entry(kind).or_default();
        let place = known.iter().position(|known| known == number).unwrap_or_else(|| {
            known.push(number.to_owned());
            known.len() - 1
        });
        format!("<{kind} {place}>")
    }
}

/// A text without its first date in the form of HTTP.
fn without_date(text: String) -> String {
    const FORM: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
    let date =
        text.find(" GMT").and_then(|zone| Some(zone.checked_sub(FORM.len() - " GMT".len())?..zone + " GMT".len()));
    match date.and_then(|date| text.get(date)) {
        Some(date) => text.replace(date, "<date>"),
        None => text,
    }
}

/// An address of this machine without the port, which is free by chance.
fn without_port(word: &str) -> String {
    const LOOPBACK: &str = "127.0.0.1:";
    let Some(start) = word.find(LOOPBACK) else { return word.to_owned() };
    let (address, rest) = word.split_at(start + LOOPBACK.len());
    let rest = rest.trim_start_matches(|character: char| character.is_ascii_digit());
    format!("{address}<port>{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_gets_a_name() {
        let mut names = Names::default();
        assert_eq!(names.steady("0 value \"a\" cas 4711"), "0 value \"a\" cas <cas 0>");
        assert_eq!(names.steady("0 cas 4712"), "0 cas <cas 1>");
        assert_eq!(names.steady("0 cas 4711"), "0 cas <cas 0>");
        assert_eq!(names.steady("0 time 123"), "0 time <time>");
        assert_eq!(names.steady("0 value \"Sun, 22 Nov 2026 00:12:23 GMT\""), "0 value \"<date>\"");
        assert_eq!(
            names.steady("0 pairs {\"a\": \"b\", \"x-envoy-upstream-service-time\": \"2\"}"),
            "0 pairs {\"a\": \"b\", \"x-envoy-upstream-service-time\": <time>"
        );
        assert_eq!(names.steady("0 value \"127.0.0.1:4711\""), "0 value \"127.0.0.1:<port>\"");
    }
}
