//! The scenarios: `tests/conformance/scenarios/*.txt`, each a script for the probe with the exchanges that it is run in.
//!
//! Beside what the probe reads, a file has
//!
//! - `at CONTEXT...`: the same calls in several callbacks; `requests`, `responses`, `root`, `grpc` and `ends` are groups of
//!   them,
//! - `case NAME each CONTEXT...` with `at each`: one case for each of these callbacks, named `NAME.CONTEXT`,
//! - `case NAME everywhere` with `at everywhere`: a case for the phases and the end of a stream, `NAME.http` and `NAME.grpc`
//!   for the answers to callouts, and the root's case,
//! - `send METHOD PATH`, then `header NAME: VALUE`, `chunk TEXT`, `body TEXT`, `trailer NAME: VALUE`: the request, for a
//!   case that is not content with [`whole_request`],
//! - `over http2`: the protocol of the client,
//! - `answer STATUS`, then `answer_header`, `answer_body`, `answer_trailer`: what the upstream says instead of
//!   [`whole_answer`],
//! - `hold_headers`, in the root's case: Envoy's `allow_on_headers_stop_iteration`,
//! - comments behind `#` at the beginning of a line.
//!
//! What brings a callback about is added: a callout that a request waits for, the period of the tick, a message in the
//! queue.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use conformance_probe::{CONTEXTS, ROOT};
use palisade_testbed::client::Version;
use palisade_testbed::{Answer, Request, checkout};

use crate::setup;

/// A file of scenarios.
pub(crate) struct Scenarios {
    /// The name of the file.
    pub(crate) name: String,
    /// What the root context does, if anything.
    pub(crate) root: Option<Case>,
    /// The exchanges, in order.
    pub(crate) cases: Vec<Case>,
    /// Envoy's `allow_on_headers_stop_iteration`.
    pub(crate) hold_headers: bool,
}

/// A case: what is called under which callback, in which exchange.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) version: Version,
    pub(crate) request: Request,
    pub(crate) answer: Answer,
}

/// Callbacks that one word names.
const GROUPS: &[(&str, &[&str])] = &[
    ("requests", &["request_headers", "request_body", "request_trailers"]),
    ("responses", &["response_headers", "response_body", "response_trailers"]),
    ("root", &["start", "configure", "tick", "queue_ready"]),
    ("grpc", &["grpc_initial_metadata", "grpc_receive", "grpc_trailing_metadata", "grpc_close"]),
    ("ends", &["done", "log", "delete"]),
];

/// The cases that `everywhere` makes, by what is added to the name.
const EVERYWHERE: &[(&str, &[&str])] = &[
    (ROOT, &["start", "configure", "tick", "queue_ready"]),
    (
        "",
        &[
            "request_headers",
            "request_body",
            "request_trailers",
            "response_headers",
            "response_body",
            "response_trailers",
            "done",
            "log",
            "delete",
        ],
    ),
    (".http", &["http_call_response"]),
    (".grpc", &["grpc_initial_metadata", "grpc_receive", "grpc_trailing_metadata", "grpc_close"]),
];

/// All files, by name.
pub(crate) fn all() -> Result<Vec<Scenarios>> {
    let folder = checkout::root()?.join("tests/conformance/scenarios");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        files.push(entry?.path());
    }
    files.sort();
    ensure!(!files.is_empty(), "there are no scenarios in {}", folder.display());
    files.iter().map(|file| Scenarios::read(file).with_context(|| format!("in {}", file.display()))).collect()
}

/// A request that comes in every phase of requests.
fn whole_request() -> Request {
    Request::new("POST", "/things").header("X-Probe", "a").chunks(["hello"]).trailer("X-End", "1")
}

/// An answer that comes in every phase of responses.
fn whole_answer() -> Answer {
    let answer = Answer::with_status(200).header("X-Up", "b").header("Content-Type", "text/plain");
    answer.body("world").trailer("X-Bye", "2")
}

// === impl Scenarios ===

impl Scenarios {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut this = Self { name, root: None, cases: Vec::new(), hold_headers: false };
        let mut lines = Lines::default();
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim();
            if line == "hold_headers" {
                this.hold_headers = true;
            } else if line.strip_prefix("case ").is_some() {
                this.add(std::mem::take(&mut lines).cases()?);
                lines.0.push(line.to_owned());
            } else if !line.is_empty() && !line.starts_with('#') {
                ensure!(!lines.0.is_empty(), "line {number} stands before the first case");
                lines.0.push(line.to_owned());
            }
        }
        this.add(lines.cases()?);
        if let Some(root) = &mut this.root {
            root.calls = setup::of_root(std::mem::take(&mut root.calls));
            if root.calls.iter().any(|(context, _)| context == "queue_ready") {
                this.cases.push(Case { calls: setup::of_messenger(), ..Case::read("messenger", &[], &[])? });
            }
        }
        Ok(this)
    }

    fn add(&mut self, cases: Vec<Case>) {
        for case in cases {
            match &mut self.root {
                Some(root) if case.name == ROOT => root.calls.extend(case.calls),
                root if case.name == ROOT => *root = Some(case),
                _ => self.cases.push(case),
            }
        }
    }

    /// The root's case and the others.
    pub(crate) fn all_cases(&self) -> impl Iterator<Item = &Case> {
        self.root.iter().chain(&self.cases)
    }

    /// The script for the probe.
    pub(crate) fn script(&self) -> String {
        let mut script = String::new();
        for case in self.all_cases() {
            script += &format!("case {}\n", case.name);
            for (context, call) in &case.calls {
                script += &format!("at {context}\n{call}\n");
            }
        }
        script
    }
}

/// The lines of a case as they stand in the file.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn cases(&self) -> Result<Vec<Case>> {
        let Some((head, lines)) = self.0.split_first() else { return Ok(Vec::new()) };
        let mut words = head.split_whitespace().skip(1);
        let name = words.next().context("a case has a name")?;
        match words.next() {
            None => Ok(vec![Case::read(name, lines, &[])?]),
            Some("each") => contexts_of(words, &[])?
                .iter()
                .map(|context| Case::read(&format!("{name}.{context}"), lines, &[context.as_str()]))
                .collect(),
            Some("everywhere") => EVERYWHERE
                .iter()
                .map(|(suffix, contexts)| {
                    let name = if *suffix == ROOT { ROOT.to_owned() } else { format!("{name}{suffix}") };
                    Case::read(&name, lines, contexts)
                })
                .collect(),
            Some(other) => bail!("`{head}`: `each` or `everywhere` stands behind a name, not `{other}`"),
        }
    }
}

// === impl Case ===

impl Case {
    /// `chosen` is what `each` and `everywhere` stand for.
    fn read(name: &str, lines: &[String], chosen: &[&str]) -> Result<Self> {
        let mut case = Self {
            name: name.to_owned(),
            calls: Vec::new(),
            version: Version::Http1,
            request: whole_request().header("x-case", name),
            answer: whole_answer(),
        };
        let mut contexts: Vec<String> = Vec::new();
        for line in lines {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim();
            match word {
                "at" => contexts = contexts_of(rest.split_whitespace(), chosen)?,
                _ if case.set(word, rest).with_context(|| format!("case {name}: `{line}`"))? => {}
                _ => {
                    ensure!(!contexts.is_empty(), "case {name}: `{line}` stands before the first `at`");
                    case.calls.extend(contexts.iter().map(|context| (context.clone(), line.clone())));
                }
            }
        }
        if name != ROOT {
            case.calls = setup::of_stream(case.calls);
        }
        Ok(case)
    }

    /// Whether this is an option of the exchange, which is set then.
    fn set(&mut self, option: &str, value: &str) -> Result<bool> {
        let field = || {
            let (name, value) = value.split_once(':').context("expected `NAME: VALUE`")?;
            anyhow::Ok((name, value.trim_start()))
        };
        let request = self.request.clone();
        let answer = self.answer.clone();
        match option {
            "send" => {
                let (method, path) = value.split_once(' ').context("expected `METHOD PATH`")?;
                self.request = Request::new(method, path).header("x-case", &self.name);
            }
            "over" => {
                ensure!(value == "http2", "the protocol is http2, or http1 where there is no such line");
                self.version = Version::Http2;
            }
            "header" => self.request = request.header(field()?.0, field()?.1),
            "body" => self.request.chunks = vec![value.as_bytes().to_vec()],
            "chunk" => {
                self.request.chunks.push(value.as_bytes().to_vec());
                self.request.chunked = true;
            }
            "trailer" => self.request = request.trailer(field()?.0, field()?.1),
            "answer" => self.answer = Answer::with_status(value.parse()?),
            "answer_header" => self.answer = answer.header(field()?.0, field()?.1),
            "answer_body" => self.answer = answer.body(value),
            "answer_trailer" => self.answer = answer.trailer(field()?.0, field()?.1),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn contexts_of<'a>(words: impl Iterator<Item = &'a str>, chosen: &[&str]) -> Result<Vec<String>> {
    let mut contexts = Vec::new();
    for word in words {
        match GROUPS.iter().find(|group| group.0 == word) {
            Some((_, group)) => contexts.extend_from_slice(group),
            None if matches!(word, "each" | "everywhere") => contexts.extend_from_slice(chosen),
            None if CONTEXTS.contains(&word) => contexts.push(word),
            None => bail!("`{word}` is none of {}", CONTEXTS.join(", ")),
        }
    }
    Ok(contexts.into_iter().map(ToOwned::to_owned).collect())
}
