//! YAML as Envoy reads it, which takes JSON for YAML too.

use anyhow::{Result, bail};
use serde_json::Value;

/// The documents of a text. A merge key is refused: other readers merge, and Envoy takes `<<` for a field of that name. So are
/// tags that are not YAML's own: Envoy leaves out a field whose name is tagged `!ignore`. It decodes nothing for the tag `!!binary`.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>> {
    let options = serde_saphyr::options! {
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        ignore_binary_tag_for_string: true,
    };
    Ok(serde_saphyr::from_multiple_with_options(text, options)?)
}

/// The only document of a text.
pub(crate) fn document(text: &str) -> Result<Value> {
    match <[Value; 1]>::try_from(documents(text)?) {
        Ok([document]) => Ok(document),
        Err(documents) => bail!("there are {} documents where one belongs", documents.len()),
    }
}
