//! The bill of materials, held against CycloneDX's own schema.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

use crate::house::stderr;
use crate::rebuild;

/// The schemas, which refer to each other by the names of their files.
struct Schemas(PathBuf);

impl Schemas {
    fn official() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cyclonedx");
        let output = Command::new(script).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        Self(String::from_utf8(output.stdout).unwrap().trim().into())
    }

    fn read(&self, file: &str) -> Result<Value, Box<dyn Error + Send + Sync>> {
        Ok(serde_json::from_slice(&fs::read(self.0.join(file))?)?)
    }

    fn validator(self) -> Validator {
        let schema = self.read("bom-1.6.SNAPSHOT.schema.json").unwrap();
        jsonschema::options().with_retriever(self).build(&schema).unwrap()
    }
}

impl Retrieve for Schemas {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        self.read(uri.path().as_str().rsplit('/').next().unwrap_or_default())
    }
}

#[test]
fn a_bill_is_what_the_schema_of_cyclonedx_asks_for() {
    let house = rebuild::checkout("cp \"$root/one.wasm\" \"$out\"");
    let output = house.palisade(&["build", "--guest", "guest", "--out", "out"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let bill: Value = serde_json::from_str(&house.read("out/sboms/guest.cdx.json")).unwrap();
    let schema = Schemas::official().validator();
    let errors: Vec<_> = schema.iter_errors(&bill).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    let parts = bill["components"].as_array().unwrap();
    assert!(parts.iter().any(|part| part["purl"].is_string() && part["hashes"].is_array()), "{bill}");
    for pointer in ["/components/0/hashes/0/content", "/components/0/type", "/metadata/component/hashes/0/alg"] {
        let mut wrong = bill.clone();
        *wrong.pointer_mut(pointer).unwrap() = "zz".into();
        assert!(!schema.is_valid(&wrong), "{pointer}");
    }
}
