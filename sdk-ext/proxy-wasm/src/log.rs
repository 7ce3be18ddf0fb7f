//! Log: the module's one logger, when it is the SDK's.

use palisade_sdk::shell;
use std::cell::Cell;

thread_local! {
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// Has the `log` crate's macros and panics write to the host's log, at the level that the host has at the time.
///
/// It takes the place of `proxy_wasm::set_log_level`: a module has one logger, and that function panics where there is
/// one already.
pub fn log_to_host() {
    shell::log::install();
    IS_OURS.set(true);
}

/// Takes over the host's level.
pub(crate) fn refresh() {
    if IS_OURS.get() {
        shell::log::refresh();
    }
}

/// Takes over the host's level from time to time, as streams begin.
pub(crate) fn follow() {
    if IS_OURS.get() {
        shell::log::follow();
    }
}
