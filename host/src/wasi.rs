//! WASI: the functions that Envoy answers, most of them with an error, so that modules of other languages load.

use crate::abi::{Arguments, Guest, Halt};
use crate::error::Why;
use crate::plugin::VmSettings;
use crate::signature::Signature;
use crate::signature::Word::{self, I32, I64};
use crate::status::Status;
use crate::vm::{Restriction, VmState};
use wasmtime::{Caller, Linker, Val};

/// The import module of most.
pub(crate) const PREVIEW_1: &str = "wasi_snapshot_preview1";
/// The import module of older ones.
pub(crate) const UNSTABLE: &str = "wasi_unstable";

const BADF: u32 = 8;
const EXIST: u32 = 20;
const FAULT: u32 = 21;
const INVAL: u32 = 28;
const NOENT: u32 = 44;
const NOSYS: u32 = 52;
const NOTSUP: u32 = 58;
const NOTCAPABLE: u32 = 76;
/// The most random bytes at once.
const MAX_RANDOM: u32 = 64 << 10;

struct Row {
    name: &'static str,
    signature: Signature,
    answer: Answer,
    /// Whether start functions may call it.
    at_start: bool,
}

#[derive(Clone, Copy)]
enum Answer {
    Number(u32),
    Call(fn(&mut Guest<'_, '_>, Arguments<'_>) -> Result<u32, Halt>),
}

use Answer::{Call, Number};

const fn row(name: &'static str, parameters: &'static [Word], answer: Answer) -> Row {
    Row { name, signature: Signature { parameters, result: true }, answer, at_start: false }
}

const fn at_start(name: &'static str, parameters: &'static [Word], answer: Answer) -> Row {
    Row { at_start: true, ..row(name, parameters, answer) }
}

const TABLE: &[Row] = &[
    at_start("fd_write", &[I32; 4], Call(fd_write)),
    at_start("clock_time_get", &[I32, I64, I32], Call(clock_time_get)),
    at_start("random_get", &[I32; 2], Call(random_get)),
    at_start("environ_sizes_get", &[I32; 2], Call(environ_sizes_get)),
    at_start("environ_get", &[I32; 2], Call(environ_get)),
    at_start("args_sizes_get", &[I32; 2], Call(args_sizes_get)),
    at_start("args_get", &[I32; 2], Number(0)),
    Row { signature: Signature { parameters: &[I32], result: false }, ..row("proc_exit", &[I32], Call(proc_exit)) },
    row("fd_read", &[I32; 4], Number(NOSYS)),
    row("fd_seek", &[I32, I64, I32, I32], Call(fd_seek)),
    row("fd_close", &[I32], Number(0)),
    row("fd_fdstat_get", &[I32; 2], Call(fd_fdstat_get)),
    row("fd_fdstat_set_flags", &[I32; 2], Number(NOSYS)),
    row("fd_fdstat_set_rights", &[I32, I64, I64], Call(of_output)),
    row("clock_res_get", &[I32; 2], Call(clock_res_get)),
    row("fd_advise", &[I32, I64, I64, I32], Number(0)),
    row("fd_allocate", &[I32, I64, I64], Call(of_output)),
    row("fd_datasync", &[I32], Call(of_output)),
    row("fd_filestat_get", &[I32; 2], Number(BADF)),
    row("fd_filestat_set_size", &[I32, I64], Call(of_output)),
    row("fd_filestat_set_times", &[I32, I64, I64, I32], Call(of_output)),
    row("fd_pread", &[I32, I32, I32, I64, I32], Number(NOSYS)),
    row("fd_pwrite", &[I32, I32, I32, I64, I32], Call(fd_pwrite)),
    row("fd_readdir", &[I32, I32, I32, I64, I32], Call(fd_readdir)),
    row("fd_renumber", &[I32; 2], Number(NOTSUP)),
    row("fd_sync", &[I32], Call(of_output)),
    row("fd_tell", &[I32; 2], Call(fd_tell)),
    row("path_create_directory", &[I32; 3], Number(NOTSUP)),
    row("path_filestat_get", &[I32; 5], Number(NOTSUP)),
    row("path_filestat_set_times", &[I32, I32, I32, I32, I64, I64, I32], Number(NOTSUP)),
    // Envoy has this and the next with one parameter fewer than WASI.
    row("path_link", &[I32; 6], Number(NOTSUP)),
    row("path_symlink", &[I32; 4], Number(NOTSUP)),
    row("path_open", &[I32, I32, I32, I32, I32, I64, I64, I32, I32], Number(NOENT)),
    row("path_readlink", &[I32; 6], Call(path_readlink)),
    row("path_remove_directory", &[I32; 3], Number(NOTSUP)),
    row("path_rename", &[I32; 6], Number(NOTSUP)),
    row("path_unlink_file", &[I32; 3], Number(NOTSUP)),
    at_start("fd_prestat_get", &[I32; 2], Number(BADF)),
    at_start("fd_prestat_dir_name", &[I32; 3], Number(NOSYS)),
    row("sock_accept", &[I32; 3], Call(sock_accept)),
    row("sock_recv", &[I32; 6], Call(sock_recv)),
    row("sock_send", &[I32; 5], Call(sock_send)),
    row("sock_shutdown", &[I32; 2], Number(NOTSUP)),
    row("sched_yield", &[], Number(0)),
    row("poll_oneoff", &[I32; 4], Call(poll_oneoff)),
];

/// The signature of a function.
pub(crate) fn signature(name: &str) -> Option<Signature> {
    TABLE.iter().find(|row| row.name == name).map(|row| row.signature)
}

/// Gives a VM the functions.
pub(crate) fn link(linker: &mut Linker<VmState>, settings: &VmSettings) -> wasmtime::Result<()> {
    for row in TABLE {
        for module in [PREVIEW_1, UNSTABLE] {
            let allowed = settings.capabilities.allow(row.name);
            let ty = row.signature.ty(linker.engine());
            linker.func_new(module, row.name, ty, move |mut caller, parameters, results| {
                let errno = call(&mut caller, row, allowed, parameters)?;
                if let Some(result) = results.first_mut() {
                    *result = Val::I32(errno.cast_signed());
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn call(caller: &mut Caller<'_, VmState>, row: &Row, allowed: bool, parameters: &[Val]) -> wasmtime::Result<u32> {
    let state = caller.data_mut();
    let restricted = match state.restriction {
        Restriction::None => false,
        Restriction::Start => !row.at_start,
        Restriction::Allocation => !matches!(row.name, "fd_write" | "clock_time_get" | "poll_oneoff"),
    };
    if let Some(status) = state.enter(row.name, restricted)? {
        return Ok(status.0);
    }
    if !allowed {
        state.log_as_host(4, &format!("Attempted call to restricted WASI capability: {}", row.name));
        return Ok(NOTCAPABLE);
    }
    match row.answer {
        Number(errno) => Ok(errno),
        Call(call) => match call(&mut Guest::new(caller), Arguments(parameters)) {
            Ok(errno) => Ok(errno),
            Err(Halt::Status(_)) => Ok(FAULT),
            Err(Halt::Trap(error)) => Err(error),
        },
    }
}

fn fd_write(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    write(guest, arguments, arguments.u32(3))
}

/// The offset means nothing.
fn fd_pwrite(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    write(guest, arguments, arguments.u32(4))
}

/// Standard output goes to the log as info, standard error as error.
fn write(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>, written_at: u32) -> Result<u32, Halt> {
    let level = match arguments.u32(0) {
        1 => 2,
        2 => 4,
        _ => return Ok(BADF),
    };
    let mut text = Vec::new();
    let length = arguments.u32(2).checked_mul(8).ok_or(Status::INVALID_MEMORY_ACCESS)?;
    let vectors = guest.read(arguments.u32(1), length)?;
    for vector in vectors.chunks_exact(8) {
        let (pointer, length) = vector.split_at_checked(4).unwrap_or_default();
        // Where there is nothing, the pointer may point anywhere.
        if word(length) > 0 {
            text.extend(guest.read(word(pointer), word(length))?);
        }
        if text.len() > guest.state().log_left() {
            return Err(Halt::Trap(wasmtime::Error::new(Why::Log)));
        }
    }
    let written = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    if !text.is_empty() && !guest.state_mut().log(level, line) {
        return Err(Halt::Trap(wasmtime::Error::new(Why::Log)));
    }
    guest.write_u32(written_at, written)?;
    Ok(0)
}

/// What changes nothing of standard output and error, and cannot be done with anything else.
fn of_output(_: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    Ok(if matches!(arguments.u32(0), 1 | 2) { 0 } else { BADF })
}

fn fd_tell(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    let errno = of_output(guest, arguments)?;
    if errno == 0 {
        guest.write_u64(arguments.u32(1), 0)?;
    }
    Ok(errno)
}

fn fd_readdir(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    guest.write_u32(arguments.u32(4), 0)?;
    Ok(EXIST)
}

fn path_readlink(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    guest.write_u32(arguments.u32(5), 0)?;
    Ok(NOTSUP)
}

fn sock_accept(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    guest.write_u64(arguments.u32(2), 0)?;
    Ok(NOTSUP)
}

fn sock_recv(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    guest.write_u32(arguments.u32(4), 0)?;
    guest.write(arguments.u32(5), &[0; 2])?;
    Ok(NOTSUP)
}

fn sock_send(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    guest.write_u32(arguments.u32(4), 0)?;
    Ok(NOTSUP)
}

fn word(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

/// Real time, and since 1.40 no other clock.
fn clock_time_get(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    if arguments.u32(0) > 1 {
        return Ok(NOTSUP);
    }
    let now = guest.state().shared.clock.now();
    guest.write_u64(arguments.u32(2), now)?;
    Ok(0)
}

fn clock_res_get(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    if arguments.u32(0) > 1 {
        return Ok(NOTSUP);
    }
    guest.write_u64(arguments.u32(1), 1)?;
    Ok(0)
}

fn random_get(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    let length = arguments.u32(1);
    if length > MAX_RANDOM {
        return Ok(INVAL);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    if crate::lock(&guest.state().shared.random).fill(&mut bytes).is_err() {
        return Ok(NOSYS);
    }
    guest.write(arguments.u32(0), &bytes)?;
    Ok(0)
}

fn environ_sizes_get(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    let variables = variables(guest);
    let length = variables.iter().fold(0_usize, |length, variable| length.saturating_add(variable.len()));
    guest.write_u32(arguments.u32(0), u32::try_from(variables.len()).unwrap_or(u32::MAX))?;
    guest.write_u32(arguments.u32(1), u32::try_from(length).unwrap_or(u32::MAX))?;
    Ok(0)
}

fn environ_get(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    let (mut pointer_at, mut pointer) = (arguments.u32(0), arguments.u32(1));
    for variable in variables(guest) {
        guest.write_u32(pointer_at, pointer)?;
        guest.write(pointer, &variable)?;
        pointer_at = pointer_at.wrapping_add(4);
        pointer = pointer.wrapping_add(u32::try_from(variable.len()).unwrap_or(u32::MAX));
    }
    Ok(0)
}

fn variables(guest: &Guest<'_, '_>) -> Vec<Vec<u8>> {
    let environment = &guest.state().settings.environment;
    environment.iter().map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

fn args_sizes_get(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    guest.write_u32(arguments.u32(0), 0)?;
    guest.write_u32(arguments.u32(1), 0)?;
    Ok(0)
}

/// Envoy logs it, and goes on.
fn proc_exit(guest: &mut Guest<'_, '_>, _: Arguments<'_>) -> Result<u32, Halt> {
    guest.state().log_as_host(4, "wasi_unstable proc_exit");
    Ok(0)
}

fn fd_seek(guest: &mut Guest<'_, '_>, _: Arguments<'_>) -> Result<u32, Halt> {
    guest.state().log_as_host(4, "wasi_unstable fd_seek");
    Ok(0)
}

/// Standard output and error can be written to, and nothing else is there.
fn fd_fdstat_get(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    const RIGHT_TO_WRITE: u64 = 64;
    if !matches!(arguments.u32(0), 1 | 2) {
        return Ok(BADF);
    }
    let stat: Vec<u8> = [0, RIGHT_TO_WRITE, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
    guest.write(arguments.u32(1), &stat)?;
    Ok(0)
}

fn poll_oneoff(guest: &mut Guest<'_, '_>, arguments: Arguments<'_>) -> Result<u32, Halt> {
    guest.write_u32(arguments.u32(3), 0)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_stands_in_the_table_once() {
        let mut names: Vec<_> = TABLE.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        // Those of WASI preview 1 that Envoy does not know.
        assert!(signature("proc_raise").is_none());
        assert_eq!(names.len(), 45);
    }
}
