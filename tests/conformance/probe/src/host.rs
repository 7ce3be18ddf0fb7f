//! The host functions of ABI 0.2.1, each callable by its name with arguments that a script gives.
#![allow(unsafe_code)]

use std::ptr::null_mut;

use crate::answer::Answer;
use crate::parameters::{Arguments, Bytes, Number, OutBytes, OutNumber, OutPairs, OutWide, Wide};
use crate::script::Call;

/// Declares one function of the host by the kinds of its parameters: an import on wasm, a stub that answers 12
/// (unimplemented) elsewhere.
macro_rules! declare {
    ($name:ident [$($ty:ty,)*]) => {
        #[cfg(target_arch = "wasm32")]
        #[link(wasm_import_module = "env")]
        unsafe extern "C" { pub(super) fn $name($(_: $ty),*) -> u32; }

        #[cfg(not(target_arch = "wasm32"))]
        #[allow(clippy::too_many_arguments, reason = "as the ABI has it")]
        pub(super) unsafe fn $name($(_: $ty),*) -> u32 { 12 }
    };
    ($name:ident [$($ty:ty,)*] Number $($rest:ident)*) => { declare! { $name [$($ty,)* u32,] $($rest)* } };
    ($name:ident [$($ty:ty,)*] Wide $($rest:ident)*) => { declare! { $name [$($ty,)* u64,] $($rest)* } };
    ($name:ident [$($ty:ty,)*] Bytes $($rest:ident)*) => { declare! { $name [$($ty,)* *const u8, usize,] $($rest)* } };
    ($name:ident [$($ty:ty,)*] OutNumber $($rest:ident)*) => { declare! { $name [$($ty,)* *mut u32,] $($rest)* } };
    ($name:ident [$($ty:ty,)*] OutWide $($rest:ident)*) => { declare! { $name [$($ty,)* *mut u64,] $($rest)* } };
    ($name:ident [$($ty:ty,)*] OutBytes $($rest:ident)*) => {
        declare! { $name [$($ty,)* *mut *mut u8, *mut usize,] $($rest)* }
    };
    ($name:ident [$($ty:ty,)*] OutPairs $($rest:ident)*) => {
        declare! { $name [$($ty,)* *mut *mut u8, *mut usize,] $($rest)* }
    };
}

/// Calls one function of the host with what its parameters hold.
macro_rules! pass {
    ($name:ident [$($value:expr,)*]) => {
        // SAFETY: a pointer and a length describe live memory, or are meant not to: the host checks them.
        unsafe { raw::$name($($value),*) }
    };
    ($name:ident [$($value:expr,)*] $parameter:ident: Number, $($rest:tt)*) => {
        pass! { $name [$($value,)* $parameter.value(),] $($rest)* }
    };
    ($name:ident [$($value:expr,)*] $parameter:ident: Wide, $($rest:tt)*) => {
        pass! { $name [$($value,)* $parameter.value(),] $($rest)* }
    };
    ($name:ident [$($value:expr,)*] $parameter:ident: OutNumber, $($rest:tt)*) => {
        pass! { $name [$($value,)* $parameter.place(),] $($rest)* }
    };
    ($name:ident [$($value:expr,)*] $parameter:ident: OutWide, $($rest:tt)*) => {
        pass! { $name [$($value,)* $parameter.place(),] $($rest)* }
    };
    ($name:ident [$($value:expr,)*] $parameter:ident: $kind:ident, $($rest:tt)*) => {
        pass! { $name [$($value,)* $parameter.data(), $parameter.length(),] $($rest)* }
    };
}

macro_rules! host_functions {
    ($($name:ident($($parameter:ident: $kind:ident),*);)*) => {
        /// The names of the host functions that a script can call.
        pub const HOST_FUNCTIONS: &[&str] = &[$(stringify!($name)),*];

        mod raw {
            $(declare! { $name [] $($kind)* })*
        }

        /// Makes a call and says what the host answered; `Err` where the script asks for what there is not.
        pub(crate) fn call(call: &Call, variable: &dyn Fn(&str) -> Option<u64>) -> Result<Answer, String> {
            #[allow(unused_variables, reason = "not every function has parameters")]
            let mut arguments = Arguments::new(call, variable);
            match call.function.as_str() {
                $(stringify!($name) => {
                    $(let $parameter = $kind::read(stringify!($parameter), &mut arguments)?;)*
                    arguments.end()?;
                    #[allow(unused_mut, reason = "not every function gives something back")]
                    let mut answer = Answer::new(pass! { $name [] $($parameter: $kind,)* });
                    $($parameter.tell(stringify!($parameter), &mut answer);)*
                    Ok(answer)
                })*
                other => Err(format!("there is no host function {other}")),
            }
        }
    };
}

host_functions! {
    proxy_log(level: Number, message: Bytes);
    proxy_get_log_level(level: OutNumber);
    proxy_get_current_time_nanoseconds(time: OutWide);
    proxy_set_tick_period_milliseconds(period: Number);
    proxy_set_effective_context(context: Number);
    proxy_done();
    proxy_continue_stream(stream: Number);
    proxy_close_stream(stream: Number);
    proxy_send_local_response(
        status: Number, details: Bytes, body: Bytes, headers: Bytes, grpc_status: Number
    );
    proxy_get_status(code: OutNumber, message: OutBytes);
    proxy_get_buffer_bytes(buffer: Number, start: Number, max: Number, data: OutBytes);
    proxy_set_buffer_bytes(buffer: Number, start: Number, size: Number, data: Bytes);
    proxy_get_buffer_status(buffer: Number, length: OutNumber, flags: OutNumber);
    proxy_get_header_map_size(map: Number, size: OutNumber);
    proxy_get_header_map_pairs(map: Number, pairs: OutPairs);
    proxy_set_header_map_pairs(map: Number, pairs: Bytes);
    proxy_get_header_map_value(map: Number, name: Bytes, value: OutBytes);
    proxy_add_header_map_value(map: Number, name: Bytes, value: Bytes);
    proxy_replace_header_map_value(map: Number, name: Bytes, value: Bytes);
    proxy_remove_header_map_value(map: Number, name: Bytes);
    proxy_http_call(
        cluster: Bytes, headers: Bytes, body: Bytes, trailers: Bytes, timeout: Number, token: OutNumber
    );
    proxy_grpc_call(
        service: Bytes, name: Bytes, method: Bytes, metadata: Bytes, message: Bytes, timeout: Number, token: OutNumber
    );
    proxy_grpc_stream(service: Bytes, name: Bytes, method: Bytes, metadata: Bytes, token: OutNumber);
    proxy_grpc_send(token: Number, message: Bytes, end: Number);
    proxy_grpc_cancel(token: Number);
    proxy_grpc_close(token: Number);
    proxy_get_shared_data(key: Bytes, value: OutBytes, cas: OutNumber);
    proxy_set_shared_data(key: Bytes, value: Bytes, cas: Number);
    proxy_register_shared_queue(name: Bytes, queue: OutNumber);
    proxy_resolve_shared_queue(vm: Bytes, name: Bytes, queue: OutNumber);
    proxy_enqueue_shared_queue(queue: Number, value: Bytes);
    proxy_dequeue_shared_queue(queue: Number, value: OutBytes);
    proxy_define_metric(kind: Number, name: Bytes, id: OutNumber);
    proxy_record_metric(id: Number, value: Wide);
    proxy_increment_metric(id: Number, offset: Wide);
    proxy_get_metric(id: Number, value: OutWide);
    proxy_get_property(path: Bytes, value: OutBytes);
    proxy_set_property(path: Bytes, value: Bytes);
    proxy_call_foreign_function(name: Bytes, arguments: Bytes, result: OutBytes);
}

/// Writes a line of the probe's own to the host's log.
pub(crate) fn log(line: &str) {
    // SAFETY: pointer and length describe `line`.
    unsafe { raw::proxy_log(2, line.as_ptr(), line.len()) };
}

/// Memory for the host to write to, taken over as a `Vec` of exactly `size` bytes.
pub(crate) fn allocate(size: usize) -> *mut u8 {
    match std::alloc::Layout::array::<u8>(size) {
        // SAFETY: the layout is not zero-sized.
        Ok(layout) if size > 0 => unsafe { std::alloc::alloc(layout) },
        Ok(_) => std::ptr::dangling_mut(),
        Err(_) => null_mut(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_its_arguments_in_order_and_tells_the_status() {
        let script = Call::parse(r#"proxy_set_shared_data("k", "v", $cas)"#).unwrap();
        assert_eq!(call(&script, &|name| (name == "cas").then_some(7)), Ok(Answer::new(12)));
        assert!(call(&script, &|_| None).unwrap_err().contains("$cas"));
    }

    #[test]
    fn too_few_too_many_and_wrong_arguments_are_told() {
        for (line, message) in [
            ("proxy_log(1)", "`message` is missing"),
            ("proxy_done(1)", "one argument too many"),
            ("proxy_log(\"a\", \"b\")", "`level` is a number"),
            ("proxy_nothing()", "there is no host function proxy_nothing"),
        ] {
            let error = call(&Call::parse(line).unwrap(), &|_| None).unwrap_err();
            assert!(error.contains(message), "{line}: {error}");
        }
    }
}
