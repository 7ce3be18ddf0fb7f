//! The filter: asks the host for messages, and puts what is masked in their place.

use palisade_sdk::config::{ConfigErrors, Outcome};
use palisade_sdk::exchange::{Body, Head, Pieces, ReadOnly, RequestSide, ResponseSide, Rewrite, Side, Trailers};
use palisade_sdk::matching::RequestView;
use palisade_sdk::metrics::Family;
use palisade_sdk::{
    Counter, Exchange, Filter, HeaderError, HeaderMap, OnFailure, Phases, Plugin, Reply, Request, Response, labels,
    phases,
};

use crate::body::stream::{self, Stream};
use crate::config::{Config, Directions, Encodings, Masking, Otherwise};
use crate::headers::{self, Lines};
use crate::masking::{Options, Stop, Tally};
use crate::parts::Looker;
use crate::reading::{self, Reading};

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
                self.report(masking, Place::Request, body.pieces(), stream).await?;
                body.response().await
            }
            Next::Body(stream) => {
                let mut body = request.rewrite_body()?;
                self.mask(masking, Place::Request, body.pieces(), stream).await?;
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
                self.report(masking, Place::Response, response.into_body().pieces(), stream).await
            }
            Next::Body(stream) => {
                let mut body = response.rewrite_body()?;
                self.mask(masking, Place::Response, body.pieces(), stream).await?;
                self.response_trailers(masking, body.into(), true).await
            }
        }
    }

    /// Masks a body while it streams by.
    async fn mask(
        &self,
        masking: &Masking,
        place: Place,
        mut pieces: Pieces<'_, Rewrite>,
        mut stream: Box<Stream>,
    ) -> Result<(), Reply> {
        while let Some(mut chunk) = pieces.chunk().await? {
            let piece = chunk.bytes()?;
            if piece.len() != chunk.len() {
                return Err(self.refuse(place, 500, "host"));
            }
            let (outcome, is_given_up) = self.piece(masking, place, &mut stream, &piece, chunk.is_last())?;
            if let Some(replaced) = outcome.replaced {
                chunk.replace(&replaced)?;
            }
            if is_given_up {
                return Ok(());
            }
            if outcome.keep {
                chunk.keep();
            }
        }
        stream.end().map_err(|stop| self.stop(place, stop))
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

    /// Counts what is in a body that passes as it is.
    async fn report(
        &self,
        masking: &Masking,
        place: Place,
        mut pieces: Pieces<'_, ReadOnly>,
        mut stream: Box<Stream>,
    ) -> Result<(), Reply> {
        while let Some(chunk) = pieces.chunk().await? {
            let (_, is_given_up) = self.piece(masking, place, &mut stream, &chunk.bytes()?, chunk.is_last())?;
            if is_given_up {
                break;
            }
        }
        Ok(())
    }

    async fn request_trailers(
        &self,
        masking: &Masking,
        body: Body<Self, RequestSide, ReadOnly>,
        is_rewritten: bool,
    ) -> Result<Response<Self>, Reply> {
        // A request of which nothing is awaited may be answered before it is complete.
        if !is_rewritten && !self.masks_trailers(Place::Request) {
            return Ok(body.response().await);
        }
        match body.trailers_or_response().await? {
            Ok(mut trailers) => {
                self.trailers(masking, Place::Request, &mut trailers, is_rewritten)?;
                Ok(trailers.response().await)
            }
            Err(response) => Ok(response),
        }
    }

    async fn response_trailers(
        &self,
        masking: &Masking,
        body: Body<Self, ResponseSide, ReadOnly>,
        is_rewritten: bool,
    ) -> Result<(), Reply> {
        if !is_rewritten && !self.masks_trailers(Place::Response) {
            return Ok(());
        }
        match body.trailers().await? {
            Some(mut trailers) => self.trailers(masking, Place::Response, &mut trailers, is_rewritten),
            None => Ok(()),
        }
    }

    fn masks_trailers(&self, place: Place) -> bool {
        let applies = place.applies();
        self.config.headers.iter().any(|rule| applies(&rule.directions))
    }

    /// Masks trailers; those about the exact bytes of a body that is no longer the same go.
    fn trailers<S: Side>(
        &self,
        masking: &Masking,
        place: Place,
        trailers: &mut Trailers<Self, S>,
        is_rewritten: bool,
    ) -> Result<(), Reply> {
        for (name, values) in self.trailer_lines(masking, place, &trailers.fields()?, is_rewritten)? {
            match values.is_empty() {
                true => trailers.remove(&name)?,
                false => trailers.set(&name, values.join(&b", "[..]))?,
            }
        }
        Ok(())
    }

    /// The trailers that are to be written anew.
    fn trailer_lines(
        &self,
        masking: &Masking,
        place: Place,
        fields: &HeaderMap,
        is_rewritten: bool,
    ) -> Result<Lines, Reply> {
        let mut lines = self.lines(masking, place, fields)?;
        if is_rewritten {
            headers::correct(fields, &mut lines);
        }
        Ok(lines)
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

// === impl Place ===

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }

    /// Whether what has these directions is in force here.
    fn applies(self) -> fn(&Directions) -> bool {
        match self {
            Self::Request => |directions| directions.request,
            Self::Response => |directions| directions.response,
        }
    }

    /// The status of a message that cannot be read.
    fn unreadable(self) -> u16 {
        match self {
            Self::Request => 415,
            Self::Response => 502,
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
