//! Log: the `log` crate's macros, written to the host's log at the host's level.

use crate::abi;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::cell::Cell;

/// How many streams may begin before the host's level is asked for again: an operator who turns on debug lines at
/// run time soon sees them, and no request pays for it.
const FOLLOW_EVERY: u32 = 256;

thread_local! {
    static STREAMS: Cell<u32> = const { Cell::new(0) };
}

struct HostLog;

impl Log for HostLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            abi::log(number(record.level()), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Makes the `log` macros write to the host's log, and panics too, where the module is built so that they have a text. To
/// install it twice changes nothing.
pub fn install() {
    let _ = log::set_logger(&HostLog);
    #[cfg(all(target_arch = "wasm32", not(panic = "immediate-abort")))]
    std::panic::set_hook(Box::new(|info| abi::log(5, &info.to_string())));
}

/// Takes over the host's level; while the host does not tell it, `info` as in Envoy's default.
pub fn refresh() {
    log::set_max_level(abi::log_level().map_or(LevelFilter::Info, filter));
}

/// Takes over the host's level from time to time, as streams begin.
pub fn follow() {
    STREAMS.with(|streams| match streams.get() {
        0 => {
            streams.set(FOLLOW_EVERY);
            refresh();
        }
        left => streams.set(left.saturating_sub(1)),
    });
}

fn number(level: Level) -> u32 {
    match level {
        Level::Trace => 0,
        Level::Debug => 1,
        Level::Info => 2,
        Level::Warn => 3,
        Level::Error => 4,
    }
}

fn filter(level: u32) -> LevelFilter {
    match level {
        0 => LevelFilter::Trace,
        1 => LevelFilter::Debug,
        2 => LevelFilter::Info,
        3 => LevelFilter::Warn,
        4 | 5 => LevelFilter::Error,
        _ => LevelFilter::Off,
    }
}
