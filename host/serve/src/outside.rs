//! The outside of a worker: everything that it asks for is carried out here, in its order.

use crate::callouts::{self, Clusters, Sent};
use crate::lane::Lane;
use crate::options::Options;
use crate::upstream::{self, Sending, Upstream};
use palisade_host::{CalloutId, Direction, Effect, Frame};
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::sync::mpsc::UnboundedReceiver;

/// What a worker has under way outside.
pub(crate) struct Outside {
    lane: Rc<Lane>,
    upstream: Rc<Upstream>,
    clusters: Rc<Clusters>,
    requests: BTreeMap<(u64, u32), Sending>,
    callouts: BTreeMap<CalloutId, Sent>,
}

impl Outside {
    pub(crate) fn new(options: &Options, lane: Rc<Lane>) -> Self {
        Self {
            lane,
            upstream: Rc::new(Upstream::new(&options.upstream, options.route_timeout())),
            clusters: Rc::new(Clusters::new(&options.cluster)),
            requests: BTreeMap::new(),
            callouts: BTreeMap::new(),
        }
    }

    /// Carries out what comes, until nothing can come any more.
    pub(crate) async fn run(mut self, mut effects: UnboundedReceiver<Effect>) {
        while let Some(effect) = effects.recv().await {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Upstream { stream, request, frame: Frame::Headers(headers, end) } => {
                let sending = upstream::begin(&self.lane, &self.upstream, stream, headers, end);
                self.requests.insert((stream, request), sending);
            }
            Effect::Upstream { stream, request, frame } => {
                if let Some(sending) = self.requests.get(&(stream, request)) {
                    sending.send(frame);
                }
            }
            Effect::Downstream { stream, frame } => {
                if let Some(client) = self.lane.way(stream, Direction::Response) {
                    client.send(frame);
                }
            }
            Effect::Ended { stream } => {
                self.lane.forget(stream);
                // Dropped, they are given up.
                self.requests.retain(|(of, _), _| *of != stream);
            }
            Effect::Callout(id, callout) => {
                self.callouts.retain(|_, sent| !sent.is_over());
                self.callouts.insert(id, callouts::send(&self.lane, &self.clusters, id, callout));
            }
            Effect::Cancelled(id) => {
                self.callouts.remove(&id);
            }
            Effect::GrpcSend(id, message, last) => {
                if let Some(sent) = self.callouts.get(&id) {
                    sent.message(&message, last);
                }
            }
        }
    }
}
