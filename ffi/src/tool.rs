//! Tools and their parameters.

use std::ffi::{c_char, c_void};
use std::slice;
use std::time::Duration;

use emcp_core::{Param, ParamKind, TaskSupport, Tool, ToolFlags};

use crate::call_state::emcp_call;
use crate::callback::refuse_inside_hook;
use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::host_user::HostUser;
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, take};
use crate::status::EMCP_OK;
use crate::text::{list, optional, required};

/// Text.
pub const EMCP_STRING: i32 = 1;
/// A whole number.
pub const EMCP_INTEGER: i32 = 2;
/// Any number.
pub const EMCP_NUMBER: i32 = 3;
/// true or false.
pub const EMCP_BOOLEAN: i32 = 4;
/// A list of texts; emcp_arg_item() reads one.
pub const EMCP_STRING_LIST: i32 = 5;

/// Calls without the parameter fail before the tool function runs.
pub const EMCP_P_REQUIRED: u32 = 1;
/// A password or the like: audit records show "***", and clients are told that it is "writeOnly".
/// In an `input_schema` a property says "writeOnly": true itself.
pub const EMCP_P_SECRET: u32 = 2;

/// Changes something; without it clients are told that the tool only reads.
pub const EMCP_T_WRITE: u32 = 1;
/// May destroy something. Counts as EMCP_T_WRITE.
pub const EMCP_T_DESTRUCTIVE: u32 = 2;
/// A second call with the same arguments changes nothing more.
pub const EMCP_T_IDEMPOTENT: u32 = 4;
/// Reaches beyond this program, for example to the internet.
pub const EMCP_T_OPEN_WORLD: u32 = 8;
/// Run at once, on the I/O thread or inside emcp_http_body() or emcp_peer_feed(): for functions
/// that take microseconds and never block. With EMCP_F_HOST it has no effect.
pub const EMCP_T_INLINE: u32 = 16;
/// May take long. A client that knows tasks gets a handle at once and asks for the answer when it
/// likes; to all others nothing changes.
pub const EMCP_T_LONG: u32 = 32;
/// Runs as a task only: clients that do not know tasks are refused. Counts as EMCP_T_LONG.
pub const EMCP_T_TASK: u32 = 64;
/// Audit records show "***" in the place of its arguments.
pub const EMCP_T_SECRET: u32 = 128;

/// Frees what the `user` of a tool, a resource or a prompt points to.
pub type emcp_free_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// A function that serves calls of a tool, a resource or a prompt. Runs on a worker thread, several
/// at once, also for the same tool; with EMCP_T_INLINE where the call comes in; with EMCP_F_HOST
/// inside emcp_dispatch(). `call` is valid until it returns, longer with emcp_call_ref().
///
/// Returns EMCP_OK: emcp sends what was put, unless the function has finished the call itself.
/// EMCP_PENDING: whoever holds a reference answers later. EMCP_NEED_INPUT: emcp asks what
/// emcp_need_*() has noted, and calls the function again, from its start, when it is answered.
/// EMCP_E_CAPABILITY: the client hears what it would have to declare. Another negative status: a
/// failure with the text of emcp_strerror(), unless the call was answered already.
///
/// Neither longjmp() nor a C++ exception may leave it.
pub type emcp_call_fn =
    Option<unsafe extern "C" fn(call: *mut emcp_call, user: *mut c_void) -> i32>;

/// One parameter of a tool. Never grows: a table of them is an array.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_param {
    /// Required. 1 to 64 of A-Z a-z 0-9 _ . -
    pub name: *const c_char,
    /// EMCP_STRING, EMCP_INTEGER, EMCP_NUMBER, EMCP_BOOLEAN or EMCP_STRING_LIST.
    pub r#type: i32,
    /// EMCP_P_*.
    pub flags: u32,
    /// What the parameter means. Models choose better values with it.
    pub description: *const c_char,
    /// The only texts allowed, comma separated, for EMCP_STRING and the items of EMCP_STRING_LIST;
    /// NULL for any. Spaces around a text do not count, and none can hold a comma.
    pub choices: *const c_char,
    /// Least value, for a string its length in characters, for a list its item count. No bounds
    /// when `min` and `max` are both 0; use INFINITY for an open end.
    pub min: f64,
    /// Greatest value, likewise.
    pub max: f64,
    /// JSON text of the value that the tool assumes, a string with its quotes: "\"avg\""; or
    /// NULL. Tells the model; emcp does not insert it.
    pub default_value: *const c_char,
    /// Clients repeat the value in the header Mcp-Param-{header}, for proxies that route on it;
    /// or NULL. Not for secrets: headers land in logs.
    pub header: *const c_char,
}

/// A tool. Prepare it with EMCP_INIT; everything that stays zero has its default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_tool {
    /// sizeof(emcp_tool); EMCP_INIT sets it.
    pub size: u32,
    /// EMCP_T_*.
    pub flags: u32,
    /// Required. 1 to 64 of A-Z a-z 0-9 _ . -
    pub name: *const c_char,
    /// A name for people.
    pub title: *const c_char,
    /// Tells the model when to use the tool and what comes back.
    pub description: *const c_char,
    /// What the tool takes: a table ...
    pub params: *const emcp_param,
    /// ... of this many entries ...
    pub params_len: usize,
    /// ... or JSON Schema 2020-12 text of an object. Neither: no arguments.
    pub input_schema: *const c_char,
    /// JSON Schema text that the structured result keeps to, or NULL.
    pub output_schema: *const c_char,
    /// JSON array of icon objects, or NULL.
    pub icons: *const c_char,
    /// JSON object for _meta, or NULL.
    pub meta: *const c_char,
    /// Milliseconds of one call. Default: tool_timeout_ms of the server, or task_timeout_ms for one
    /// that has become a task.
    pub timeout_ms: u32,
    /// Bytes of one result. Default: max_result_bytes of the server.
    pub max_result_bytes: u32,
    /// Calls at once; above it clients hear "busy". Default: no bound of its own.
    pub max_concurrent: u32,
    /// The function. Required.
    pub call: emcp_call_fn,
    /// Handed to `call`; used by several threads at once.
    pub user: *mut c_void,
    /// Runs once with `user` when the tool is gone and its last call has ended, on any thread;
    /// also when emcp_tool_add() fails. With EMCP_F_HOST inside emcp_dispatch(), but for a failed
    /// emcp_tool_add(), which may call it itself. NULL: nothing to free.
    pub free_user: emcp_free_fn,
    /// The resource, "ui://...", that shows the result in clients with a place for it (MCP Apps), or
    /// NULL. Add it too: its mime is "text/html;profile=mcp-app". What the tool puts must say the
    /// same to all other clients.
    pub ui: *const c_char,
    /// What a caller must have to see and call it, for example "units:write", or NULL: nothing.
    /// emcp_key and `scopes` of emcp_request and emcp_adopt say what callers have. Without blanks,
    /// commas, quotes and stars.
    pub scope: *const c_char,
    /// Calls per minute of all callers together, with as many in reserve; above it they hear when
    /// to try again. For what costs much. Default: no bound of its own.
    pub max_calls_per_minute: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`; numbers, raw pointers and optional function
// pointers may all be zero.
unsafe impl Sized32 for emcp_tool {}

/// Adds a tool, at any time; clients are told when the list changes.
///
/// Copies everything but `user`, which belongs to emcp from here on, whatever this returns:
/// `free_user` runs also after a failure, unless the struct's size is impossible.
///
///     static const emcp_param params[] = {
///         {"unit", EMCP_STRING, EMCP_P_REQUIRED, "Unit name", NULL, 1, 64, NULL, NULL}};
///     emcp_tool tool;
///     EMCP_INIT(&tool);
///     tool.name = "unit_status";
///     tool.description = "Tells whether a unit runs.";
///     tool.params = params;
///     tool.params_len = 1;
///     tool.call = unit_status;
///     status = emcp_tool_add(server, &tool);
///
/// Returns EMCP_OK; EMCP_E_EXISTS when the name is taken; EMCP_E_INVALID for a wrong name, schema,
/// parameter or flag; EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_tool_add(server: *mut emcp_server, tool: *const emcp_tool) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to say the struct's true size.
        let taken = unsafe { take("tool", tool)? };
        // First of all: from here on every way out frees `user`.
        let user = HostUser::new(taken.value.user, taken.value.free_user);
        let tool = taken.checked()?;
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        let run = tool.call.ok_or_else(|| Failure::invalid("call is NULL"))?;
        // SAFETY: the header obliges the caller to pass strings or NULL, and `params_len` entries.
        let described = unsafe { describe(&tool)? };
        server.core.add_tool(described, move |call| user.run(run, call))?;
        Ok(EMCP_OK)
    })
}

/// Removes a tool and waits until its running calls have ended. Afterwards its function is not
/// called any more and `free_user` has run: the program may unload both. Calls that have not begun
/// are refused, as are those that wait for an answer of the user.
///
/// Blocks as long as a call runs, or somebody holds one that was neither answered nor given back.
/// With EMCP_F_HOST and on the thread that dispatches it does not, as nobody else could end the
/// calls: the function is not called any more then either, but `free_user` runs later, inside
/// emcp_dispatch(). On other threads it waits for that.
///
/// Returns EMCP_OK; EMCP_E_NOT_FOUND; EMCP_E_BUSY from inside a call of that tool, from a hook, an
/// on_cancel function or free_user.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_tool_remove(server: *mut emcp_server, name: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        refuse_inside_hook()?;
        // SAFETY: the header obliges the caller to pass a string or NULL.
        server.core.remove_tool(unsafe { required("name", name)? })?;
        Ok(EMCP_OK)
    })
}

/// Shows a tool to clients when `on` is not 0, or hides and refuses it. Running calls go on.
///
/// Returns EMCP_OK, also when nothing changes; EMCP_E_NOT_FOUND.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_tool_enable(
    server: *mut emcp_server,
    name: *const c_char,
    on: i32,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        server.core.enable_tool(unsafe { required("name", name)? }, on != 0)?;
        Ok(EMCP_OK)
    })
}

/// # Safety
/// Every text in `tool` is NULL or a NUL-terminated string, `params` is NULL or has `params_len`
/// entries.
unsafe fn describe(tool: &emcp_tool) -> Result<Tool> {
    // SAFETY: passed on to our caller.
    let text = |what, text| unsafe { optional(what, text) };
    if tool.reserved != 0 {
        return Err(Failure::invalid("reserved of a tool is 0"));
    }
    // SAFETY: passed on to our caller.
    let mut described = Tool::new(unsafe { required("name", tool.name)? })?
        .flags(flags(tool.flags)?)
        .timeout(Duration::from_millis(tool.timeout_ms.into()))
        .result_bytes(tool.max_result_bytes as usize)
        .concurrency(tool.max_concurrent as usize)
        .calls_per_minute(tool.max_calls_per_minute);
    if let Some(title) = text("title", tool.title)? {
        described = described.title(title);
    }
    if let Some(description) = text("description", tool.description)? {
        described = described.description(description);
    }
    // SAFETY: passed on to our caller.
    let params = unsafe { params(tool)? };
    if !params.is_empty() {
        described = described.params(&params)?;
    }
    if let Some(schema) = text("input_schema", tool.input_schema)? {
        described = described.input_schema(schema)?;
    }
    if let Some(schema) = text("output_schema", tool.output_schema)? {
        described = described.output_schema(schema)?;
    }
    if let Some(icons) = text("icons", tool.icons)? {
        described = described.icons(icons)?;
    }
    if let Some(meta) = text("meta", tool.meta)? {
        described = described.meta(meta)?;
    }
    if tool.flags & EMCP_T_SECRET != 0 {
        described = described.hide_arguments();
    }
    if let Some(ui) = text("ui", tool.ui)? {
        described = described.ui(ui)?;
    }
    if let Some(scope) = text("scope", tool.scope)? {
        described = described.scope(scope)?;
    }
    Ok(described)
}

fn flags(bits: u32) -> Result<ToolFlags> {
    let known = EMCP_T_WRITE
        | EMCP_T_DESTRUCTIVE
        | EMCP_T_IDEMPOTENT
        | EMCP_T_OPEN_WORLD
        | EMCP_T_INLINE
        | EMCP_T_LONG
        | EMCP_T_TASK
        | EMCP_T_SECRET;
    if bits & !known != 0 {
        return Err(Failure::invalid(format!("tool has unknown flags: {bits:#x}")));
    }
    Ok(ToolFlags {
        write: bits & EMCP_T_WRITE != 0,
        destructive: bits & EMCP_T_DESTRUCTIVE != 0,
        idempotent: bits & EMCP_T_IDEMPOTENT != 0,
        open_world: bits & EMCP_T_OPEN_WORLD != 0,
        inline: bits & EMCP_T_INLINE != 0,
        task: match bits & (EMCP_T_LONG | EMCP_T_TASK) {
            0 => TaskSupport::Never,
            EMCP_T_LONG => TaskSupport::Optional,
            _ => TaskSupport::Required,
        },
    })
}

/// # Safety
/// As for [`describe`].
unsafe fn params(tool: &emcp_tool) -> Result<Vec<Param>> {
    // SAFETY: passed on to our caller.
    let table = unsafe { table("params", tool.params, tool.params_len)? };
    // SAFETY: passed on to our caller.
    table.iter().map(|entry| unsafe { param(entry) }).collect()
}

/// The entries of a table of parameters.
///
/// # Safety
/// `params` is NULL or has `len` entries that stay for `'a`.
pub(crate) unsafe fn table<'a>(
    what: &str,
    params: *const emcp_param,
    len: usize,
) -> Result<&'a [emcp_param]> {
    if len == 0 {
        return Ok(&[]);
    }
    if params.is_null() || len > 1024 {
        return Err(Failure::invalid(format!("{what} has {len} entries")));
    }
    // SAFETY: not NULL, the rest is passed on to our caller.
    Ok(unsafe { slice::from_raw_parts(params, len) })
}

/// # Safety
/// Every text in `entry` is NULL or a NUL-terminated string.
unsafe fn param(entry: &emcp_param) -> Result<Param> {
    // SAFETY: passed on to our caller.
    let text = |what, text| unsafe { optional(what, text) };
    // SAFETY: passed on to our caller.
    let name = unsafe { required("parameter name", entry.name)? };
    if entry.flags & !(EMCP_P_REQUIRED | EMCP_P_SECRET) != 0 {
        return Err(Failure::invalid(format!("parameter {name:?} has unknown flags")));
    }
    let mut param = Param::new(name, kind(name, entry.r#type)?);
    if entry.flags & EMCP_P_REQUIRED != 0 {
        param = param.required();
    }
    if entry.flags & EMCP_P_SECRET != 0 {
        param = param.secret();
    }
    if (entry.min, entry.max) != (0.0, 0.0) {
        param = param.range(entry.min, entry.max);
    }
    if let Some(description) = text("parameter description", entry.description)? {
        param = param.description(description);
    }
    if let Some(choices) = text("parameter choices", entry.choices)? {
        param = param.choices(list(choices));
    }
    if let Some(json) = text("parameter default", entry.default_value)? {
        param = param.default_json(json);
    }
    if let Some(header) = text("parameter header", entry.header)? {
        param = param.header(header);
    }
    Ok(param)
}

fn kind(name: &str, number: i32) -> Result<ParamKind> {
    match number {
        EMCP_STRING => Ok(ParamKind::String),
        EMCP_INTEGER => Ok(ParamKind::Integer),
        EMCP_NUMBER => Ok(ParamKind::Number),
        EMCP_BOOLEAN => Ok(ParamKind::Boolean),
        EMCP_STRING_LIST => Ok(ParamKind::StringList),
        _ => Err(Failure::invalid(format!("parameter {name:?} has the unknown type {number}"))),
    }
}
