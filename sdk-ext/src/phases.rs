//! Phases: the callbacks of the host in which a filter takes part.

use crate::direction::Direction;

/// The callbacks that a filter declares: the phases that it takes part in and the events that it awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u16);

impl Phases {
    /// No callback at all.
    pub const NONE: Self = Self(0);

    /// `phases!`'s way to look up a name.
    ///
    /// # Panics
    ///
    /// At compile time, when there is no such phase.
    #[must_use]
    #[expect(clippy::panic, reason = "evaluated by the compiler only")]
    pub const fn named(name: &str) -> Self {
        let bit = match name.as_bytes() {
            b"request_headers" => 0,
            b"request_body" => 1,
            b"request_trailers" => 2,
            b"response_headers" => 3,
            b"response_body" => 4,
            b"response_trailers" => 5,
            b"http_call" => 6,
            b"grpc_call" => 7,
            b"sleep" => 8,
            b"end" => 9,
            b"background" => 10,
            _ => panic!(
                "no such phase: request_headers, request_body, request_trailers, response_headers, response_body, \
                 response_trailers, http_call, grpc_call, sleep, end or background"
            ),
        };
        Self(1 << bit)
    }

    /// The names, in an order that [`filter!`](crate::filter) takes.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let names = [
            "request_headers",
            "request_body",
            "request_trailers",
            "response_headers",
            "response_body",
            "response_trailers",
            "end",
            "background",
            "http_call",
            "grpc_call",
            "sleep",
        ];
        names.into_iter().filter(move |name| self.has(Self::named(name)))
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are declared.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether each phase has those that must come before it: a body and trailers the headers of their side, a
    /// response the request, where its exchange begins, and `background` an event.
    #[must_use]
    pub const fn are_complete(self) -> bool {
        let request = self.0 & 0b000_001 != 0;
        let response = self.0 & 0b001_000 != 0;
        let background = self.has(Self::named("background"));
        (request || self.0 & 0b111_110 == 0) && (response || self.0 & 0b110_000 == 0) && (!background || self.waits())
    }

    /// Whether events are among them that the filter waits for.
    #[must_use]
    pub const fn waits(self) -> bool {
        self.has(Self::named("http_call")) || self.has(Self::named("grpc_call")) || self.has(Self::named("sleep"))
    }

    /// Whether exchanges are among what waits for them: messages are held meanwhile.
    pub(crate) const fn hold(self) -> bool {
        self.waits() && !self.has(Self::named("background"))
    }

    /// What a module declares that holds a filter of each: messages are held where one of the two holds them.
    #[must_use]
    pub const fn beside(self, other: Self) -> Self {
        let both = self.and(other);
        let holds = self.hold() || other.hold();
        if holds { Self(both.0 & !Self::named("background").0) } else { both }
    }

    // Which callbacks of a message a filter has in a module of its own, as `filter!` has it.

    /// Whether a filter is told of the headers of a message.
    pub(crate) const fn hears_headers(self, direction: Direction) -> bool {
        self.has(direction.headers_phase())
    }

    /// Whether a filter is told of the body of a message, be it to hold it.
    pub(crate) const fn hears_body(self, direction: Direction) -> bool {
        self.has(direction.body_phase()) || (self.hold() && self.hears_headers(direction))
    }

    /// Whether a filter is told of the trailers of a message, be it to hold them.
    pub(crate) const fn hears_trailers(self, direction: Direction) -> bool {
        self.has(direction.trailers_phase()) || self.hears_body(direction)
    }

    /// Whether the two declare the same.
    #[must_use]
    pub const fn same(self, other: Self) -> bool {
        self.0 == other.0
    }
}

/// A list of phases and events, by name.
///
/// `request_headers`, `request_body`, `request_trailers`, `response_headers`, `response_body` and
/// `response_trailers` are phases of the stream, and `end` is when all of it is over; `http_call`, `grpc_call` and `sleep`
/// are events that a filter waits for. Where they stand behind `background`, only its background task waits for them: they
/// hold no message then, and need no callbacks for bodies and trailers.
#[macro_export]
macro_rules! phases {
    ($($phase:ident),* $(,)?) => {
        $crate::Phases::NONE$(.and($crate::Phases::named(stringify!($phase))))*
    };
}

/// Refuses, at compile time, a filter that awaits what it does not declare.
macro_rules! declared {
    ($filter:ty, $phase:literal) => {
        const {
            assert!(
                <$filter as $crate::Filter>::PHASES.has($crate::Phases::named($phase)),
                concat!("the filter awaits `", $phase, "`: declare it in Filter::PHASES and in filter!")
            )
        }
    };
}
pub(crate) use declared;

#[cfg(test)]
mod tests {
    use super::*;

    const OBSERVES: Phases = phases![request_headers, end, background, http_call, sleep];
    const WAITS: Phases = phases![request_headers, response_headers, grpc_call];
    const READS: Phases = phases![request_headers, request_body];

    #[test]
    fn a_module_of_several_filters_holds_messages_when_one_of_them_does() {
        assert!(OBSERVES.beside(WAITS).same(phases![
            request_headers,
            response_headers,
            end,
            http_call,
            grpc_call,
            sleep
        ]));
        assert!(OBSERVES.beside(READS).same(phases![request_headers, request_body, end, background, http_call, sleep]));
    }

    #[test]
    fn a_filter_is_told_of_what_it_reads_and_of_what_it_holds() {
        use Direction::{Request, Response};
        let told = |phases: Phases, direction| {
            [phases.hears_headers(direction), phases.hears_body(direction), phases.hears_trailers(direction)]
        };
        assert_eq!(told(OBSERVES, Request), [true, false, false]);
        assert_eq!(told(WAITS, Request), [true, true, true]);
        assert_eq!(told(WAITS, Response), [true, true, true]);
        assert_eq!(told(READS, Request), [true, true, true]);
        assert_eq!(told(READS, Response), [false, false, false]);
    }
}
