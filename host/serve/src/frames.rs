//! Frames of a message on their way to a peer, which takes them at its own pace.

use crate::fields;
use anyhow::{Error, Result, anyhow};
use bytes::Bytes;
use hyper::body::{Body, Frame as BodyFrame};
use palisade_host::{Fields, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes that may wait for a peer before the one who sends them is to wait as well.
const HIGH_WATERMARK: usize = 1 << 20;

/// Where frames are put in.
#[derive(Clone)]
pub(crate) struct Sender {
    frames: UnboundedSender<Frame>,
    waiting: Arc<Waiting>,
}

/// Where frames come out: a body of hyper's, behind its headers.
pub(crate) struct Frames {
    frames: UnboundedReceiver<Frame>,
    waiting: Arc<Waiting>,
    end: bool,
}

#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    taken: Notify,
}

/// A way for frames.
pub(crate) fn channel() -> (Sender, Frames) {
    let (sender, receiver) = unbounded_channel();
    let waiting = Arc::new(Waiting::default());
    (Sender { frames: sender, waiting: Arc::clone(&waiting) }, Frames { frames: receiver, waiting, end: false })
}

// === impl Sender ===

impl Sender {
    /// Puts a frame behind the others. A peer that has gone is noticed elsewhere.
    pub(crate) fn send(&self, frame: Frame) {
        if let Frame::Data(data, _) = &frame {
            self.waiting.bytes.fetch_add(data.len(), Ordering::Relaxed);
        }
        let _ = self.frames.send(frame);
    }

    /// Waits until the peer has taken most of what it was sent, or has gone.
    pub(crate) async fn ready(&self) {
        loop {
            let taken = self.waiting.taken.notified();
            if self.waiting.bytes.load(Ordering::Relaxed) < HIGH_WATERMARK || self.frames.is_closed() {
                return;
            }
            taken.await;
        }
    }
}

// === impl Frames ===

impl Frames {
    /// Nothing at all.
    pub(crate) fn none() -> Self {
        let (_, mut frames) = channel();
        frames.end = true;
        frames
    }

    /// The headers, which come first; `None` where the message broke off before.
    pub(crate) async fn headers(&mut self) -> Option<Fields> {
        match self.frames.recv().await {
            Some(Frame::Headers(headers, end)) => {
                self.end = end;
                Some(headers)
            }
            _ => None,
        }
    }

    fn take(&mut self, frame: Frame) -> Option<Result<BodyFrame<Bytes>>> {
        match frame {
            Frame::Data(data, end) => {
                self.waiting.bytes.fetch_sub(data.len(), Ordering::Relaxed);
                self.waiting.taken.notify_one();
                self.end = end;
                (!data.is_empty()).then(|| Ok(BodyFrame::data(data.into())))
            }
            Frame::Trailers(trailers) => {
                self.end = true;
                Some(Ok(BodyFrame::trailers(fields::to_map(&trailers))))
            }
            Frame::Headers(..) => None,
            Frame::Reset => Some(Err(broken_off())),
        }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<BodyFrame<Bytes>>>> {
        while !self.end {
            let frame = match self.frames.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Some(Err(broken_off()))),
                Poll::Ready(Some(frame)) => frame,
            };
            if let Some(frame) = self.take(frame) {
                return Poll::Ready(Some(frame));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.end
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.frames.close();
        self.waiting.taken.notify_one();
    }
}

fn broken_off() -> Error {
    anyhow!("the message was broken off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_millis(50);

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_sender_waits_for_a_peer_that_is_behind() {
        block_on(async {
            let (sender, mut frames) = channel();
            sender.send(Frame::Data(vec![0; HIGH_WATERMARK], false));
            assert!(tokio::time::timeout(PATIENCE, sender.ready()).await.is_err());
            frames.frame().await.unwrap().unwrap();
            sender.ready().await;
        });
    }

    #[test]
    fn nobody_waits_for_a_peer_that_has_gone() {
        block_on(async {
            let (sender, frames) = channel();
            sender.send(Frame::Data(vec![0; HIGH_WATERMARK], false));
            let waiting = tokio::time::timeout(PATIENCE, sender.ready());
            drop(frames);
            assert!(waiting.await.is_ok());
        });
    }

    #[test]
    fn a_message_without_its_end_is_an_error() {
        block_on(async {
            let (sender, frames) = channel();
            sender.send(Frame::Data(b"a".to_vec(), false));
            drop(sender);
            assert!(frames.collect().await.is_err());
        });
    }
}
