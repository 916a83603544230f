//! The server: making it, what it offers, its life.

use std::ffi::c_void;
use std::mem;
use std::os::raw::c_char;
use std::ptr;
use std::time::{Duration, Instant};

use emcp_ffi_rlib::config::{EMCP_F_HOST, EMCP_F_NO_IO_THREAD, emcp_config, emcp_create};
use emcp_ffi_rlib::dispatch::{emcp_dispatch, emcp_next_timeout_ms};
use emcp_ffi_rlib::keys::{emcp_key, emcp_key_add, emcp_keys_clear};
use emcp_ffi_rlib::log::emcp_notify_log;
use emcp_ffi_rlib::prompt::{emcp_prompt, emcp_prompt_add, emcp_prompt_enable, emcp_prompt_remove};
use emcp_ffi_rlib::resource::{
    emcp_resource, emcp_resource_add, emcp_resource_enable, emcp_resource_remove,
    emcp_resource_stat, emcp_resource_updated,
};
use emcp_ffi_rlib::server::{emcp_destroy, emcp_drain, emcp_server, emcp_start, emcp_stop};
use emcp_ffi_rlib::stats::{emcp_get_stats, emcp_metrics_text, emcp_stats};
use emcp_ffi_rlib::tool::{
    emcp_free_fn, emcp_param, emcp_tool, emcp_tool_add, emcp_tool_enable, emcp_tool_remove,
};

use super::call::SERVE;
use super::{byte, checked, world};

const NAMES: [&str; 3] = ["echo", "other", "say"];
const URIS: [&str; 4] = ["fuzz://one", "fuzz://two", "fuzz://many/{name}", "fuzz://many/x"];
const SCHEMAS: [&str; 3] = [
    r#"{"type":"object"}"#,
    r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#,
    r#"{"$ref":"\#/a"}"#,
];
const SCOPES: [&str; 2] = ["units:write", "x"];

/// A zeroed struct of C that says its size, as EMCP_INIT makes one.
///
/// `T` must be a struct of emcp.h whose first member is `size`.
pub(super) fn init<T>() -> T {
    // SAFETY: every struct of emcp.h is made of numbers, raw pointers and optional functions, for
    // all of which zero is a value, and the first four bytes are its size.
    unsafe {
        let mut value: T = mem::zeroed();
        ptr::from_mut(&mut value).cast::<u32>().write(mem::size_of::<T>() as u32);
        value
    }
}

fn server() -> *mut emcp_server {
    world(|world| world.server)
}

pub(super) fn create() {
    let mut config: emcp_config = init();
    // One thread does it all, so that every run takes the same way.
    config.flags = EMCP_F_HOST | EMCP_F_NO_IO_THREAD | u32::from(byte()) << 5 & 0x3e0;
    config.name = c"fuzz".as_ptr();
    config.version = c"1".as_ptr();
    config.stop_ms = 1;
    if byte() % 4 == 1 {
        config.max_connections = byte().into();
        config.max_calls = byte().into();
        config.max_streams = byte().into();
        config.max_result_bytes = u32::from(byte()) * 64;
        config.max_outbox_messages = byte().into();
        config.page_size = byte().into();
    }
    let mut out = ptr::null_mut();
    // SAFETY: the struct says its size, its texts are static, and `out` is a place for a handle.
    checked(unsafe { emcp_create(&config, &mut out) });
    world(|world| world.server = out);
}

/// A tool, a resource, a template and a prompt that serve whatever the input says.
pub(super) fn add_basics() {
    let mut tool: emcp_tool = init();
    (tool.name, tool.call) = (c"echo".as_ptr(), SERVE);
    tool.input_schema = c"{\"type\":\"object\"}".as_ptr();
    tool.flags = u32::from(byte()) & 0x7f;
    let mut family: emcp_resource = init();
    (family.uri_template, family.name) = (c"fuzz://many/{name}".as_ptr(), c"many".as_ptr());
    (family.read, family.complete) = (SERVE, SERVE);
    let mut prompt: emcp_prompt = init();
    (prompt.name, prompt.get) = (c"say".as_ptr(), SERVE);
    // SAFETY: the structs say their sizes, and their texts are static.
    unsafe {
        checked(emcp_tool_add(server(), &tool));
        checked(emcp_resource_add(server(), &family));
        checked(emcp_prompt_add(server(), &prompt));
    }
}

pub(super) fn start() {
    // SAFETY: the server is alive, which holds for every call in this file.
    checked(unsafe { emcp_start(server()) });
}

/// Starting and ending.
pub(super) fn life() {
    // SAFETY: the server is alive.
    unsafe {
        match byte() % 4 {
            0 => checked(emcp_stop(server())),
            1 => checked(emcp_drain(server(), 1)),
            _ => checked(emcp_start(server())),
        };
    }
}

/// Runs all that is due.
pub(super) fn settle() {
    // SAFETY: the server is alive.
    unsafe {
        // Not for ever: a function of the program may make work for the next turn each time.
        for _ in 0..100 {
            if emcp_next_timeout_ms(server()) != 0 {
                return;
            }
            let max = u32::from(byte() % 4);
            if checked(emcp_dispatch(server(), max, 0)) < 0 {
                return;
            }
        }
    }
}

pub(super) fn destroy() {
    let server = world(|world| std::mem::replace(&mut world.server, ptr::null_mut()));
    // SAFETY: nobody else has the handle any more.
    unsafe { emcp_destroy(server) };
}

/// What is open, counted.
fn open() -> [u64; 4] {
    let mut stats: emcp_stats = init();
    // SAFETY: the server is alive, and the struct says its size.
    checked(unsafe { emcp_get_stats(server(), &mut stats) });
    [stats.connections, stats.streams, stats.websockets, stats.calls]
}

/// No function of emcp has panicked.
#[track_caller]
pub(super) fn assert_sound() {
    assert_eq!(metric("emcp_panics_total"), 0);
}

/// Nothing is open any more.
#[track_caller]
pub(super) fn assert_quiet() {
    // See `Host::assert_quiet`.
    let deadline = Instant::now() + Duration::from_secs(10);
    while open() != [0; 4] && Instant::now() < deadline {
        settle();
    }
    assert_eq!(open(), [0; 4], "connections, streams, websockets, calls");
}

/// One number of the metrics text; 0 when it is not there.
fn metric(name: &str) -> u64 {
    let mut text = vec![0u8; 64 * 1024];
    // SAFETY: the server is alive, and the buffer is as long as it says.
    let length = unsafe { emcp_metrics_text(server(), text.as_mut_ptr().cast(), text.len()) };
    let length = usize::try_from(checked(length)).expect("metrics are there");
    let text = std::str::from_utf8(&text[..length]).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect("the metric is there").parse().expect("a number")
}

/// What a server offers comes and goes; inside of a function too.
pub(super) fn step() {
    let server = server();
    let (kind, number) = (byte() % 14, byte());
    let name = world(|world| world.input.text(&NAMES));
    let uri = world(|world| world.input.text(&URIS));
    // SAFETY: the server is alive, the texts outlive the calls, and the structs say their sizes.
    unsafe {
        checked(match kind {
            0 => add_tool(name.ptr(), number),
            1 => emcp_tool_remove(server, name.ptr()),
            2 => emcp_tool_enable(server, name.ptr(), i32::from(number) % 2),
            3 => add_resource(uri.ptr(), name.ptr(), number),
            4 => emcp_resource_remove(server, uri.ptr()),
            5 => emcp_resource_enable(server, uri.ptr(), i32::from(number) % 2),
            6 => emcp_resource_updated(server, uri.ptr()),
            7 => emcp_resource_stat(server, uri.ptr(), number.into(), name.ptr()),
            8 => add_prompt(name.ptr(), number),
            9 => emcp_prompt_remove(server, name.ptr()),
            10 => emcp_prompt_enable(server, name.ptr(), i32::from(number) % 2),
            11 => emcp_notify_log(server, i32::from(number) % 9, name.ptr(), uri.ptr(), usize::MAX),
            12 => add_key(name.ptr(), number),
            _ => emcp_keys_clear(server),
        });
    }
}

/// Counts the `user` that `free` must be called for.
fn user() -> *mut c_void {
    world(|world| world.users += 1);
    ptr::null_mut()
}

const FREE: emcp_free_fn = Some(free);

unsafe extern "C" fn free(_: *mut c_void) {
    world(|world| world.users -= 1);
}

unsafe fn add_tool(name: *const c_char, number: u8) -> i32 {
    let texts = world(|world| {
        [world.input.text(&SCHEMAS), world.input.text(&SCHEMAS), world.input.text(&SCOPES)]
    });
    let mut param: emcp_param = unsafe { mem::zeroed() };
    (param.name, param.r#type) = (c"n".as_ptr(), i32::from(number % 7));
    let mut tool: emcp_tool = init();
    (tool.name, tool.flags, tool.call) = (name, number.into(), SERVE);
    (tool.user, tool.free_user) = (user(), FREE);
    (tool.output_schema, tool.scope) = (texts[1].ptr(), texts[2].ptr());
    if number.is_multiple_of(3) {
        (tool.params, tool.params_len) = (&param, 1);
    } else {
        tool.input_schema = texts[0].ptr();
    }
    tool.max_concurrent = u32::from(number % 3);
    unsafe { emcp_tool_add(server(), &tool) }
}

unsafe fn add_resource(uri: *const c_char, name: *const c_char, number: u8) -> i32 {
    let mut resource: emcp_resource = init();
    match number % 2 {
        0 => resource.uri = uri,
        _ => resource.uri_template = uri,
    }
    (resource.name, resource.mime) = (name, c"text/plain".as_ptr());
    (resource.read, resource.complete) = (SERVE, SERVE);
    (resource.user, resource.free_user) = (user(), FREE);
    resource.priority = f64::from(number) / 200.0;
    unsafe { emcp_resource_add(server(), &resource) }
}

unsafe fn add_prompt(name: *const c_char, number: u8) -> i32 {
    let mut param: emcp_param = unsafe { mem::zeroed() };
    (param.name, param.flags, param.choices) = (c"a".as_ptr(), u32::from(number), name);
    let mut prompt: emcp_prompt = init();
    (prompt.name, prompt.get) = (name, SERVE);
    (prompt.arguments, prompt.arguments_len) = (&param, usize::from(number % 2));
    (prompt.user, prompt.free_user) = (user(), FREE);
    unsafe { emcp_prompt_add(server(), &prompt) }
}

unsafe fn add_key(name: *const c_char, number: u8) -> i32 {
    let mut key: emcp_key = init();
    (key.name, key.secret) = (name, c"0123456789abcdef".as_ptr());
    key.scopes = if number.is_multiple_of(2) { c"*".as_ptr() } else { ptr::null() };
    unsafe { emcp_key_add(server(), &key) }
}
