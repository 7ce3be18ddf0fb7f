//! Idle: configurations of filters that let everything pass as it is.

use serde_json::{Value, json};

/// The configuration of a fused module in which one filter has this one, and the others have nothing to do.
pub(crate) fn beside(filter: &str, configuration: Value) -> Value {
    let nowhere = json!({"path": {"exact": "/none/of/the/suites"}});
    let mut all = json!({
        "auth": {"default": {"allow": "anonymous"}},
        "rate_limit": {"limits": [{"name": "nowhere", "match": nowhere, "rate": "1/1s"}]},
        "trace_sampler": {"emit_unsampled_roots": false, "default": {"sample": "0%"}},
        "data_masking": {"rules": [{"match": nowhere, "detectors": [{"type": "email", "action": "remove"}]}]},
    });
    all[filter] = configuration;
    all
}
