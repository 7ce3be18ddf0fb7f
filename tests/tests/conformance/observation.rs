//! What was seen of a file of scenarios on a host: the probe's lines, and what client and upstream saw.

use palisade_testbed::{Received, Response};

/// All of a file.
pub(crate) struct Observation {
    /// The lines of the probe, in the order of the log.
    pub(crate) lines: Vec<Line>,
    /// What was seen around the proxy, case by case.
    pub(crate) clients: Vec<Client>,
}

/// The VM that a line came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Vm {
    /// Made on the main thread to try the configuration, and thrown away.
    Canary,
    /// On the main thread.
    Main,
    /// On the worker.
    Worker,
}

/// A line of the probe, or one that it was told to log.
pub(crate) struct Line {
    pub(crate) vm: Vm,
    pub(crate) case: String,
    pub(crate) seen: Observed,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Observed {
    /// The host has called: the callback and its arguments.
    Callback { context: String, arguments: String },
    /// The probe has called: the call and what the host answered.
    Call { context: String, call: String, answer: String },
    /// A line that the host has logged for the probe, meanwhile.
    Log { context: String, level: String, text: String },
}

/// An exchange, as seen from both ends.
pub(crate) struct Client {
    pub(crate) case: String,
    pub(crate) response: Result<Response, String>,
    pub(crate) upstream: Vec<Received>,
}

// === impl Line ===

impl Line {
    /// Reads what was logged; a line that is none of the probe's own belongs to the callback of the one before.
    pub(crate) fn read(text: &str, level: &str, vm: Vm, before: Option<&Self>) -> Self {
        let own = text.split_once('|').and_then(|(case, rest)| Some((case, rest.split_once('|')?)));
        let Some((case, (context, seen))) = own else {
            let (case, context) = before.map_or(("", ""), |before| (&before.case, before.context()));
            let (level, text) = (level.to_owned(), text.to_owned());
            let seen = Observed::Log { context: context.to_owned(), level, text };
            return Self { vm, case: case.to_owned(), seen };
        };
        let context = context.to_owned();
        let seen = match seen.rsplit_once(") -> ") {
            Some((call, answer)) => Observed::Call { context, call: format!("{call})"), answer: answer.to_owned() },
            None => Observed::Callback { context, arguments: seen.to_owned() },
        };
        Self { vm, case: case.to_owned(), seen }
    }

    /// The callback that it was logged under.
    fn context(&self) -> &str {
        match &self.seen {
            Observed::Callback { context, .. } | Observed::Call { context, .. } | Observed::Log { context, .. } => {
                context
            }
        }
    }

    /// Whether it was logged under this callback of this case.
    pub(crate) fn is(&self, case: &str, callback: &str) -> bool {
        self.case == case && self.context() == callback
    }
}
