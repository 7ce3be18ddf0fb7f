//! The load: an exact number of requests over kept connections, each of which has to be answered as the upstream does.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use palisade_issuer::Issuer;
use palisade_testbed::Request;
use palisade_testbed::http1::Connection;
use serde_json::json;

use crate::group::{Token, Workload};

/// What the upstream answers: nothing that a filter makes.
pub(crate) const BODY: &str = "the upstream's own answer";

/// Under valgrind, a first request may take long.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The requests of a workload, which have their numbers in turn.
pub struct Requests {
    /// What all of them have.
    common: Request,
    headers: Vec<(String, String)>,
    tokens: Option<Tokens>,
    distinct: usize,
    count: Cell<usize>,
}

struct Tokens {
    issuer: Issuer,
    token: Token,
    /// What no other run has.
    run: u128,
    /// Those that come again, by their numbers.
    made: RefCell<HashMap<usize, String>>,
}

/// What stands for the number of a request.
const NUMBER: &str = "{n}";

/// Connections to one chain.
#[derive(Debug)]
pub(crate) struct Client {
    expected: String,
    connections: Vec<Connection>,
}

// === impl Requests ===

impl Requests {
    pub(crate) fn new(common: Request, workload: &Workload) -> Self {
        let headers = workload.headers.iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
        Self {
            common,
            headers: headers.collect(),
            tokens: workload.token.clone().map(Tokens::new),
            distinct: workload.distinct,
            count: Cell::new(0),
        }
    }

    /// With tokens that are the same in each run, as far as their signatures are.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        if let Some(tokens) = &mut self.tokens {
            tokens.run = 0;
        }
        self
    }

    /// The next requests.
    pub fn take(&self, count: usize) -> Vec<Request> {
        std::iter::repeat_with(|| self.next()).take(count).collect()
    }

    fn next(&self) -> Request {
        let count = self.count.replace(self.count.get() + 1);
        let number = count % self.distinct;
        let lines = self.headers.iter();
        let request = lines.fold(self.common.clone(), |request, (name, value)| match value.contains(NUMBER) {
            true => request.header(name, value.replace(NUMBER, &number.to_string())),
            false => request.header(name, value),
        });
        match &self.tokens {
            Some(tokens) if tokens.token.fresh => request.header("authorization", tokens.bearer(count)),
            Some(tokens) => {
                let mut made = tokens.made.borrow_mut();
                request.header("authorization", made.entry(number).or_insert_with(|| tokens.bearer(number)))
            }
            None => request,
        }
    }
}

// === impl Tokens ===

impl Tokens {
    fn new(token: Token) -> Self {
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Self { issuer: Issuer::new(), token, run, made: RefCell::default() }
    }

    fn bearer(&self, number: usize) -> String {
        let algorithm = &self.token.algorithm;
        let claims = json!({
            "iss": "https://idp.example",
            "aud": ["shop"],
            "sub": "b3f1c2d4-6a7e-4f60-9d0b-1f2e3d4c5b6a",
            "iat": 1_767_225_600,
            "exp": 4_102_444_800_u64,
            "jti": format!("{:x}-{number:08x}", self.run),
            "scope": "orders:read orders:write",
            "plan": {"tier": "vip"},
            "email": "alice@shop.example",
        });
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": algorithm});
        format!("Bearer {}", self.issuer.token(algorithm, &header, &claims))
    }
}

// === impl Client ===

impl Client {
    pub(crate) fn open(addr: SocketAddr, connections: usize, expected: String) -> Result<Self> {
        let open = || {
            let mut connection = Connection::open(addr)?;
            connection.set_timeout(TIMEOUT)?;
            Ok(connection)
        };
        let connections = std::iter::repeat_with(open).take(connections).collect::<Result<_>>()?;
        Ok(Self { expected, connections })
    }

    /// Sends all the requests, each connection its share, one after the other.
    pub(crate) fn send(&mut self, requests: &[Request]) -> Result<()> {
        let share = requests.len().div_ceil(self.connections.len()).max(1);
        let expected = self.expected.as_str();
        let answered = thread::scope(|scope| {
            let shares = self.connections.iter_mut().zip(requests.chunks(share));
            let senders: Vec<_> =
                shares.map(|(connection, share)| scope.spawn(move || exchange(connection, share, expected))).collect();
            let ends = senders.into_iter().map(|sender| sender.join().map_err(|_| anyhow!("a sender panicked"))?);
            ends.sum::<Result<usize>>()
        })?;
        ensure!(answered == requests.len(), "{answered} of {} requests were answered", requests.len());
        Ok(())
    }
}

fn exchange(connection: &mut Connection, requests: &[Request], expected: &str) -> Result<usize> {
    for request in requests {
        let response = connection.exchange(request).context("a request of the load")?;
        ensure!(
            response.status == 200 && response.body == expected.as_bytes(),
            "a request was answered otherwise than it should be: {response:?}"
        );
    }
    Ok(requests.len())
}
