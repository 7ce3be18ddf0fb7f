//! Roots: plugins started in VMs, kept over changes of the configuration, and started anew after a failure.

use super::Worker;
use crate::clock::nanoseconds;
use crate::error::StartError;
use crate::imports;
use crate::metrics::Kind;
use crate::plugin::{FailurePolicy, Plugin, VmKey};
use crate::stream::{self, Filter};
use crate::vm::{Called, Home, Vm, VmHandle};
use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::rc::Rc;
use std::time::Duration;

/// A plugin's place in the chain.
pub(super) struct Slot {
    plugin: Rc<Plugin>,
    /// Its VM and root; without them it could not start.
    root: Option<(VmHandle, u32)>,
    /// When a new VM was last made in place of one that failed.
    reloaded: Option<u64>,
}

/// How long after a reload the next one has to wait.
const BACK_OFF: Duration = Duration::from_secs(1);

/// How many failed VMs are kept. Their streams keep them as well.
const RETIRED: usize = 16;

impl Worker {
    /// Makes this the chain of streams to come. Roots of plugins that stay are kept, and so are those of earlier chains,
    /// with their VMs, until [`Worker::drain`].
    ///
    /// # Errors
    ///
    /// A VM traps, or a plugin refuses its configuration; the chain stays as it was.
    pub fn load(&mut self, plugins: &[Plugin]) -> Result<(), StartError> {
        let mut chain = Vec::new();
        for plugin in plugins {
            let plugin = Rc::new(plugin.clone());
            let root = self.root(&plugin)?;
            chain.push(Slot { plugin, root: Some(root), reloaded: None });
        }
        self.chain = chain;
        Ok(())
    }

    /// Ends the roots of earlier chains, and forgets VMs without roots.
    pub fn drain(&mut self) {
        let keys: Vec<_> = self.chain.iter().map(|slot| (slot.plugin.vm.key(), slot.plugin.key())).collect();
        for (vm_key, vm) in &self.vms {
            let roots = vm.borrow().roots.clone();
            for (key, root) in roots.into_iter().filter(|(key, _)| !keys.contains(&(vm_key.clone(), key.clone()))) {
                vm.borrow_mut().roots.remove(&key);
                end_root(vm, root);
            }
        }
        self.vms.retain(|_, vm| !vm.borrow().is_idle());
        self.retired.clear();
    }

    /// The filters of a stream that begins now.
    pub(super) fn filters(&mut self) -> Vec<Filter> {
        let mut filters = Vec::new();
        for index in 0..self.chain.len() {
            let Some((plugin, root)) = self.chain.get(index).map(|slot| (Rc::clone(&slot.plugin), slot.root.clone()))
            else {
                continue;
            };
            let failed = root.as_ref().is_none_or(|(vm, _)| vm.borrow().failed());
            let root = match plugin.failure_policy {
                FailurePolicy::Open if failed => continue,
                FailurePolicy::Reload if failed => self.reload(index),
                _ => root,
            };
            filters.push(Filter::new(plugin, root));
        }
        filters
    }

    fn reload(&mut self, index: usize) -> Option<(VmHandle, u32)> {
        let now = self.shared.clock.now();
        let slot = self.chain.get_mut(index)?;
        let plugin = Rc::clone(&slot.plugin);
        let count = |what| self.shared.metrics.add(Kind::Counter, &format!("wasm.{}.vm_reload_{what}", plugin.name), 1);
        if slot.reloaded.is_some_and(|last| now < last.saturating_add(nanoseconds(BACK_OFF))) {
            count("backoff");
            return None;
        }
        slot.reloaded = Some(now);
        let root = self.root(&plugin).ok();
        let count = |what| self.shared.metrics.add(Kind::Counter, &format!("wasm.{}.vm_reload_{what}", plugin.name), 1);
        count(if root.is_some() { "success" } else { "failure" });
        if let Some(slot) = self.chain.get_mut(index) {
            slot.root.clone_from(&root);
        }
        root
    }

    /// Takes a VM that has failed from those that plugins are started in.
    fn retire(&mut self, key: &VmKey) {
        if self.vms.get(key).is_some_and(|vm| vm.borrow().failed()) {
            self.retired.extend(self.vms.remove(key));
            let surplus = self.retired.len().saturating_sub(RETIRED);
            self.retired.drain(..surplus);
        }
    }

    /// The root of a plugin, which is started if there is none.
    fn root(&mut self, plugin: &Rc<Plugin>) -> Result<(VmHandle, u32), StartError> {
        self.retire(&plugin.vm.key());
        let failed = |failure| StartError::Failed { plugin: plugin.name.clone(), failure };
        let vm = match self.vms.entry(plugin.vm.key()) {
            Entry::Occupied(entry) => Rc::clone(entry.get()),
            Entry::Vacant(entry) => {
                let home = Home { worker: self.index, vm: self.shared.next_vm(), effects: Rc::clone(&self.effects) };
                let vm = imports::linker(&plugin.vm)
                    .and_then(|imports| Vm::start(&imports, &plugin.vm, &self.limits, &self.shared, home));
                let vm = vm.map_err(failed)?;
                Rc::clone(entry.insert(Rc::new(RefCell::new(vm))))
            }
        };
        if let Some(root) = vm.borrow().roots.get(&plugin.key()).copied() {
            return Ok((Rc::clone(&vm), root));
        }
        let started = start_root(&vm, plugin);
        if started.is_err() && vm.borrow().roots.is_empty() {
            self.vms.remove(&plugin.vm.key());
        }
        started.map(|root| (vm, root))
    }
}

fn start_root(vm: &VmHandle, plugin: &Rc<Plugin>) -> Result<u32, StartError> {
    let root = vm.borrow_mut().add_root(Rc::clone(plugin));
    let outcome = configure_root(vm, root, plugin);
    if outcome.is_err() {
        let mut vm = vm.borrow_mut();
        vm.roots.remove(&plugin.key());
        vm.remove_context(root);
    }
    outcome.map(|()| root)
}

fn configure_root(vm: &VmHandle, root: u32, plugin: &Plugin) -> Result<(), StartError> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let run = |name, arguments: &[u32]| match stream::run(vm, root, name, arguments) {
        Called::Missing => Ok(true),
        Called::Returned(value) => Ok(value != 0),
        Called::Failed => {
            let failure = vm.borrow().failure().cloned();
            Err(failure.map_or_else(
                || StartError::VmStartRefused(plugin.name.clone()),
                |failure| StartError::Failed { plugin: plugin.name.clone(), failure },
            ))
        }
    };
    run("proxy_on_context_create", &[0])?;
    if !run("proxy_on_vm_start", &[length(&plugin.vm.configuration)])? {
        return Err(StartError::VmStartRefused(plugin.name.clone()));
    }
    vm.borrow_mut().state_mut().configuration = Some(plugin.configuration.clone());
    let configured = run("proxy_on_configure", &[length(&plugin.configuration)]);
    vm.borrow_mut().state_mut().configuration = None;
    if configured? { Ok(()) } else { Err(StartError::ConfigureRefused(plugin.name.clone())) }
}

fn end_root(vm: &VmHandle, root: u32) {
    let done = match stream::run(vm, root, "proxy_on_done", &[]) {
        Called::Returned(value) => value != 0,
        Called::Missing | Called::Failed => true,
    };
    if done {
        stream::delete_root(vm, root);
    } else {
        vm.borrow_mut().state_mut().pending.insert(root);
    }
}
