//! The host functions of ABI 0.2.1, each callable by its name with arguments that a script gives.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr::null_mut;
use std::slice::Iter;

use crate::script::{Argument, Call, quoted};

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
            let mut arguments = Arguments { rest: call.arguments.iter(), variable };
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

/// What the host answered.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u32,
    /// What it wrote, in the order of the parameters.
    pub(crate) results: Vec<String>,
    /// The first number that it wrote: an id, a token, a CAS.
    pub(crate) number: Option<u32>,
    /// The first bytes that it handed over.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Answer {
    const fn new(status: u32) -> Self {
        Self { status, results: Vec::new(), number: None, bytes: None }
    }
}

/// The arguments of a call that no parameter has taken yet.
struct Arguments<'a> {
    rest: Iter<'a, Argument>,
    variable: &'a dyn Fn(&str) -> Option<u64>,
}

impl Arguments<'_> {
    fn next(&mut self, parameter: &str) -> Result<&Argument, String> {
        self.rest.next().ok_or_else(|| format!("the argument `{parameter}` is missing"))
    }

    fn number(&mut self, parameter: &str) -> Result<u64, String> {
        let variable = self.variable;
        match self.next(parameter)? {
            Argument::Number(number) => Ok(*number),
            Argument::Variable(name) => variable(name).ok_or_else(|| format!("nothing has set ${name}")),
            other => Err(format!("`{parameter}` is a number, not {other:?}")),
        }
    }

    /// Where a result is to go instead of memory of the probe's own.
    fn place(&mut self, parameter: &str) -> Result<Option<usize>, String> {
        match self.rest.next() {
            None => Ok(None),
            Some(Argument::Place { address, .. }) => Ok(Some(*address)),
            Some(other) => Err(format!("`{parameter}` is a place, not {other:?}")),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.rest.next().map_or(Ok(()), |argument| Err(format!("{argument:?} is one argument too many")))
    }
}

struct Number(u32);

impl Number {
    #[allow(clippy::cast_possible_truncation, reason = "a negative number is written as such")]
    fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        arguments.number(parameter).map(|number| Self(number as u32))
    }

    const fn value(&self) -> u32 {
        self.0
    }

    const fn tell(&self, _: &str, _: &mut Answer) {}
}

struct Wide(u64);

impl Wide {
    fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        arguments.number(parameter).map(Self)
    }

    const fn value(&self) -> u64 {
        self.0
    }

    const fn tell(&self, _: &str, _: &mut Answer) {}
}

enum Bytes {
    Own(Vec<u8>),
    Elsewhere(usize, usize),
}

impl Bytes {
    fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        match arguments.next(parameter)? {
            Argument::Bytes(bytes) => Ok(Self::Own(bytes.clone())),
            Argument::Place { address, length } => Ok(Self::Elsewhere(*address, *length)),
            other => Err(format!("`{parameter}` is bytes, not {other:?}")),
        }
    }

    const fn data(&self) -> *const u8 {
        match self {
            Self::Own(bytes) => bytes.as_ptr(),
            Self::Elsewhere(address, _) => std::ptr::without_provenance(*address),
        }
    }

    const fn length(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.len(),
            Self::Elsewhere(_, length) => *length,
        }
    }

    const fn tell(&self, _: &str, _: &mut Answer) {}
}

/// A number that the host writes; one that it leaves alone is told from one that it sets to zero.
struct OutNumber {
    value: Cell<u32>,
    elsewhere: Option<usize>,
}

const UNTOUCHED: u32 = 0xdead_beef;

impl OutNumber {
    fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        Ok(Self { value: Cell::new(UNTOUCHED), elsewhere: arguments.place(parameter)? })
    }

    fn place(&self) -> *mut u32 {
        self.elsewhere.map_or_else(|| self.value.as_ptr(), std::ptr::without_provenance_mut)
    }

    fn tell(&self, parameter: &str, answer: &mut Answer) {
        let value = self.value.get();
        if value != UNTOUCHED {
            answer.results.push(format!("{parameter} {value}"));
            answer.number.get_or_insert(value);
        }
    }
}

struct OutWide {
    value: Cell<u64>,
    elsewhere: Option<usize>,
}

impl OutWide {
    fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        Ok(Self { value: Cell::new(u64::from(UNTOUCHED)), elsewhere: arguments.place(parameter)? })
    }

    fn place(&self) -> *mut u64 {
        self.elsewhere.map_or_else(|| self.value.as_ptr(), std::ptr::without_provenance_mut)
    }

    fn tell(&self, parameter: &str, answer: &mut Answer) {
        let value = self.value.get();
        if value != u64::from(UNTOUCHED) {
            answer.results.push(format!("{parameter} {value}"));
        }
    }
}

/// Bytes that the host hands over in memory that it asked the probe for.
struct OutBytes {
    data: Cell<*mut u8>,
    length: Cell<usize>,
    elsewhere: Option<usize>,
}

impl OutBytes {
    fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        let data = Cell::new(std::ptr::without_provenance_mut(UNTOUCHED as usize));
        Ok(Self { data, length: Cell::new(UNTOUCHED as usize), elsewhere: arguments.place(parameter)? })
    }

    fn data(&self) -> *mut *mut u8 {
        self.elsewhere.map_or_else(|| self.data.as_ptr(), std::ptr::without_provenance_mut)
    }

    const fn length(&self) -> *mut usize {
        self.length.as_ptr()
    }

    /// What the host handed over: nothing at all, a null pointer, or bytes.
    fn taken(&self) -> Option<Option<Vec<u8>>> {
        let (data, length) = (self.data.get(), self.length.get());
        if length == UNTOUCHED as usize || data.addr() == UNTOUCHED as usize {
            return None;
        }
        if data.is_null() {
            return Some(None);
        }
        // SAFETY: the host got this memory from `allocate(length)` and has filled it; nobody else owns it.
        Some(Some(unsafe { Vec::from_raw_parts(data, length, length) }))
    }

    fn tell(&self, parameter: &str, answer: &mut Answer) {
        self.tell_as(parameter, answer, quoted);
    }

    fn tell_as(&self, parameter: &str, answer: &mut Answer, show: fn(&[u8]) -> String) {
        match self.taken() {
            None => {}
            Some(None) => answer.results.push(format!("{parameter} null, {} bytes", self.length.get())),
            Some(Some(bytes)) => {
                answer.results.push(format!("{parameter} {}", show(&bytes)));
                answer.bytes.get_or_insert(bytes);
            }
        }
    }
}

/// A header map that the host hands over.
struct OutPairs(OutBytes);

impl OutPairs {
    fn read(parameter: &str, arguments: &mut Arguments<'_>) -> Result<Self, String> {
        OutBytes::read(parameter, arguments).map(Self)
    }

    fn data(&self) -> *mut *mut u8 {
        self.0.data()
    }

    const fn length(&self) -> *mut usize {
        self.0.length()
    }

    fn tell(&self, parameter: &str, answer: &mut Answer) {
        self.0.tell_as(parameter, answer, |bytes| crate::script::shown_pairs(bytes).unwrap_or_else(|| quoted(bytes)));
    }
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
