//! Module: the exports through which the host calls a filter.

/// Makes a wasm module of one filter: the marker of ABI 0.2.1, and exactly those callbacks that its phases need.
///
/// `phases` is the same list as [`Filter::PHASES`](crate::Filter::PHASES); a difference does not compile. A filter
/// whose exchanges wait (`http_call`, `grpc_call` or `sleep`, and not behind `background`) also gets the body and trailers
/// callbacks of each direction that it takes part in, and one that reads bodies the trailers callback: without them Envoy
/// would release a held message when its body or trailers come.
///
/// ```text
/// palisade_sdk::filter!(Auth, phases: [request_headers, http_call]);
/// ```
#[macro_export]
macro_rules! filter {
    ($filter:ty, phases: [$($phase:ident),* $(,)?]) => {
        const _: () = {
            const DECLARED: $crate::Phases = <$filter as $crate::Filter>::PHASES;
            assert!(DECLARED.same($crate::phases![$($phase),*]), "filter! and Filter::PHASES name different phases");
            assert!(
                DECLARED.are_complete(),
                "a body or trailers phase needs the headers of its side, a response phase needs request_headers, and \
                 background an event that it waits for"
            );
        };

        $crate::module!(
            $crate::shell::Runtime<$filter> = $crate::shell::Runtime::new(),
            phases: [$($phase),*]
        );
    };
}

/// Makes one module of several filters, which do together what they would do in a chain of that order; its
/// configuration has that of each under [`Filter::NAME`](crate::Filter::NAME).
///
/// `phases` is the union of theirs; without `background`, where one of them waits for events and does not have it.
///
/// ```text
/// palisade_sdk::fuse!([Auth, RateLimit], phases: [request_headers, request_body, response_headers, http_call, sleep, end]);
/// ```
#[macro_export]
macro_rules! fuse {
    ([$($filter:ty),+ $(,)?], phases: [$($phase:ident),* $(,)?]) => {
        const _: () = assert!(
            <$crate::shell::Fusion<$crate::parts!(types $($filter),+)>>::PHASES.same($crate::phases![$($phase),*]),
            "fuse! names other phases than its filters"
        );

        $crate::module!(
            $crate::shell::Fusion<$crate::parts!(types $($filter),+)>
                = $crate::shell::Fusion::new($crate::parts!(new 0, $($filter),+)),
            phases: [$($phase),*]
        );
    };
}

/// The parts of a fused module, as a type and as a value.
#[doc(hidden)]
#[macro_export]
macro_rules! parts {
    (types) => { $crate::shell::End };
    (types $filter:ty $(, $rest:ty)*) => { $crate::shell::Link<$filter, $crate::parts!(types $($rest),*)> };
    (new $number:expr) => { $crate::shell::End };
    (new $number:expr, $filter:ty $(, $rest:ty)*) => {
        $crate::shell::Link::new($number, $crate::parts!(new $number + 1 $(, $rest)*))
    };
}

/// The exports of a module, answered by one runtime.
#[doc(hidden)]
#[macro_export]
macro_rules! module {
    ($runtime:ty = $new:expr, phases: [$($phase:ident),* $(,)?]) => {
        #[cfg(target_arch = "wasm32")]
        #[global_allocator]
        static MEMORY: $crate::shell::ModuleMemory = $crate::shell::ModuleMemory::new();

        thread_local! {
            static RUNTIME: $runtime = const { $new };
        }

        /// The host's marker of the ABI's version.
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_abi_version_0_2_1() {}

        /// The host asks for memory in which to hand over a value.
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
            $crate::shell::allocate(size)
        }

        $crate::export!(proxy_on_context_create(id: u32, root: u32) => |runtime| {
            if root == 0 {
                $crate::shell::log::install();
            } else {
                $crate::shell::log::follow();
                runtime.stream_create(id, root);
            }
        });
        $crate::export!(proxy_on_configure(root: u32, size: usize) -> u32 => |runtime| {
            $crate::shell::log::refresh();
            u32::from(runtime.configure(root, size))
        });
        $crate::phase!(background: $($phase)*);
        $crate::phase!(delete: $($phase)*);
        $crate::phase!(request_headers: $($phase)*);
        $crate::phase!(request_body: $($phase)*);
        $crate::phase!(request_trailers: $($phase)*);
        $crate::phase!(response_headers: $($phase)*);
        $crate::phase!(response_body: [$($phase)*] $($phase)*);
        $crate::phase!(response_trailers: [$($phase)*] $($phase)*);
        $crate::phase!(http_call: $($phase)*);
        $crate::phase!(grpc_call: $($phase)*);
        $crate::phase!(sleep: $($phase)*);
    };
}

/// One export, answered by the module's runtime.
#[doc(hidden)]
#[macro_export]
macro_rules! export {
    ($name:ident($($arg:ident: $ty:ty),*) $(-> $answer:ty)? => $call:expr) => {
        #[doc = concat!("The host's callback `", stringify!($name), "`.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($arg: $ty),*) $(-> $answer)? {
            RUNTIME.with($call)
        }
    };
}

/// The export of one phase, where the list of phases asks for it: each rule looks at the list's first name and, when
/// that settles nothing, passes on the rest.
#[doc(hidden)]
#[macro_export]
macro_rules! phase {
    // A filter of this phase alone keeps nothing between callbacks.
    (delete: request_headers) => {};
    (delete: $($any:ident)*) => {
        $crate::export!(proxy_on_delete(id: u32) => |runtime| runtime.delete(id));
    };

    // What stands behind `background` holds no message.
    (request_body: background $($rest:ident)*) => {};
    (request_trailers: background $($rest:ident)*) => {};
    (response_body: $all:tt background $($rest:ident)*) => {};
    (response_trailers: $all:tt background $($rest:ident)*) => {};
    (background: background $($event:ident)+) => { $($crate::phase!(event: $event);)+ };
    (background: background) => { compile_error!("name the events that the background task waits for behind `background`"); };
    (background: http_call $($rest:ident)*) => { $crate::phase!(no_background: $($rest)*); };
    (background: grpc_call $($rest:ident)*) => { $crate::phase!(no_background: $($rest)*); };
    (background: sleep $($rest:ident)*) => { $crate::phase!(no_background: $($rest)*); };
    (no_background: background $($rest:ident)*) => {
        compile_error!("exchanges wait as well, by what stands before `background`: leave it out");
    };
    (event: http_call) => {};
    (event: grpc_call) => {};
    (event: sleep) => {};
    (event: $other:ident) => { compile_error!("only http_call, grpc_call and sleep stand behind `background`"); };

    (request_headers: request_headers $($rest:ident)*) => {
        $crate::export!(proxy_on_request_headers(id: u32, _headers: usize, end: u32) -> u32
            => |runtime| runtime.request_headers(id, end != 0));
    };
    (request_body: request_body $($rest:ident)*) => {
        $crate::export!(proxy_on_request_body(id: u32, size: usize, end: u32) -> u32
            => |runtime| runtime.request_body(id, size, end != 0));
    };
    (request_body: http_call $($rest:ident)*) => { $crate::phase!(request_body: request_body); };
    (request_body: grpc_call $($rest:ident)*) => { $crate::phase!(request_body: request_body); };
    (request_body: sleep $($rest:ident)*) => { $crate::phase!(request_body: request_body); };

    (request_trailers: request_trailers $($rest:ident)*) => {
        $crate::export!(proxy_on_request_trailers(id: u32, _trailers: usize) -> u32
            => |runtime| runtime.request_trailers(id));
    };
    // Without this callback Envoy would release a held body when its trailers come.
    (request_trailers: request_body $($rest:ident)*) => { $crate::phase!(request_trailers: request_trailers); };
    (request_trailers: http_call $($rest:ident)*) => { $crate::phase!(request_trailers: request_trailers); };
    (request_trailers: grpc_call $($rest:ident)*) => { $crate::phase!(request_trailers: request_trailers); };
    (request_trailers: sleep $($rest:ident)*) => { $crate::phase!(request_trailers: request_trailers); };

    (response_headers: response_headers $($rest:ident)*) => {
        $crate::export!(proxy_on_response_headers(id: u32, _headers: usize, end: u32) -> u32
            => |runtime| runtime.response_headers(id, end != 0));
    };
    // A filter that waits holds a response only if it takes part in responses.
    (response_body: $all:tt response_body $($rest:ident)*) => {
        $crate::export!(proxy_on_response_body(id: u32, size: usize, end: u32) -> u32
            => |runtime| runtime.response_body(id, size, end != 0));
    };
    (response_body: [$($all:ident)*] http_call $($rest:ident)*) => { $crate::phase!(hold_response_body: $($all)*); };
    (response_body: [$($all:ident)*] grpc_call $($rest:ident)*) => { $crate::phase!(hold_response_body: $($all)*); };
    (response_body: [$($all:ident)*] sleep $($rest:ident)*) => { $crate::phase!(hold_response_body: $($all)*); };
    (response_body: $all:tt $other:ident $($rest:ident)*) => { $crate::phase!(response_body: $all $($rest)*); };
    (response_body: $all:tt) => {};
    (hold_response_body: response_headers $($rest:ident)*) => { $crate::phase!(response_body: [] response_body); };

    (response_trailers: $all:tt response_trailers $($rest:ident)*) => {
        $crate::export!(proxy_on_response_trailers(id: u32, _trailers: usize) -> u32
            => |runtime| runtime.response_trailers(id));
    };
    (response_trailers: $all:tt response_body $($rest:ident)*) => { $crate::phase!(response_trailers: [] response_trailers); };
    (response_trailers: [$($all:ident)*] http_call $($rest:ident)*) => { $crate::phase!(hold_response_trailers: $($all)*); };
    (response_trailers: [$($all:ident)*] grpc_call $($rest:ident)*) => { $crate::phase!(hold_response_trailers: $($all)*); };
    (response_trailers: [$($all:ident)*] sleep $($rest:ident)*) => { $crate::phase!(hold_response_trailers: $($all)*); };
    (response_trailers: $all:tt $other:ident $($rest:ident)*) => { $crate::phase!(response_trailers: $all $($rest)*); };
    (response_trailers: $all:tt) => {};
    (hold_response_trailers: response_headers $($rest:ident)*) => {
        $crate::phase!(response_trailers: [] response_trailers);
    };

    (http_call: http_call $($rest:ident)*) => {
        $crate::export!(proxy_on_http_call_response(root: u32, token: u32, headers: usize, size: usize, _trailers: usize)
            => |runtime| runtime.http_call_response(root, token, headers, size));
    };
    (grpc_call: grpc_call $($rest:ident)*) => {
        $crate::export!(proxy_on_grpc_receive(root: u32, token: u32, size: usize)
            => |runtime| runtime.grpc_receive(root, token, size));
        $crate::export!(proxy_on_grpc_close(root: u32, token: u32, code: u32)
            => |runtime| runtime.grpc_close(root, token, code));
    };
    // A held message may have to go on in a later callback.
    (sleep: http_call $($rest:ident)*) => { $crate::phase!(sleep: sleep); };
    (sleep: grpc_call $($rest:ident)*) => { $crate::phase!(sleep: sleep); };
    (sleep: sleep $($rest:ident)*) => {
        $crate::export!(proxy_on_tick(root: u32) => |runtime| {
            $crate::shell::log::refresh();
            runtime.tick(root);
        });
    };

    ($name:ident: $other:ident $($rest:ident)*) => { $crate::phase!($name: $($rest)*); };
    ($name:ident:) => {};
}
