//! Tasks: what is not finished in one VM, by the ids of its contexts.

/// A list in the order of ids: a `BTreeMap` would add 7 KiB to a module. The host counts its contexts up, so that a new
/// one nearly always stands at the end; one that is finished leaves a gap, and the gaps are closed together.
pub(crate) struct Tasks<T> {
    tasks: Vec<(u32, Option<T>)>,
    gaps: usize,
}

/// With so few gaps, to close them saves nothing.
const FEW: usize = 16;

impl<T> Tasks<T> {
    pub(crate) const fn new() -> Self {
        Self { tasks: Vec::new(), gaps: 0 }
    }

    pub(crate) fn take(&mut self, id: u32) -> Option<T> {
        let place = self.place(id).ok()?;
        let (_, task) = self.tasks.get_mut(place)?;
        let task = task.take()?;
        self.gaps = self.gaps.saturating_add(1);
        Some(task)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let place = self.place(id).ok()?;
        self.tasks.get_mut(place)?.1.as_mut()
    }

    /// Keeps a task, in place of one that is there under the same id.
    pub(crate) fn put(&mut self, id: u32, task: T) -> Option<T> {
        if self.gaps > FEW.max(self.tasks.len() / 2) {
            self.tasks.retain(|(_, task)| task.is_some());
            self.gaps = 0;
        }
        let place = match self.place(id) {
            Ok(place) => place,
            Err(place) => {
                self.tasks.insert(place, (id, Some(task)));
                return None;
            }
        };
        let (_, kept) = self.tasks.get_mut(place)?;
        let former = kept.replace(task);
        if former.is_none() {
            self.gaps = self.gaps.saturating_sub(1);
        }
        former
    }

    fn place(&self, id: u32) -> Result<usize, usize> {
        self.tasks.binary_search_by_key(&id, |(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in vec((0_u32..40, any::<bool>()), 0..400)) {
            let (mut tasks, mut map) = (Tasks::new(), BTreeMap::new());
            for (step, (id, put)) in steps.into_iter().enumerate() {
                match put {
                    true => prop_assert_eq!(tasks.put(id, step), map.insert(id, step)),
                    false => prop_assert_eq!(tasks.take(id), map.remove(&id)),
                }
                let gaps = tasks.tasks.iter().filter(|(_, task)| task.is_none()).count();
                prop_assert_eq!(tasks.gaps, gaps);
                prop_assert_eq!(tasks.tasks.iter().flat_map(|(_, task)| task).count(), map.len());
            }
        }
    }

    #[test]
    fn contexts_that_come_and_go_leave_no_growing_list() {
        let mut tasks = Tasks::new();
        tasks.put(0, ());
        for id in 1..10_000 {
            tasks.put(id, ());
            tasks.take(id);
        }
        assert!(tasks.tasks.len() <= FEW + 3, "{}", tasks.tasks.len());
    }
}
