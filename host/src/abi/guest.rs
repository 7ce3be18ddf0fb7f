//! The guest behind a host call: its memory, and the state that it acts on.

use crate::error::Why;
use crate::status::Status;
use crate::vm::{Restriction, VmState};
use wasmtime::{AsContextMut, Caller, Extern, Memory, Val};

/// The guest that made a host call.
pub(crate) struct Guest<'a, 'b> {
    caller: &'a mut Caller<'b, VmState>,
}

/// What a host call comes to; `Ok` is status 0.
pub(crate) type Outcome = Result<(), Halt>;

/// Why a host call was not carried out.
pub(crate) enum Halt {
    Status(Status),
    Trap(wasmtime::Error),
}

impl From<Status> for Halt {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Halt {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl<'a, 'b> Guest<'a, 'b> {
    pub(crate) const fn new(caller: &'a mut Caller<'b, VmState>) -> Self {
        Self { caller }
    }

    pub(crate) fn state(&self) -> &VmState {
        self.caller.data()
    }

    pub(crate) fn state_mut(&mut self) -> &mut VmState {
        self.caller.data_mut()
    }

    /// The bytes at a pointer; a guest that hands over too many traps.
    pub(crate) fn read(&mut self, pointer: u32, length: u32) -> Result<Vec<u8>, Halt> {
        let memory = self.memory()?;
        let begin = usize::try_from(pointer).map_err(|_| Status::INVALID_MEMORY_ACCESS)?;
        let length = usize::try_from(length).map_err(|_| Status::INVALID_MEMORY_ACCESS)?;
        let end = begin.checked_add(length).ok_or(Status::INVALID_MEMORY_ACCESS)?;
        if end > memory.data_size(&*self.caller) {
            return Err(Status::INVALID_MEMORY_ACCESS.into());
        }
        if !self.state_mut().take_over(length) {
            return Err(wasmtime::Error::new(Why::Handed).into());
        }
        let bytes = memory.data(&*self.caller).get(begin..end).ok_or(Status::INVALID_MEMORY_ACCESS)?.to_vec();
        let counters = &mut self.state_mut().counters;
        counters.bytes_out = counters.bytes_out.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        Ok(bytes)
    }

    /// Writes bytes at a pointer.
    pub(crate) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Result<(), Status> {
        let memory = self.memory()?;
        let begin = usize::try_from(pointer).map_err(|_| Status::INVALID_MEMORY_ACCESS)?;
        memory.write(&mut *self.caller, begin, bytes).map_err(|_| Status::INVALID_MEMORY_ACCESS)?;
        let counters = &mut self.state_mut().counters;
        counters.bytes_in = counters.bytes_in.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    pub(crate) fn write_u32(&mut self, pointer: u32, value: u32) -> Result<(), Status> {
        self.write(pointer, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, pointer: u32, value: u64) -> Result<(), Status> {
        self.write(pointer, &value.to_le_bytes())
    }

    /// Hands bytes to the guest in memory of its own allocator; nothing is a null pointer.
    pub(crate) fn hand(&mut self, bytes: &[u8], pointer_at: u32, length_at: u32) -> Outcome {
        let pointer = if bytes.is_empty() { 0 } else { self.place(bytes)? };
        let length = u32::try_from(bytes.len()).map_err(|_| Status::INVALID_MEMORY_ACCESS)?;
        self.write_u32(pointer_at, pointer)?;
        self.write_u32(length_at, length)?;
        Ok(())
    }

    /// Puts bytes into memory of the guest's own allocator.
    pub(crate) fn place(&mut self, bytes: &[u8]) -> Result<u32, Halt> {
        let length = i32::try_from(bytes.len()).map_err(|_| Status::INVALID_MEMORY_ACCESS)?;
        let allocate = self.state().allocate.ok_or(Status::INVALID_MEMORY_ACCESS)?;
        let mut results = [Val::I32(0)];
        let before = std::mem::replace(&mut self.state_mut().restriction, Restriction::Allocation);
        allocate.call(self.caller.as_context_mut(), &[Val::I32(length)], &mut results)?;
        self.state_mut().restriction = before;
        let pointer = results.first().and_then(Val::i32).map_or(0, i32::cast_unsigned);
        if pointer == 0 {
            return Err(Status::INVALID_MEMORY_ACCESS.into());
        }
        self.write(pointer, bytes)?;
        let handed = &mut self.state_mut().counters.handed;
        *handed = handed.saturating_add(1);
        Ok(pointer)
    }

    fn memory(&mut self) -> Result<Memory, Status> {
        if let Some(memory) = self.state().memory {
            return Ok(memory);
        }
        // In the start section, before the instance is there.
        match self.caller.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(memory),
            _ => Err(Status::INVALID_MEMORY_ACCESS),
        }
    }
}
