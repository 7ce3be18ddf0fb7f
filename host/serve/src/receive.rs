//! Receiving: a message as it comes, for a worker, at the pace of who takes it.

use crate::fields;
use crate::lane::Lane;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use palisade_host::{Direction, Fields, Worker};

/// A part of a message.
pub(crate) enum Part {
    /// Its headers have come, and nothing else follows if this says so.
    Begin(bool),
    /// A piece of its body, and whether it is the last.
    Data(Vec<u8>, bool),
    /// Its trailers, which are the end.
    Trailers(Fields),
    /// It broke off.
    Broken,
}

/// Tells a worker each part of a message. Its end comes with the last bytes, where that `can_be_known`, or by itself.
pub(crate) async fn receive(
    lane: &Lane,
    stream: u64,
    direction: Direction,
    mut body: Incoming,
    can_be_known: bool,
    mut tell: impl FnMut(&mut Worker, Part),
) {
    let mut ended = body.is_end_stream();
    lane.act(|worker| tell(worker, Part::Begin(ended)));
    while !ended {
        lane.ready(stream, direction).await;
        if lane.is_over(stream) {
            return;
        }
        let part = match body.frame().await.map(|frame| frame.map(Frame::into_data)) {
            None => Part::Data(Vec::new(), true),
            Some(Err(_)) => Part::Broken,
            Some(Ok(Ok(data))) => Part::Data(data.to_vec(), can_be_known && body.is_end_stream()),
            Some(Ok(Err(frame))) => match frame.into_trailers() {
                Ok(trailers) => Part::Trailers(fields::of_map(&trailers)),
                // Frames of other kinds mean nothing here.
                Err(_) => continue,
            },
        };
        ended = !matches!(part, Part::Data(_, false));
        lane.act(|worker| tell(worker, part));
    }
}
