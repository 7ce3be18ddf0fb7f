//! Prints the JSON Schema of the config, which editors and pipelines read.

use %module%_filter::config::Config;

fn main() -> Result<(), serde_json::Error> {
    serde_json::to_writer_pretty(std::io::stdout(), &schemars::schema_for!(Config))
}
