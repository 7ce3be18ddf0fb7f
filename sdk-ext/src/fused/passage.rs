//! Passage: one message on its way through the parts of a fused module, as Envoy would pass it from filter to filter.
//!
//! A pure state machine between the host and the parts. The host reports what came; [`Passage::next`] says which part is
//! to be told what, and each part's answer says whether it lets go of all that it was told or holds it. What a part has
//! let go, and nothing else, comes to the next one: headers before the body, the body before trailers. The host is
//! answered for all parts together: the message goes on when none holds anything.
//!
//! All parts share the host's one buffer. At its front stands what the last part has, at its end what the first one has:
//!
//! ```text
//! | let go by all | held by the last part | ... | held by the first part, and what has just come |
//! ```

/// A part's place on the way of a message, 0 for the one that is told first.
pub(super) type Place = usize;

/// What a part is told of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The headers, and whether the message ends with them.
    Headers {
        end: bool,
    },
    /// `size` bytes of the body, held ones and new ones together, and whether it ends with them.
    Body {
        size: usize,
        end: bool,
    },
    Trailers,
}

/// Where in the host's buffer a part's share of the body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) start: usize,
    /// The length of the whole buffer.
    pub(crate) buffered: usize,
}

/// What one part has of the message.
#[derive(Clone, Copy, Default)]
struct Share {
    /// Bytes in the host's buffer.
    size: usize,
    /// So many of them, the first ones, it was told of and has not let go.
    told: usize,
    /// Some of them, or the end of the body, it was not told of.
    fresh: bool,
    /// Its last answer was Pause, and it did not continue since.
    held: bool,
}

/// How far something has come.
#[derive(Clone, Copy, Default)]
struct Reach {
    /// How many parts were told.
    told: usize,
    /// How many of these have let it go.
    gone: usize,
}

pub(super) struct Passage {
    parts: usize,
    /// Of each part; none before the message has begun.
    shares: Vec<Share>,
    /// Bytes at the front of the host's buffer that all parts have let go.
    gone: usize,
    headers: Reach,
    end: Reach,
    trailers: Reach,
    started: bool,
    ends_with_headers: bool,
    ended: bool,
    has_trailers: bool,
    /// The client is answered in place of what this would have become: it goes no further.
    blocked: bool,
    /// The host holds the message.
    paused: bool,
    /// Something of the message has gone on.
    forwarded: bool,
    /// The host has held the headers for a while.
    headers_held: bool,
}

impl Passage {
    pub(super) fn new(parts: usize) -> Self {
        Self {
            parts,
            shares: Vec::new(),
            gone: 0,
            headers: Reach::default(),
            end: Reach::default(),
            trailers: Reach::default(),
            started: false,
            ends_with_headers: false,
            ended: false,
            has_trailers: false,
            blocked: false,
            paused: false,
            forwarded: false,
            headers_held: false,
        }
    }

    // === what the host reports ===

    pub(super) fn came(&mut self, event: Event) {
        match event {
            Event::Headers { end } => {
                self.started = true;
                self.ends_with_headers = end;
                self.shares.resize(self.parts, Share::default());
            }
            Event::Body { size, end } => {
                let new = size.saturating_sub(self.buffered());
                self.ended = end;
                if let Some(first) = self.shares.first_mut() {
                    first.size = first.size.saturating_add(new);
                    first.fresh = true;
                }
            }
            Event::Trailers => self.has_trailers = true,
        }
    }

    /// The client was answered.
    pub(super) fn block(&mut self) {
        self.blocked = true;
    }

    /// The host answers the client itself, unless all parts have let the headers go.
    pub(super) fn block_unseen(&mut self) {
        self.blocked |= self.headers.gone < self.parts;
    }

    // === what the parts are told and answer ===

    /// Which part is to be told what; `None` when all that can be told was told.
    pub(super) fn next(&mut self) -> Option<(Place, Event)> {
        if self.blocked {
            return None;
        }
        if self.started && self.headers.told == self.headers.gone && self.headers.told < self.parts {
            let place = self.headers.told;
            self.headers.told = place.saturating_add(1);
            return Some((place, Event::Headers { end: self.ends_with_headers }));
        }
        let reached = self.shares.iter_mut().take(self.headers.told);
        if let Some((place, share)) = reached.enumerate().find(|(_, share)| share.fresh) {
            share.fresh = false;
            share.told = share.size;
            let size = share.size;
            let end = self.ended && self.end.gone >= place;
            if end {
                self.end.told = self.end.told.max(place.saturating_add(1));
            }
            return Some((place, Event::Body { size, end }));
        }
        if self.has_trailers && self.trailers.told == self.trailers.gone && self.trailers.told < self.headers.told {
            let place = self.trailers.told;
            self.trailers.told = place.saturating_add(1);
            return Some((place, Event::Trailers));
        }
        None
    }

    /// A part has answered Pause.
    pub(super) fn hold(&mut self, place: Place) {
        if let Some(share) = self.shares.get_mut(place) {
            share.held = true;
        }
    }

    /// A part lets go of all that it was told, by its answer or later.
    pub(super) fn let_go(&mut self, place: Place) {
        let behind = place.saturating_add(1);
        self.headers.let_go(place);
        self.trailers.let_go(place);
        let Some(share) = self.shares.get_mut(place) else { return };
        share.held = false;
        // What has come meanwhile, it will be told of.
        let size = std::mem::take(&mut share.told);
        share.size = share.size.saturating_sub(size);
        let has_ended = self.end.let_go(place);
        match self.shares.get_mut(behind) {
            Some(next) => {
                next.size = next.size.saturating_add(size);
                next.fresh |= size > 0 || has_ended;
            }
            None => self.gone = self.gone.saturating_add(size),
        }
    }

    pub(super) fn has_started(&self) -> bool {
        self.started
    }

    // === the buffer ===

    /// Where a part's share of the body stands.
    pub(super) fn extent(&self, place: Place) -> Extent {
        let later = self.shares.iter().skip(place.saturating_add(1)).map(|share| share.size);
        let start = later.fold(self.gone, usize::saturating_add);
        Extent { start, buffered: self.buffered() }
    }

    /// A part has put other bytes, so many more or fewer, in the place of some of its share.
    pub(super) fn resized(&mut self, place: Place, from: usize, to: usize) {
        if let Some(share) = self.shares.get_mut(place) {
            let resized = |size: usize| size.saturating_sub(from).saturating_add(to);
            (share.size, share.told) = (resized(share.size), resized(share.told));
        }
    }

    fn buffered(&self) -> usize {
        self.shares.iter().map(|share| share.size).fold(self.gone, usize::saturating_add)
    }

    // === what follows for the host ===

    /// Whether a part holds something, or the message goes no further.
    pub(super) fn is_held(&self) -> bool {
        self.blocked || self.shares.iter().any(|share| share.held)
    }

    /// Whether the host holds the message.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The host is told to hold the message.
    pub(super) fn pause(&mut self) {
        self.paused = true;
        self.headers_held |= !self.forwarded;
    }

    /// The host is told to let the message go, and with it all that its buffer holds.
    pub(super) fn go(&mut self) {
        self.gone = 0;
        for share in &mut self.shares {
            (share.size, share.told) = (0, 0);
        }
        self.forwarded = true;
        self.paused = false;
    }

    /// The same, if the host holds the message and no part does. Returns whether that is so.
    pub(super) fn resume(&mut self) -> bool {
        let goes = self.paused && !self.is_held();
        if goes {
            self.go();
        }
        goes
    }

    /// Whether a message that may go on must do so in a later callback: Envoy brings trailers while it continues held
    /// headers, and forgets the held body when it may go there.
    pub(super) fn must_go_later(&self) -> bool {
        self.has_trailers && self.headers_held && self.buffered() > 0
    }
}

// === impl Reach ===

impl Reach {
    /// A part lets it go, if it was told. Returns whether this brings it further.
    fn let_go(&mut self, place: Place) -> bool {
        let goes = self.told > place && self.gone == place;
        if goes {
            self.gone = place.saturating_add(1);
        }
        goes
    }
}

#[cfg(test)]
mod tests;
