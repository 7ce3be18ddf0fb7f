//! Held: how much the bodies of all streams wait with in the module.
//!
//! Memory is the VM's, whose other streams end with it when there is none left.

use std::cell::Cell;

use crate::masking::Stop;

/// What a body may hold whatever the others do: the longest value that is looked at as a whole.
const FREE: usize = 64 * 1024;

/// How much more than that all of them hold together: gRPC messages, which are held to their ends.
const MOST: usize = 64 << 20;

thread_local! {
    static ALL: Cell<usize> = const { Cell::new(0) };
}

/// How much one body holds beyond what each may.
#[derive(Debug, Default)]
pub(super) struct Held(usize);

impl Held {
    /// So many bytes from now on.
    ///
    /// # Errors
    ///
    /// [`Stop::FULL`]: all together would be too much, and it stays as it is.
    pub(super) fn set(&mut self, len: usize) -> Result<(), Stop> {
        let own = len.saturating_sub(FREE);
        let all = ALL.get().saturating_sub(self.0).saturating_add(own);
        if own > self.0 && all > MOST {
            return Err(Stop::FULL);
        }
        self.0 = own;
        ALL.set(all);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        ALL.set(ALL.get().saturating_sub(self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_hold_is_bounded_and_what_each_may_hold_is_free() {
        let mut held: Vec<Held> = Vec::new();
        let mut one = |len| {
            let mut one = Held::default();
            let outcome = one.set(len);
            held.push(one);
            outcome
        };
        for _ in 0..64 {
            assert_eq!(one(FREE + (1 << 20)), Ok(()));
        }
        assert_eq!(one(FREE + 1), Err(Stop::FULL));
        assert_eq!(one(FREE), Ok(()));
        assert_eq!(ALL.get(), MOST);
        // What one holds no longer is free for others: it has gone, or its stream has.
        assert_eq!(held[0].set(FREE + 10), Ok(()));
        held.remove(1);
        assert_eq!(held[0].set(FREE + (2 << 20)), Ok(()));
        assert_eq!(held[0].set(FREE + (2 << 20) + 1), Err(Stop::FULL));
        held.clear();
        assert_eq!(ALL.get(), 0);
    }
}
