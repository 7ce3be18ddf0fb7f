//! Timers: ticks of roots, and timeouts of callouts.

use super::Worker;
use crate::callout::CalloutEvent;
use crate::effect::Effect;
use crate::stream;

impl Worker {
    /// When something is next to happen, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn next_timer(&self) -> Option<u64> {
        let ticks = self.all_vms().filter_map(|vm| vm.borrow().state().ticks.values().map(|(_, next)| *next).min());
        ticks.chain(self.timeouts.values().copied()).min()
    }

    /// Does what is due.
    pub fn run_timers(&mut self) {
        let now = self.shared.clock.now();
        let due: Vec<_> = self.timeouts.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for id in due {
            self.effects.borrow_mut().push_back(Effect::Cancelled(id));
            self.callout(id, CalloutEvent::TimedOut);
            self.timeouts.remove(&id);
        }
        let vms: Vec<_> = self.all_vms().cloned().collect();
        for vm in vms {
            let ticks = vm.borrow().state().ticks.clone();
            for (root, _) in ticks.into_iter().filter(|(_, (_, next))| *next <= now) {
                stream::run(&vm, root, "proxy_on_tick", &[]);
                let mut vm = vm.borrow_mut();
                if vm.failed() {
                    vm.state_mut().ticks.clear();
                } else if let Some((period, _)) = vm.state().ticks.get(&root).copied() {
                    vm.state_mut().set_period(root, period);
                }
            }
        }
    }
}
