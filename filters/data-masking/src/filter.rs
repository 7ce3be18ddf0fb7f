//! The filter: asks the host for messages, and puts what is masked in their place.

use palisade_sdk::config::{ConfigErrors, Outcome};
use palisade_sdk::exchange::{Body, ReadOnly, Rewrite, Side};
use palisade_sdk::matching::RequestView;
use palisade_sdk::metrics::Family;
use palisade_sdk::{
    Counter, Exchange, Filter, HeaderMap, OnFailure, Phases, Plugin, Reply, Request, Response, labels, phases,
};

use crate::body::stream::Stream;
use crate::config::{Config, Encodings, Masking, Otherwise};
use crate::headers::{self, Lines};
use crate::masking::{Options, Stop, Tally};
use crate::reading::{self, Reading};

/// The name in metrics and in route metadata.
const NAME: &str = "data_masking";

/// The data masking filter.
pub struct DataMasking {
    config: Config,
    options: Options,
    hits: Family<Counter, 3>,
    header_hits: Family<Counter, 2>,
    failures: Family<Counter, 2>,
    passed: Family<Counter, 2>,
}

/// Where something was found, in metrics.
#[derive(Clone, Copy)]
enum Place {
    Request,
    Response,
}

/// What a request says about the body of its response.
#[derive(Clone, Copy)]
struct Client {
    /// And nothing else.
    asks_for_headers: bool,
    takes_trailers: bool,
}

impl Filter for DataMasking {
    type Config = Config;

    const NAME: &'static str = NAME;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const PHASES: Phases =
        phases![request_headers, request_body, request_trailers, response_headers, response_body, response_trailers];
    const ON_FAILURE: OnFailure = OnFailure::Refuse;

    fn configure(config: Config, plugin: Plugin) -> Result<Self, ConfigErrors> {
        Ok(Self {
            options: config.options(),
            config,
            hits: plugin.counters("hits", labels!["type", "where", "action"]),
            header_hits: plugin.counters("header_hits", labels!["header", "where"]),
            failures: plugin.counters("failures", labels!["where", "reason"]),
            passed: plugin.counters("passed", labels!["where", "reason"]),
        })
    }

    async fn exchange(&self, exchange: Exchange<Self>) -> Result<(), Reply> {
        let mut request = exchange.request().await;
        let snapshot = request.snapshot()?;
        let choice = self.config.rules.choose(NAME, &RequestView::new(&snapshot, &self.config.client_ip))?;
        let masking = match choice.outcome {
            Outcome::Rule(rule) => &rule.action,
            Outcome::UnknownName => return Err(self.refuse(Place::Request, 500, "unknown_rule")),
            // Whoever sends a header twice must not thereby choose that nothing is masked.
            Outcome::Default if choice.ambiguous => return Err(self.refuse(Place::Request, 400, "ambiguous")),
            Outcome::Default => return Ok(()),
        };
        if reading::is_tunnel(&snapshot.headers) {
            self.passed.increment([Place::Request.name(), "tunnel"]);
            return Ok(());
        }
        let client = Client {
            asks_for_headers: snapshot.headers.all(":method").any(|method| method == b"HEAD"),
            takes_trailers: reading::takes_trailers(&snapshot.headers),
        };
        if masking.directions.response && !self.options.report_only {
            self.ask_for_what_can_be_read(&mut request, &snapshot.headers)?;
        }
        let response = if masking.directions.request {
            self.request(masking, request, &snapshot.headers).await?
        } else {
            request.response().await
        };
        if masking.directions.response { self.response(masking, response, client).await } else { Ok(()) }
    }
}

impl DataMasking {
    /// Has the upstream answer in an encoding that can be read, and in whole.
    fn ask_for_what_can_be_read(&self, request: &mut Request<Self>, headers: &HeaderMap) -> Result<(), Reply> {
        let encodings = match self.config.bodies.encodings {
            Encodings::Identity => "identity",
            Encodings::Gzip => "gzip",
        };
        if headers.all("accept-encoding").ne([encodings.as_bytes()]) {
            request.set_header("accept-encoding", encodings)?;
        }
        for name in ["range", "if-range"] {
            if headers.all(name).next().is_some() {
                request.remove_header(name)?;
            }
        }
        Ok(())
    }

    async fn request(
        &self,
        masking: &Masking,
        mut request: Request<Self>,
        headers: &HeaderMap,
    ) -> Result<Response<Self>, Reply> {
        let lines = self.lines(masking, Place::Request, headers)?;
        for (name, values) in &lines {
            request.remove_header(name)?;
            for value in values {
                request.add_header(name, value)?;
            }
        }
        if request.ends_message() {
            return Ok(request.response().await);
        }
        match Reading::of(headers, &self.config.bodies, false) {
            Reading::Pass(reason) => {
                self.passed.increment([Place::Request.name(), reason]);
                Ok(request.response().await)
            }
            Reading::Fail(reason) => Err(self.refuse(Place::Request, 415, reason)),
            Reading::Mask(stream) if self.options.report_only => {
                let mut body = request.into_body();
                self.report(masking, Place::Request, &mut body, stream).await?;
                Ok(body.response().await)
            }
            Reading::Mask(stream) => {
                for name in reading::CHECKSUMS {
                    if headers.all(name).next().is_some() {
                        request.remove_header(name)?;
                    }
                }
                if headers.all("content-encoding").next().is_some() {
                    request.remove_header("content-encoding")?;
                }
                let mut body = request.rewrite_body()?;
                self.mask(masking, Place::Request, &mut body, stream).await?;
                Ok(body.response().await)
            }
        }
    }

    async fn response(&self, masking: &Masking, mut response: Response<Self>, client: Client) -> Result<(), Reply> {
        let headers = response.headers()?;
        for (name, values) in &self.lines(masking, Place::Response, &headers)? {
            response.remove_header(name)?;
            for value in values {
                response.add_header(name, value)?;
            }
        }
        if client.asks_for_headers || response.ends_message() {
            return Ok(());
        }
        if reading::is_upgraded(&headers) {
            self.passed.increment([Place::Response.name(), "tunnel"]);
            return Ok(());
        }
        if reading::is_partial(&headers) {
            if self.config.bodies.on_partial == Otherwise::Fail && !self.options.report_only {
                return Err(self.refuse(Place::Response, 502, "partial"));
            }
            self.passed.increment([Place::Response.name(), "partial"]);
            return Ok(());
        }
        let stream = match Reading::of(&headers, &self.config.bodies, client.takes_trailers) {
            Reading::Mask(stream) => stream,
            Reading::Pass(reason) => {
                self.passed.increment([Place::Response.name(), reason]);
                return self.trailers(masking, response.into_body()).await;
            }
            Reading::Fail(_) if self.options.report_only => return Ok(()),
            Reading::Fail(reason) => return Err(self.refuse(Place::Response, 502, reason)),
        };
        if self.options.report_only {
            let mut body = response.into_body();
            return self.report(masking, Place::Response, &mut body, stream).await;
        }
        for name in reading::CHECKSUMS {
            if headers.all(name).next().is_some() {
                response.remove_header(name)?;
            }
        }
        for name in ["accept-ranges", "content-encoding"] {
            if headers.all(name).next().is_some() {
                response.remove_header(name)?;
            }
        }
        if let Some(etag) = headers.all("etag").next().filter(|etag| !etag.starts_with(b"W/")) {
            response.set_header("etag", [b"W/", etag].concat())?;
        }
        let mut body = response.rewrite_body()?;
        self.mask(masking, Place::Response, &mut body, stream).await?;
        self.trailers(masking, body).await
    }

    /// Masks a body while it streams by.
    async fn mask<S: Side>(
        &self,
        masking: &Masking,
        place: Place,
        body: &mut Body<Self, S, Rewrite>,
        mut stream: Stream,
    ) -> Result<(), Reply> {
        let mut tally = Tally::default();
        while let Some(mut chunk) = body.chunk().await? {
            let piece = chunk.bytes()?;
            if piece.len() != chunk.len() {
                return Err(self.refuse(place, 500, "host"));
            }
            let outcome = stream.piece(&masking.policy, &self.options, &mut tally, &piece, chunk.is_last());
            self.count(masking, place, &mut tally);
            match outcome {
                Ok(outcome) => {
                    if let Some(replaced) = outcome.replaced {
                        chunk.replace(&replaced)?;
                    }
                    if outcome.keep {
                        chunk.keep();
                    }
                }
                Err(stop) => {
                    let given_back = match stop {
                        Stop::Failed(_) if self.config.bodies.on_error == Otherwise::Pass => stream.give_back(&piece),
                        _ => None,
                    };
                    let Some(given_back) = given_back else { return Err(self.stop(place, stop)) };
                    if given_back != piece {
                        chunk.replace(&given_back)?;
                    }
                    self.passed.increment([place.name(), "error"]);
                    return Ok(());
                }
            }
        }
        stream.end().map_err(|stop| self.stop(place, stop))
    }

    /// Counts what is in a body that passes as it is.
    async fn report<S: Side>(
        &self,
        masking: &Masking,
        place: Place,
        body: &mut Body<Self, S, ReadOnly>,
        mut stream: Stream,
    ) -> Result<(), Reply> {
        let mut tally = Tally::default();
        while let Some(chunk) = body.chunk().await? {
            let outcome = stream.piece(&masking.policy, &self.options, &mut tally, &chunk.bytes()?, chunk.is_last());
            self.count(masking, place, &mut tally);
            if let Err(Stop::Failed(reason)) = outcome {
                self.failures.increment([place.name(), reason]);
                break;
            }
        }
        Ok(())
    }

    async fn trailers<S: Side, A>(&self, masking: &Masking, body: Body<Self, S, A>) -> Result<(), Reply> {
        if !self.config.headers.iter().any(|rule| rule.directions.response) {
            return Ok(());
        }
        if let Some(mut trailers) = body.trailers().await? {
            for (name, values) in self.lines(masking, Place::Response, &trailers.fields()?)? {
                trailers.set(&name, values.join(&b", "[..]))?;
            }
        }
        Ok(())
    }

    /// The headers that are to be written anew.
    fn lines(&self, masking: &Masking, place: Place, headers: &HeaderMap) -> Result<Lines, Reply> {
        let mut tally = Tally::default();
        let mut lines = Lines::new();
        for rule in &self.config.headers {
            let applies = match place {
                Place::Request => rule.directions.request,
                Place::Response => rule.directions.response,
            };
            if !applies {
                continue;
            }
            let values: Vec<_> = headers.all(&rule.name).collect();
            match headers::masked(rule, &masking.policy, &self.options, &mut tally, &values) {
                Ok(None) => {}
                Ok(Some(masked)) => {
                    self.header_hits.increment([&rule.name, place.name()]);
                    lines.push((rule.name.clone(), masked));
                }
                Err(stop) => return Err(self.stop(place, stop)),
            }
        }
        self.count(masking, place, &mut tally);
        Ok(lines)
    }

    fn count(&self, masking: &Masking, place: Place, tally: &mut Tally) {
        for (index, count) in tally.take() {
            if let Some(entry) = masking.policy.entries().nth(index) {
                self.hits.add([&entry.name, place.name(), entry.action.name()], count);
            }
        }
    }

    fn stop(&self, place: Place, stop: Stop) -> Reply {
        match stop {
            Stop::Blocked(status) => Reply::new(status, "palisade_data_masking_blocked"),
            Stop::Failed(reason) => self.refuse(place, place.failed(), reason),
        }
    }

    fn refuse(&self, place: Place, status: u16, reason: &'static str) -> Reply {
        self.failures.increment([place.name(), reason]);
        Reply::new(status, ["palisade_data_masking_", reason].concat())
    }
}

// === impl Place ===

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }

    /// The status of a message that cannot be masked.
    fn failed(self) -> u16 {
        match self {
            Self::Request => 400,
            Self::Response => 502,
        }
    }
}
