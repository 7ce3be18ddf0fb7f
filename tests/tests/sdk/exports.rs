//! Exports: what a module of `filter!` has the host call.

use crate::guests::Guest;

#[test]
fn neither_the_end_nor_background_work_costs_a_callback_for_bodies() {
    let exports = &Guest::Witness.built().unwrap().module;
    let callbacks: Vec<_> = exports.callbacks().collect();
    assert_eq!(
        callbacks,
        [
            "proxy_on_configure",
            "proxy_on_context_create",
            "proxy_on_delete",
            "proxy_on_http_call_response",
            "proxy_on_request_headers",
            "proxy_on_tick",
        ]
    );
}
