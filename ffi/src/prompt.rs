//! Prompts: conversations that a user can start with one command.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use emcp_core::{Call, Prompt, PromptArgument};

use crate::callback::refuse_inside_hook;
use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::host_user::HostUser;
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, take};
use crate::status::EMCP_OK;
use crate::text::{list, optional, required};
use crate::tool::{
    EMCP_P_REQUIRED, EMCP_P_SECRET, EMCP_STRING, emcp_call_fn, emcp_free_fn, emcp_param, table,
};

/// A prompt. Prepare it with EMCP_INIT; everything that stays zero has its default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_prompt {
    /// sizeof(emcp_prompt); EMCP_INIT sets it.
    pub size: u32,
    /// 0.
    pub flags: u32,
    /// Required. 1 to 64 of A-Z a-z 0-9 _ . -
    pub name: *const c_char,
    /// A name for people.
    pub title: *const c_char,
    /// Tells people what it is for.
    pub description: *const c_char,
    /// What the user fills in: a table of EMCP_STRING with name, description, EMCP_P_* and
    /// choices, which are suggested and not enforced; the other members stay zero ...
    pub arguments: *const emcp_param,
    /// ... of this many entries.
    pub arguments_len: usize,
    /// JSON array of icon objects, or NULL.
    pub icons: *const c_char,
    /// JSON object for _meta, or NULL.
    pub meta: *const c_char,
    /// Milliseconds of one call. Default: tool_timeout_ms of the server.
    pub timeout_ms: u32,
    /// Bytes of one result. Default: max_result_bytes of the server.
    pub max_result_bytes: u32,
    /// Calls at once; above it clients hear "busy". Default: no bound of its own.
    pub max_concurrent: u32,
    /// 0.
    pub reserved: u32,
    /// Puts the messages; reads the arguments with emcp_arg_str(). Required.
    pub get: emcp_call_fn,
    /// Suggests values of an argument with emcp_put_value(); NULL: its choices.
    pub complete: emcp_call_fn,
    /// Handed to both; used by several threads at once.
    pub user: *mut c_void,
    /// As in emcp_tool.
    pub free_user: emcp_free_fn,
    /// As in emcp_tool.
    pub scope: *const c_char,
    /// As in emcp_tool.
    pub max_calls_per_minute: u32,
    /// 0.
    pub reserved2: u32,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`; numbers, raw pointers and optional function
// pointers may all be zero.
unsafe impl Sized32 for emcp_prompt {}

/// Adds a prompt, at any time; clients are told when the list changes.
///
/// Copies everything but `user`, which belongs to emcp from here on, as in emcp_tool_add().
///
/// Returns EMCP_OK; EMCP_E_EXISTS when the name is taken; EMCP_E_INVALID for a wrong member;
/// EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_prompt_add(
    server: *mut emcp_server,
    prompt: *const emcp_prompt,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to say the struct's true size.
        let taken = unsafe { take("prompt", prompt)? };
        // First of all: from here on every way out frees `user`.
        let user = Arc::new(HostUser::new(taken.value.user, taken.value.free_user));
        let prompt = taken.checked()?;
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        let get = prompt.get.ok_or_else(|| Failure::invalid("get is NULL"))?;
        // SAFETY: the header obliges the caller to pass strings or NULL, and the table's entries.
        let described = unsafe { describe(&prompt)? };
        let complete = prompt.complete.map(|complete| {
            let user = user.clone();
            Box::new(move |call| user.run(complete, call)) as Box<dyn Fn(Call) + Send + Sync>
        });
        server.core.add_prompt(described, move |call| user.run(get, call), complete)?;
        Ok(EMCP_OK)
    })
}

/// Removes a prompt and waits as emcp_tool_remove() does.
///
/// Returns as emcp_tool_remove().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_prompt_remove(server: *mut emcp_server, name: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        refuse_inside_hook()?;
        // SAFETY: the header obliges the caller to pass a string or NULL.
        server.core.remove_prompt(unsafe { required("name", name)? })?;
        Ok(EMCP_OK)
    })
}

/// Shows a prompt to clients when `on` is not 0, or hides and refuses it.
///
/// Returns EMCP_OK, also when nothing changes; EMCP_E_NOT_FOUND.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_prompt_enable(
    server: *mut emcp_server,
    name: *const c_char,
    on: i32,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        server.core.enable_prompt(unsafe { required("name", name)? }, on != 0)?;
        Ok(EMCP_OK)
    })
}

/// # Safety
/// Every text in `prompt` is NULL or a NUL-terminated string, `arguments` is NULL or has
/// `arguments_len` entries.
unsafe fn describe(prompt: &emcp_prompt) -> Result<Prompt> {
    // SAFETY: passed on to our caller.
    let text = |what, text| unsafe { optional(what, text) };
    if prompt.flags != 0 || prompt.reserved != 0 || prompt.reserved2 != 0 {
        return Err(Failure::invalid("flags and reserved of a prompt are 0"));
    }
    // SAFETY: passed on to our caller.
    let mut described = Prompt::new(unsafe { required("name", prompt.name)? })?
        .timeout(Duration::from_millis(prompt.timeout_ms.into()))
        .result_bytes(prompt.max_result_bytes as usize)
        .concurrency(prompt.max_concurrent as usize)
        .calls_per_minute(prompt.max_calls_per_minute);
    if let Some(title) = text("title", prompt.title)? {
        described = described.title(title);
    }
    if let Some(description) = text("description", prompt.description)? {
        described = described.description(description);
    }
    // SAFETY: passed on to our caller.
    for entry in unsafe { table("arguments", prompt.arguments, prompt.arguments_len)? } {
        // SAFETY: passed on to our caller.
        described = described.argument(unsafe { argument(entry)? })?;
    }
    if let Some(icons) = text("icons", prompt.icons)? {
        described = described.icons(icons)?;
    }
    if let Some(meta) = text("meta", prompt.meta)? {
        described = described.meta(meta)?;
    }
    if let Some(scope) = text("scope", prompt.scope)? {
        described = described.scope(scope)?;
    }
    Ok(described)
}

/// # Safety
/// Every text in `entry` is NULL or a NUL-terminated string.
unsafe fn argument(entry: &emcp_param) -> Result<PromptArgument> {
    // SAFETY: passed on to our caller.
    let text = |what, text| unsafe { optional(what, text) };
    // SAFETY: passed on to our caller.
    let name = unsafe { required("argument name", entry.name)? };
    let has_more = (entry.min, entry.max) != (0.0, 0.0)
        || !entry.default_value.is_null()
        || !entry.header.is_null();
    let flags = EMCP_P_REQUIRED | EMCP_P_SECRET;
    if entry.r#type != EMCP_STRING || entry.flags & !flags != 0 || has_more {
        let problem = "is EMCP_STRING with name, description, EMCP_P_* and choices only";
        return Err(Failure::invalid(format!("argument {name:?} {problem}")));
    }
    let mut argument = PromptArgument::new(name);
    if entry.flags & EMCP_P_REQUIRED != 0 {
        argument = argument.required();
    }
    if entry.flags & EMCP_P_SECRET != 0 {
        argument = argument.secret();
    }
    if let Some(description) = text("argument description", entry.description)? {
        argument = argument.description(description);
    }
    if let Some(choices) = text("argument choices", entry.choices)? {
        argument = argument.choices(list(choices));
    }
    Ok(argument)
}
