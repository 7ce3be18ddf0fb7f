//! Actions: what a guest asked for while it was called, done once it has returned.

use super::action::Action;
use super::{abort, common_continue, local_reply};
use crate::vm::{self, Called, VmHandle};

/// Calls a function of the guest, and then does what it asked for.
pub(crate) fn run(vm: &VmHandle, context: u32, name: &'static str, arguments: &[u32]) -> Called {
    let (called, _) = vm::call(vm, context, name, arguments);
    act(vm);
    called
}

/// Does what the guest asked for.
pub(super) fn act(vm: &VmHandle) {
    loop {
        let action = vm.borrow_mut().next_action();
        match action {
            Some(Action::Continue(stream, place, direction)) => {
                if let Some(stream) = stream.upgrade() {
                    common_continue(&stream, direction, place);
                }
            }
            Some(Action::Reply(stream, reply)) => {
                if let Some(stream) = stream.upgrade() {
                    local_reply(&stream, reply);
                }
            }
            Some(Action::Reset(stream)) => {
                if let Some(stream) = stream.upgrade() {
                    abort(&stream);
                }
            }
            Some(Action::Delete(root)) => delete_root(vm, root),
            None => return,
        }
    }
}

/// Deletes a root that is done.
pub(crate) fn delete_root(vm: &VmHandle, root: u32) {
    run(vm, root, "proxy_on_delete", &[]);
    vm.borrow_mut().remove_context(root);
}
