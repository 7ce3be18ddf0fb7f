//! Shared data: values by VM id and key, the same for all workers.

use crate::lock;
use crate::status::Status;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// The values of all VM ids.
#[derive(Debug, Default)]
pub struct SharedData(Mutex<Values>);

#[derive(Debug, Default)]
struct Values {
    values: BTreeMap<(String, Vec<u8>), (Vec<u8>, u32)>,
    last_cas: u32,
}

impl SharedData {
    /// A key's value and compare-and-swap number.
    #[must_use]
    pub fn get(&self, vm_id: &str, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        lock(&self.0).values.get(&(vm_id.to_owned(), key.to_vec())).cloned()
    }

    /// Sets a key, if `cas` is 0, the key's number, or the key is not there.
    pub fn set(&self, vm_id: &str, key: &[u8], value: &[u8], cas: u32) -> Status {
        let mut shared = lock(&self.0);
        let key = (vm_id.to_owned(), key.to_vec());
        if shared.values.get(&key).is_some_and(|(_, current)| cas != 0 && *current != cas) {
            return Status::CAS_MISMATCH;
        }
        shared.last_cas = shared.last_cas.wrapping_add(1).max(1);
        let cas = shared.last_cas;
        shared.values.insert(key, (value.to_vec(), cas));
        Status::OK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_there_is_created_whatever_the_number() {
        let data = SharedData::default();
        assert_eq!(data.get("", b"k"), None);
        assert_eq!(data.set("", b"k", b"v", 424_242), Status::OK);
        assert_eq!(data.get("", b"k").unwrap().0, b"v");
    }

    #[test]
    fn a_stale_number_is_a_mismatch_and_0_is_none() {
        let data = SharedData::default();
        data.set("", b"k", b"1", 0);
        let (_, cas) = data.get("", b"k").unwrap();
        assert_eq!(data.set("", b"k", b"2", cas), Status::OK);
        assert_eq!(data.set("", b"k", b"3", cas), Status::CAS_MISMATCH);
        assert_eq!(data.set("", b"k", b"4", 0), Status::OK);
    }

    #[test]
    fn vm_ids_are_apart() {
        let data = SharedData::default();
        data.set("a", b"k", b"", 0);
        assert_eq!(data.get("b", b"k"), None);
        assert_eq!(data.get("a", b"k").unwrap().0, b"");
    }
}
