//! A VM: an instance of a module, its contexts, and calls into it.

mod state;

use crate::error::{Failure, Why};
use crate::limits::Limits;
use crate::plugin::{Plugin, VmSettings};
use crate::shared::Shared;
pub(crate) use state::{Answer, Context, Home, Restriction, VmState};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use wasmtime::{Func, Instance, Linker, Store, Val};

/// A VM that the contexts of several streams share.
pub(crate) type VmHandle = Rc<RefCell<Vm>>;

/// An instance of a module.
pub(crate) struct Vm {
    store: Store<VmState>,
    functions: BTreeMap<String, Func>,
    /// The roots of its plugins, by plugin.
    pub roots: BTreeMap<(String, Vec<u8>, String), u32>,
    failure: Option<Failure>,
    limits: Limits,
}

/// What a call into the guest came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// The guest has no such function, or may not be called there.
    Missing,
    /// It returned this; 0 where it returns nothing.
    Returned(u32),
    /// It trapped, now or before.
    Failed,
}

/// Calls a function of the guest, and says whether it has answered the client meanwhile.
pub(crate) fn call(vm: &VmHandle, context: u32, name: &'static str, arguments: &[u32]) -> (Called, bool) {
    let mut vm = vm.borrow_mut();
    let called = vm.call(context, name, arguments);
    (called, std::mem::take(&mut vm.state_mut().stop_iteration))
}

impl Vm {
    /// Instantiates a module with these imports and runs its start functions.
    ///
    /// # Errors
    ///
    /// It traps.
    pub(crate) fn start(
        imports: &Linker<VmState>,
        settings: &VmSettings,
        limits: &Limits,
        shared: &Arc<Shared>,
        home: Home,
    ) -> Result<Self, Failure> {
        let failed = |callback: &str, why| Failure { callback: callback.to_owned(), why };
        let engine = settings.module.code.engine();
        let state = VmState::new(settings.clone(), Arc::clone(shared), home, limits);
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.memory_limit);
        let mut vm =
            Self { store, functions: BTreeMap::new(), roots: BTreeMap::new(), failure: None, limits: limits.clone() };
        vm.refuel();
        vm.state_mut().restriction = Restriction::Start;
        let instance = imports.instantiate(&mut vm.store, &settings.module.code).map_err(|error| {
            let failure = failed("start", Why::of(&error));
            shared.count_failure(&failure);
            failure
        })?;
        vm.bind(&instance, settings);
        for (name, arguments) in vm.start_functions() {
            if let Called::Failed = vm.call(0, name, arguments) {
                return Err(vm.failure.unwrap_or_else(|| failed(name, Why::Unreachable)));
            }
        }
        vm.state_mut().restriction = Restriction::None;
        Ok(vm)
    }

    /// What starts a guest: a reactor's initialisation and then its `main`, or a command.
    fn start_functions(&self) -> Vec<(&'static str, &'static [u32])> {
        let has = |name: &str| self.functions.contains_key(name);
        match (has("_initialize"), has("main")) {
            (true, true) => vec![("_initialize", &[]), ("main", &[0, 0])],
            (true, false) => vec![("_initialize", &[]), ("__main_void", &[])],
            (false, _) => vec![("_start", &[])],
        }
    }

    fn bind(&mut self, instance: &Instance, settings: &VmSettings) {
        let memory = instance.get_memory(&mut self.store, "memory");
        let exports: Vec<_> = settings.module.code.exports().map(|export| export.name().to_owned()).collect();
        for name in exports {
            let allowed = !name.starts_with("proxy_on_") || settings.capabilities.allow(&name);
            if let Some(function) = instance.get_func(&mut self.store, &name).filter(|_| allowed) {
                self.functions.insert(name, function);
            }
        }
        // The allocator need not be listed among the capabilities.
        let allocate = ["malloc", "proxy_on_memory_allocate"]
            .into_iter()
            .find_map(|name| instance.get_func(&mut self.store, name));
        let state = self.state_mut();
        state.memory = memory;
        state.allocate = allocate;
    }

    /// Makes a root context for a plugin; the guest learns of it by the first callback.
    pub(crate) fn add_root(&mut self, plugin: Rc<Plugin>) -> u32 {
        let key = plugin.key();
        let id = self.state_mut().add_context(Context { parent: 0, plugin, stream: None });
        self.roots.insert(key, id);
        id
    }

    /// Makes a stream context of a root.
    pub(crate) fn add_stream(
        &mut self,
        root: u32,
        plugin: Rc<Plugin>,
        stream: std::rc::Weak<RefCell<crate::stream::Exchange>>,
        place: usize,
    ) -> u32 {
        self.state_mut().add_context(Context { parent: root, plugin, stream: Some((stream, place)) })
    }

    /// Forgets a context.
    pub(crate) fn remove_context(&mut self, id: u32) {
        self.state_mut().remove_context(id);
    }

    /// Whether nothing is left in it but what streams still have.
    pub(crate) fn is_idle(&self) -> bool {
        self.roots.is_empty() && self.state().pending.is_empty()
    }

    /// Why it does not run any more, if so.
    pub(crate) const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether it does not run any more.
    pub(crate) const fn failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(crate) fn state(&self) -> &VmState {
        self.store.data()
    }

    pub(crate) fn state_mut(&mut self) -> &mut VmState {
        self.store.data_mut()
    }

    pub(crate) fn next_action(&mut self) -> Option<crate::stream::Action> {
        self.state_mut().actions.pop_front()
    }

    fn call(&mut self, context: u32, name: &'static str, arguments: &[u32]) -> Called {
        if self.failed() {
            return Called::Failed;
        }
        let Some(function) = self.functions.get(name).copied() else { return Called::Missing };
        let before = self.refuel();
        let state = self.state_mut();
        state.begin(context, name);
        // ABI 0.1.0 has no end of stream in headers callbacks, and wants the context everywhere; start functions want neither.
        let ty = function.ty(&self.store);
        let with_context = std::iter::once(context).filter(|_| name.starts_with("proxy_"));
        let parameters: Vec<_> = with_context
            .chain(arguments.iter().copied())
            .take(ty.params().len())
            .map(|argument| Val::I32(argument.cast_signed()))
            .collect();
        let mut results: Vec<_> = ty.results().map(|ty| Val::default_for_ty(&ty).unwrap_or(Val::I32(0))).collect();
        let outcome = function.call(&mut self.store, &parameters, &mut results);
        let left = if self.limits.fuel.is_some() { self.store.get_fuel().unwrap_or(0) } else { 0 };
        let state = self.state_mut();
        state.counters.fuel = state.counters.fuel.saturating_add(before.saturating_sub(left));
        state.counters.peak_memory = u64::try_from(state.memory_limit.peak).unwrap_or(u64::MAX);
        state.finish();
        match outcome {
            Ok(()) => Called::Returned(results.first().map_or(0, number)),
            Err(error) => {
                let why = Why::of(&error);
                let failure = Failure { callback: name.to_owned(), why };
                self.state_mut().log_as_host(5, &failure.to_string());
                self.state().shared.count_failure(&failure);
                self.failure = Some(failure);
                Called::Failed
            }
        }
    }

    fn refuel(&mut self) -> u64 {
        if self.limits.time.is_some() {
            self.store.set_epoch_deadline(self.limits.ticks());
        }
        let Some(fuel) = self.limits.fuel else { return 0 };
        // Counted by the engine, which was made for these limits.
        if self.store.set_fuel(fuel).is_ok() { fuel } else { 0 }
    }
}

fn number(value: &Val) -> u32 {
    match value {
        Val::I32(number) => number.cast_unsigned(),
        Val::I64(number) => u32::try_from(*number).unwrap_or(u32::MAX),
        _ => 0,
    }
}
