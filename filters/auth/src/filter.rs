//! The filter: asks the host for what the rules and methods read, and does to the request what is decided.

use std::borrow::Cow;
use std::rc::Rc;

use palisade_sdk::config::{ConfigErrors, Outcome, Rules};
use palisade_sdk::exchange::Snapshot;
use palisade_sdk::matching::{ClientIp, Field, RequestView};
use palisade_sdk::metrics::Family;
use palisade_sdk::{
    Counter, Exchange, Filter, Handle, HeaderError, HeaderMap, HostError, OnFailure, Phases, Plugin, Reply, Request,
    labels, phases,
};

use crate::config::{Config, NO_RULE};
use crate::expression::{Expression, Step, Tried};
use crate::hand_over::HandOver;
use crate::identity::{self, FILTER_STATE, Reserved};
use crate::method::Method;
use crate::methods::Methods;
use crate::policy::{Access, AmbiguousPaths, Policy};
use crate::reply::{Answer, Speech};
use crate::request::{Edits, Head, Removal};
use crate::seen::{self, Seen, SeenPath};

/// The name of the filter in metrics, and in a route's metadata where that chooses the rule.
const NAME: &str = "auth";

/// The auth filter.
pub struct Auth {
    methods: Methods,
    rules: Rules<Policy>,
    default: Policy,
    client_ip: ClientIp,
    /// What becomes of ambiguous paths, where a rule is about paths.
    paths: Option<AmbiguousPaths>,
    bypass_cors_preflight: bool,
    speech: Speech,
    reserved: Reserved,
    decisions: Family<Counter, 4>,
    headers_stripped: Counter,
    claims_dropped: Counter,
}

/// What is decided about a request.
struct Decision<'r> {
    rule: &'r str,
    verdict: Verdict,
}

enum Verdict {
    Pass {
        reason: &'static str,
        method: Cow<'static, str>,
        hand_over: Rc<HandOver>,
        removal: Removal,
    },
    Stop {
        answer: Answer,
        method: Cow<'static, str>,
        /// Whether the answer is given, and not only counted.
        enforced: bool,
    },
}

impl Filter for Auth {
    type Config = Config;

    const NAME: &'static str = NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases = phases![request_headers, request_body, http_call, sleep];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        let reads_path = config.rules.iter().any(|rule| rule.matcher().reads_path());
        Ok(Self {
            reserved: Reserved {
                own: config.sections.header_names().into_iter().map(str::to_owned).collect(),
                credentials: config.sections.credential_headers().into_iter().map(str::to_owned).collect(),
            },
            methods: Methods::new(config.sections, &plugin)?,
            rules: config.rules,
            default: config.default,
            client_ip: config.client_ip,
            paths: reads_path.then_some(config.ambiguous_paths),
            bypass_cors_preflight: config.bypass_cors_preflight,
            speech: config.speech,
            decisions: plugin.counters("decisions", labels!["rule", "outcome", "reason", "method"]),
            headers_stripped: plugin.counter("headers_stripped"),
            claims_dropped: plugin.counter("claims_dropped"),
        })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let mut request = exchange.request().await;
        // The whole map costs the host about as much as the first single header.
        let mut snapshot = request.snapshot()?;
        let path = match self.paths {
            Some(policy) => SeenPath::of(&snapshot.headers, policy),
            None => SeenPath::Clear(None),
        };
        let (seen, forwarded) = match path {
            SeenPath::Clear(seen) => (seen, None),
            SeenPath::Normalized(seen, forwarded) => (Some(seen), Some(forwarded)),
            SeenPath::Ambiguous => return self.stop(NO_RULE, Answer::plain(400, "ambiguous_path"), &snapshot),
        };
        let mut changes = self.strip(&snapshot.headers);
        if let Some(path) = forwarded {
            // From here on it is the request's own, for methods and for what is taken out of it.
            snapshot.headers = seen::with_path(&snapshot.headers, &path);
            changes.set(":path".to_owned(), Some(path));
        }
        let Decision { rule, verdict } = self.decide(&request, &snapshot, seen).await?;
        match verdict {
            Verdict::Stop { answer, method, enforced: true } => {
                self.decisions.increment([rule, "denied", answer.reason, &method]);
                return Err(answer.into_reply(&self.speech, is_grpc(&snapshot.headers))?);
            }
            Verdict::Stop { answer, method, enforced: false } => {
                self.decisions.increment([rule, "would_deny", answer.reason, &method]);
            }
            Verdict::Pass { reason, method, hand_over, removal } => {
                self.decisions.increment([rule, "allowed", reason, &method]);
                if hand_over.dropped > 0 {
                    self.claims_dropped.add(hand_over.dropped);
                }
                for (name, value) in removal.iter() {
                    changes.set(name.to_owned(), value.map(<[u8]>::to_vec));
                }
                for (name, value) in &hand_over.headers {
                    changes.set(name.clone(), Some(value.clone()));
                }
                if !hand_over.published.is_empty() {
                    request.handle().set_filter_state(FILTER_STATE, &hand_over.published)?;
                }
            }
        }
        apply(&mut request, &snapshot.headers, changes)?;
        Ok(())
    }

    async fn background(&self, handle: Handle<Self>) {
        self.methods.background(&handle).await;
    }
}

impl Auth {
    async fn decide(
        &self,
        request: &Request<Self>,
        snapshot: &Snapshot,
        path: Option<Vec<u8>>,
    ) -> Result<Decision<'_>, HostError> {
        let seen = Seen::new(snapshot, path);
        let view = RequestView::new(&seen, &self.client_ip);
        let choice = self.rules.choose(NAME, &view)?;
        let (rule, policy) = match choice.outcome {
            // Which rule it is, another reader of the request would see otherwise.
            _ if choice.ambiguous => return Ok(Decision::refused(NO_RULE, Answer::plain(400, "ambiguous_request"))),
            Outcome::Rule(rule) => (rule.label(), &rule.action),
            Outcome::Default => ("default", &self.default),
            Outcome::UnknownName => return Ok(Decision::refused(NO_RULE, Answer::plain(500, "unknown_rule"))),
        };
        let expression = match &policy.access {
            Access::Anonymous => return Ok(Decision::anonymous(rule, "anonymous")),
            Access::Require(_) if self.bypass_cors_preflight && is_cors_preflight(&snapshot.headers) => {
                return Ok(Decision::anonymous(rule, "cors_preflight"));
            }
            Access::Require(expression) => Some(expression),
            Access::Nobody => None,
        };
        let verdict = match expression {
            Some(expression) => self.evaluate(expression, request, Head::new(&snapshot.headers)).await,
            None => Verdict::stop(Answer::plain(403, "denied"), Cow::default()),
        };
        let verdict = match verdict {
            Verdict::Stop { answer, method, .. } => {
                Verdict::Stop { answer, method, enforced: policy.rollout.enforces(&view)? }
            }
            pass @ Verdict::Pass { .. } => pass,
        };
        Ok(Decision { rule, verdict })
    }

    /// Tries the methods that the expression asks for until it is decided.
    async fn evaluate(&self, expression: &Expression, request: &Request<Self>, head: Head<'_>) -> Verdict {
        let mut tried = Tried::default();
        loop {
            let method = match expression.step(&tried) {
                Step::Try(method) => method.clone(),
                Step::Allow(callers) => {
                    let (mut forwards, mut removal) = (Vec::with_capacity(callers.len()), Removal::default());
                    for (caller, method) in &callers {
                        forwards.extend(self.methods.forward(method).map(|forward| (*caller, forward)));
                        self.methods.strip(method, head, &mut removal);
                    }
                    let method = callers.first().map(|(_, method)| method.label());
                    let reason = if method.is_some() { "verified" } else { "anonymous" };
                    let (method, hand_over) = (method.unwrap_or_default(), identity::hand_over(&forwards));
                    return Verdict::Pass { reason, method, hand_over, removal };
                }
                Step::Deny(denial) => {
                    let method = denial.method.map(Method::label).unwrap_or_default();
                    return Verdict::stop(Answer::of(&denial, &tried, &self.speech), method);
                }
            };
            let attempt = self.methods.attempt(&method, head, request).await;
            tried.insert(method, attempt);
        }
    }

    fn stop(&self, rule: &str, answer: Answer, snapshot: &Snapshot) -> Result<(), Reply> {
        self.decisions.increment([rule, "denied", answer.reason, ""]);
        Err(answer.into_reply(&self.speech, is_grpc(&snapshot.headers))?)
    }

    /// Takes away what a client sent in the name of this filter.
    fn strip(&self, headers: &HeaderMap) -> Edits {
        let mut edits = Edits::default();
        for (name, _) in headers.iter().filter(|(name, _)| self.reserved.has(name)) {
            edits.set(String::from_utf8_lossy(name).into_owned(), None);
        }
        if !edits.is_empty() {
            self.headers_stripped.increment();
        }
        edits
    }
}

/// Changes headers: to another value, or to none. To add one costs the host less than to replace one that is not there.
fn apply(request: &mut Request<Auth>, before: &HeaderMap, changes: Edits) -> Result<(), HeaderError> {
    for (name, value) in changes {
        match value {
            Some(value) if before.field(&name) == Field::Absent => request.add_header(&name, value)?,
            Some(value) => request.set_header(&name, value)?,
            None => request.remove_header(&name)?,
        }
    }
    Ok(())
}

/// Whether Envoy takes a request for gRPC.
fn is_grpc(headers: &HeaderMap) -> bool {
    let Field::One(content_type) = headers.field("content-type") else { return false };
    content_type.strip_prefix(b"application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
}

/// Whether a browser asks if another request may be sent (Fetch, section 3.3.2); it cannot send a credential with it.
fn is_cors_preflight(headers: &HeaderMap) -> bool {
    let is_there = |name| matches!(headers.field(name), Field::One(value) if !value.is_empty());
    headers.field(":method") == Field::One(b"OPTIONS")
        && is_there("origin")
        && is_there("access-control-request-method")
}

// === impl Decision ===

impl<'r> Decision<'r> {
    fn refused(rule: &'r str, answer: Answer) -> Self {
        Self { rule, verdict: Verdict::stop(answer, Cow::default()) }
    }

    fn anonymous(rule: &'r str, reason: &'static str) -> Self {
        let (hand_over, removal) = (Rc::default(), Removal::default());
        Self { rule, verdict: Verdict::Pass { reason, method: Cow::default(), hand_over, removal } }
    }
}

// === impl Verdict ===

impl Verdict {
    fn stop(answer: Answer, method: Cow<'static, str>) -> Self {
        Self::Stop { answer, method, enforced: true }
    }
}
