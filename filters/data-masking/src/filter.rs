//! The filter: asks the host for messages, and puts what is masked in their place.

mod place;
mod trailers;

use palisade_sdk::config::{ConfigErrors, Outcome};
use palisade_sdk::exchange::{Chunk, Head, Pieces, Rewrite, Side};
use palisade_sdk::matching::RequestView;
use palisade_sdk::metrics::Family;
use palisade_sdk::{
    Counter, Exchange, Filter, HeaderError, HeaderMap, HostError, OnFailure, Phases, Plugin, Reply, Request, Response,
    labels, phases,
};

use crate::body::stream::{self, Stream};
use crate::config::{Config, Encodings, Masking, Otherwise};
use crate::headers::{self, Lines};
use crate::masking::{Options, Stop, Tally};
use crate::parts::Looker;
use crate::reading::{self, Reading};
use place::Place;

/// The name in metrics and in route metadata.
const NAME: &str = "data_masking";

/// The filter state that has the path and query of a request for access logs.
const MASKED_PATH: &str = "masked_path";

/// What begins the names of filter states that have headers for access logs.
const MASKED_HEADER: &str = "masked_header.";

/// What stands in an access log for a value that must not pass.
const BLOCKED: &[u8] = b"[blocked]";

/// The data masking filter.
pub struct DataMasking {
    config: Config,
    options: Options,
    hits: Family<Counter, 3>,
    header_hits: Family<Counter, 2>,
    failures: Family<Counter, 2>,
    passed: Family<Counter, 2>,
}

/// What a request says about the body of its response.
#[derive(Clone, Copy)]
struct Client {
    /// And nothing else.
    asks_for_headers: bool,
    takes_trailers: bool,
}

/// What follows the headers of a message.
enum Next {
    /// No HTTP.
    Tunnel,
    /// Nothing that is looked at.
    Nothing,
    /// A body that passes, and trailers.
    Trailers,
    /// A body that is masked, and trailers.
    Body(Box<Stream>),
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
        let client = Client {
            asks_for_headers: snapshot.headers.all(":method").any(|method| method == b"HEAD"),
            takes_trailers: reading::takes_trailers(&snapshot.headers),
        };
        let response = match self.begin(masking, &mut request, &snapshot.headers)? {
            Next::Tunnel => return Ok(()),
            Next::Nothing => request.response().await,
            Next::Trailers => self.request_trailers(masking, request.into_body(), false).await?,
            Next::Body(stream) if self.options.report_only => {
                let mut body = request.into_body();
                self.read(masking, Place::Request, body.pieces(), stream, |_, _| Ok(())).await?;
                body.response().await
            }
            Next::Body(stream) => {
                let mut body = request.rewrite_body()?;
                self.read(masking, Place::Request, body.pieces(), stream, put).await?;
                self.request_trailers(masking, body.into(), true).await?
            }
        };
        if masking.directions.response { self.response(masking, response, client).await } else { Ok(()) }
    }
}

impl DataMasking {
    /// Masks the headers of a request, and has the upstream answer in a way that can be read.
    fn begin(&self, masking: &Masking, request: &mut Request<Self>, headers: &HeaderMap) -> Result<Next, Reply> {
        self.url(masking, request, headers)?;
        self.logged(masking, request, headers)?;
        if reading::is_tunnel(headers) {
            self.passed.increment([Place::Request.name(), "tunnel"]);
            return Ok(Next::Tunnel);
        }
        let (mut lines, next) = match masking.directions.request {
            true => self.head(masking, Place::Request, headers, request.ends_message(), false)?,
            false => (Lines::new(), Next::Nothing),
        };
        if masking.directions.response && !self.options.report_only {
            self.ask_for_what_can_be_read(headers, &mut lines);
        }
        write(request, &lines)?;
        Ok(next)
    }

    /// What is to be written anew of the headers of a message, and what follows them.
    fn head(
        &self,
        masking: &Masking,
        place: Place,
        headers: &HeaderMap,
        is_all: bool,
        takes_trailers: bool,
    ) -> Result<(Lines, Next), Reply> {
        let mut lines = self.lines(masking, place, headers)?;
        if is_all {
            return Ok((lines, Next::Nothing));
        }
        let Config { bodies, .. } = &self.config;
        let reading = match place {
            Place::Response if reading::is_upgraded(headers) => Reading::Pass("tunnel"),
            Place::Response if reading::is_partial(headers) => match bodies.on_partial {
                Otherwise::Fail => Reading::Fail("partial"),
                Otherwise::Pass => Reading::Pass("partial"),
            },
            _ => Reading::of(headers, bodies, &masking.policy, takes_trailers),
        };
        let next = match reading {
            Reading::Fail(reason) if !self.options.report_only => {
                return Err(self.refuse(place, place.unreadable(), reason));
            }
            Reading::Fail(reason) | Reading::Pass(reason) => {
                self.passed.increment([place.name(), reason]);
                Next::Trailers
            }
            Reading::Mask(stream) => {
                if !self.options.report_only {
                    headers::correct(headers, &mut lines);
                }
                Next::Body(stream)
            }
        };
        Ok((lines, next))
    }

    /// Masks the path and query, for the upstream or for access logs.
    fn url(&self, masking: &Masking, request: &mut Request<Self>, headers: &HeaderMap) -> Result<(), Reply> {
        let Some((url, path)) = masking.url.as_ref().zip(headers.all(":path").next()) else { return Ok(()) };
        let mut tally = Tally::default();
        let masked = self.looker(masking, &mut tally).path(url, path);
        self.count(masking, Place::Request, &mut tally);
        if !url.is_for_upstream {
            return self.publish(request, MASKED_PATH, masked.map(|masked| masked.unwrap_or_else(|| path.to_vec())));
        }
        if let Some(masked) = masked.map_err(|stop| self.stop(Place::Request, stop))? {
            self.header_hits.increment(["path", Place::Request.name()]);
            request.set_header(":path", masked)?;
        }
        Ok(())
    }

    /// Masks headers of the request for access logs.
    fn logged(&self, masking: &Masking, request: &Request<Self>, headers: &HeaderMap) -> Result<(), Reply> {
        let mut tally = Tally::default();
        let logged = headers::logged(&mut self.looker(masking, &mut tally), headers, &self.config.headers);
        for (name, masked) in logged {
            self.publish(request, &[MASKED_HEADER, name].concat(), masked)?;
        }
        self.count(masking, Place::Request, &mut tally);
        Ok(())
    }

    /// Publishes a value for access logs.
    fn publish(&self, request: &Request<Self>, name: &str, masked: Result<Vec<u8>, Stop>) -> Result<(), Reply> {
        if !self.options.report_only {
            request.handle().set_filter_state(name, masked.as_deref().unwrap_or(BLOCKED))?;
        }
        Ok(())
    }

    fn looker<'a>(&'a self, masking: &'a Masking, tally: &'a mut Tally) -> Looker<'a> {
        Looker { policy: &masking.policy, options: &self.options, tally }
    }

    /// Has the upstream answer in an encoding that can be read, and in whole.
    fn ask_for_what_can_be_read(&self, headers: &HeaderMap, lines: &mut Lines) {
        let encodings = match self.config.bodies.encodings {
            Encodings::Identity => "identity",
            Encodings::Gzip => "gzip",
        };
        if headers.all("accept-encoding").ne([encodings.as_bytes()]) {
            headers::set(lines, "accept-encoding", vec![encodings.as_bytes().to_vec()]);
        }
        headers::take(headers, lines, &["range", "if-range"]);
    }

    async fn response(&self, masking: &Masking, mut response: Response<Self>, client: Client) -> Result<(), Reply> {
        let headers = response.headers()?;
        let is_all = client.asks_for_headers || response.ends_message();
        let (lines, next) = self.head(masking, Place::Response, &headers, is_all, client.takes_trailers)?;
        write(&mut response, &lines)?;
        match next {
            Next::Tunnel | Next::Nothing => Ok(()),
            Next::Trailers => self.response_trailers(masking, response.into_body(), false).await,
            Next::Body(stream) if self.options.report_only => {
                self.read(masking, Place::Response, response.into_body().pieces(), stream, |_, _| Ok(())).await
            }
            Next::Body(stream) => {
                let mut body = response.rewrite_body()?;
                self.read(masking, Place::Response, body.pieces(), stream, put).await?;
                self.response_trailers(masking, body.into(), true).await
            }
        }
    }

    /// Looks at a body while it streams by; `put` has what becomes of each piece stand in its place.
    async fn read<A>(
        &self,
        masking: &Masking,
        place: Place,
        mut pieces: Pieces<'_, A>,
        mut stream: Box<Stream>,
        put: fn(Chunk<'_, A>, stream::Outcome) -> Result<(), HostError>,
    ) -> Result<(), Reply> {
        while let Some(chunk) = pieces.chunk().await? {
            let piece = chunk.bytes()?;
            if piece.len() != chunk.len() && !self.options.report_only {
                return Err(self.refuse(place, 500, "host"));
            }
            let (outcome, is_given_up) = self.piece(masking, place, &mut stream, &piece, chunk.is_last())?;
            put(chunk, outcome)?;
            if is_given_up {
                return Ok(());
            }
        }
        if self.options.report_only { Ok(()) } else { stream.end().map_err(|stop| self.stop(place, stop)) }
    }

    /// What becomes of a piece of a body, and whether the rest is to pass as it is.
    fn piece(
        &self,
        masking: &Masking,
        place: Place,
        stream: &mut Stream,
        piece: &[u8],
        is_last: bool,
    ) -> Result<(stream::Outcome, bool), Reply> {
        let mut tally = Tally::default();
        let outcome = stream.piece(&masking.policy, &self.options, &mut tally, piece, is_last);
        self.count(masking, place, &mut tally);
        let stop = match outcome {
            Ok(outcome) => return Ok((outcome, false)),
            Err(stop) => stop,
        };
        let replaced = match stop {
            Stop::Failed(reason) if self.options.report_only => {
                self.failures.increment([place.name(), reason]);
                None
            }
            Stop::Failed(_) if stop != Stop::FULL && self.config.bodies.on_error == Otherwise::Pass => {
                let Some(given_back) = stream.give_back(piece) else { return Err(self.stop(place, stop)) };
                self.passed.increment([place.name(), "error"]);
                (given_back != piece).then_some(given_back)
            }
            _ => return Err(self.stop(place, stop)),
        };
        Ok((stream::Outcome { replaced, keep: false }, true))
    }

    /// The headers that are to be written anew.
    #[inline(never)]
    fn lines(&self, masking: &Masking, place: Place, headers: &HeaderMap) -> Result<Lines, Reply> {
        let mut tally = Tally::default();
        let Config { headers: rules, cookies, .. } = &self.config;
        let lines = headers::masked(&mut self.looker(masking, &mut tally), headers, rules, cookies, place.applies());
        self.count(masking, place, &mut tally);
        let lines = lines.map_err(|stop| self.stop(place, stop))?;
        for (name, _) in &lines {
            self.header_hits.increment([name, place.name()]);
        }
        Ok(lines)
    }

    #[inline(never)]
    fn count(&self, masking: &Masking, place: Place, tally: &mut Tally) {
        for (index, count) in tally.take() {
            if let Some(entry) = masking.policy.entries().nth(index) {
                self.hits.add([&entry.name, place.name(), entry.action.name()], count);
            }
        }
        for (name, action, count) in tally.take_reported() {
            self.hits.add([&name, place.name(), action], count);
        }
    }

    #[inline(never)]
    fn stop(&self, place: Place, stop: Stop) -> Reply {
        match stop {
            Stop::Blocked(status) => Reply::new(status, "palisade_data_masking_blocked"),
            Stop::Failed(reason) => self.refuse(place, if stop == Stop::FULL { 503 } else { place.failed() }, reason),
        }
    }

    #[inline(never)]
    fn refuse(&self, place: Place, status: u16, reason: &'static str) -> Reply {
        self.failures.increment([place.name(), reason]);
        Reply::new(status, ["palisade_data_masking_", reason].concat())
    }
}

/// Has what becomes of a piece stand in its place.
fn put(mut chunk: Chunk<'_, Rewrite>, outcome: stream::Outcome) -> Result<(), HostError> {
    if let Some(replaced) = outcome.replaced {
        chunk.replace(&replaced)?;
    }
    if outcome.keep {
        chunk.keep();
    }
    Ok(())
}

/// Writes headers anew.
fn write<S: Side>(head: &mut Head<DataMasking, S>, lines: &Lines) -> Result<(), HeaderError> {
    for (name, values) in lines {
        if let [value] = values.as_slice() {
            head.set_header(name, value)?;
            continue;
        }
        head.remove_header(name)?;
        for value in values {
            head.add_header(name, value)?;
        }
    }
    Ok(())
}
