//! Resources: what the program knows, by URI.
//!
//! A resource is read with its function when a client asks for it, so it may be live. A template
//! stands for all URIs that fit it; its variables are arguments of the call.
//!
//!     static int32_t read_metric(emcp_call *call, void *user)
//!     {
//!         emcp_str id;
//!         double value;
//!         if (emcp_arg_str(call, "id", &id) < 0 || !metric_value(user, id.p, &value))
//!             return emcp_fail_not_found(call);
//!         ...
//!         return emcp_put_text(call, text, EMCP_NUL);
//!     }
//!
//!     emcp_resource metric;
//!     EMCP_INIT(&metric);
//!     metric.uri_template = "metrics://{id}";
//!     metric.name = "metric";
//!     metric.mime = "text/plain";
//!     metric.read = read_metric;
//!     status = emcp_resource_add(server, &metric);
//!
//! Clients can subscribe to every URI that can be read; emcp_resource_updated() tells them.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use emcp_core::{Call, Resource, Role};

use crate::callback::refuse_inside_hook;
use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::host_user::HostUser;
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, take};
use crate::status::EMCP_OK;
use crate::text::{list, optional, required};
use crate::tool::{emcp_call_fn, emcp_free_fn};

/// A resource or a template. Prepare it with EMCP_INIT; everything that stays zero has its default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_resource {
    /// sizeof(emcp_resource); EMCP_INIT sets it.
    pub size: u32,
    /// 0.
    pub flags: u32,
    /// Where the resource is, for example "config://sysmond" ...
    pub uri: *const c_char,
    /// ... or a template for many (RFC 6570), "metrics://{chart}/{dimension}". One of both.
    ///
    /// {a} is a part of a path, without a slash, even an escaped one; {+a} is any text; {/a*} some
    /// parts; {?a,b} a query whose members may be left out. Values never are "." or "..".
    pub uri_template: *const c_char,
    /// A short name, for programs. Required.
    pub name: *const c_char,
    /// A name for people.
    pub title: *const c_char,
    /// Tells the model what is in it.
    pub description: *const c_char,
    /// Type of what `read` puts, for example "application/json".
    pub mime: *const c_char,
    /// Bytes, if known; 0: not said.
    pub bytes: u64,
    /// When it was changed last, "2026-07-28T12:00:00Z", or NULL.
    pub last_modified: *const c_char,
    /// Whom it is for: "user", "assistant" or "user,assistant"; NULL: not said.
    pub audience: *const c_char,
    /// How much it matters, up to 1: needed. 0: not said.
    pub priority: f64,
    /// JSON array of icon objects, or NULL.
    pub icons: *const c_char,
    /// JSON object for _meta of the listing and of everything that is read, or NULL.
    pub meta: *const c_char,
    /// Milliseconds of one call. Default: tool_timeout_ms of the server.
    pub timeout_ms: u32,
    /// Bytes of one result. Default: max_result_bytes of the server.
    pub max_result_bytes: u32,
    /// Calls at once; above it clients hear "busy". Default: no bound of its own.
    pub max_concurrent: u32,
    /// Milliseconds that clients may keep what they read (revision 2026-07-28). Default:
    /// read_ttl_ms of the server.
    pub ttl_ms: u32,
    /// Puts what is in it. Required.
    pub read: emcp_call_fn,
    /// Suggests values of a variable of the template with emcp_put_value(); NULL: none.
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
    pub reserved: u32,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`; numbers, raw pointers and optional function
// pointers may all be zero.
unsafe impl Sized32 for emcp_resource {}

/// Adds a resource or a template, at any time; clients are told when the list changes.
///
/// Copies everything but `user`, which belongs to emcp from here on, as in emcp_tool_add().
///
/// Returns EMCP_OK; EMCP_E_EXISTS when the URI or the template is taken; EMCP_E_INVALID for a wrong
/// member; EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_resource_add(
    server: *mut emcp_server,
    resource: *const emcp_resource,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to say the struct's true size.
        let taken = unsafe { take("resource", resource)? };
        // First of all: from here on every way out frees `user`.
        let user = Arc::new(HostUser::new(taken.value.user, taken.value.free_user));
        let resource = taken.checked()?;
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        let read = resource.read.ok_or_else(|| Failure::invalid("read is NULL"))?;
        // SAFETY: the header obliges the caller to pass strings or NULL.
        let described = unsafe { describe(&resource)? };
        let complete = resource.complete.map(|complete| {
            let user = user.clone();
            Box::new(move |call| user.run(complete, call)) as Box<dyn Fn(Call) + Send + Sync>
        });
        server.core.add_resource(described, move |call| user.run(read, call), complete)?;
        Ok(EMCP_OK)
    })
}

/// Removes a resource by its URI, or a template by its text, and waits as emcp_tool_remove() does.
///
/// Returns as emcp_tool_remove().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_resource_remove(server: *mut emcp_server, uri: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        refuse_inside_hook()?;
        // SAFETY: the header obliges the caller to pass a string or NULL.
        server.core.remove_resource(unsafe { required("uri", uri)? })?;
        Ok(EMCP_OK)
    })
}

/// Shows a resource or a template to clients when `on` is not 0, or hides and refuses it.
///
/// Returns EMCP_OK, also when nothing changes; EMCP_E_NOT_FOUND.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_resource_enable(
    server: *mut emcp_server,
    uri: *const c_char,
    on: i32,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        server.core.enable_resource(unsafe { required("uri", uri)? }, on != 0)?;
        Ok(EMCP_OK)
    })
}

/// Tells the clients that have subscribed to exactly this URI that what is there has changed. They
/// read it again if they like. Several times within coalesce_ms are once; call it as often as
/// something changes, also from a hook: it costs little when nobody has subscribed.
///
/// Returns EMCP_OK, also for a URI that nobody knows; EMCP_E_INVALID for NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_resource_updated(
    server: *mut emcp_server,
    uri: *const c_char,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        server.core.resource_updated(unsafe { required("uri", uri)? });
        Ok(EMCP_OK)
    })
}

/// Changes what the list of resources says of the size, 0 for not said, and of the time of the last
/// change, "2026-07-28T12:00:00Z" or NULL. Nobody is told: emcp_resource_updated() does that.
///
/// Returns EMCP_OK; EMCP_E_NOT_FOUND; EMCP_E_INVALID when `last_modified` is no time.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_resource_stat(
    server: *mut emcp_server,
    uri: *const c_char,
    bytes: u64,
    last_modified: *const c_char,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass strings or NULL.
        let (uri, modified) =
            unsafe { (required("uri", uri)?, optional("last_modified", last_modified)?) };
        server.core.set_resource_stat(uri, (bytes > 0).then_some(bytes), modified)?;
        Ok(EMCP_OK)
    })
}

/// # Safety
/// Every text in `resource` is NULL or a NUL-terminated string.
unsafe fn describe(resource: &emcp_resource) -> Result<Resource> {
    // SAFETY: passed on to our caller.
    let text = |what, text| unsafe { optional(what, text) };
    if resource.flags != 0 || resource.reserved != 0 {
        return Err(Failure::invalid(format!("resource has unknown flags: {:#x}", resource.flags)));
    }
    // SAFETY: passed on to our caller.
    let name = unsafe { required("name", resource.name)? };
    let place = (text("uri", resource.uri)?, text("uri_template", resource.uri_template)?);
    let mut described = match place {
        (Some(uri), None) => Resource::new(uri, name)?,
        (None, Some(template)) => Resource::template(template, name)?,
        _ => return Err(Failure::invalid("one of uri and uri_template must be set")),
    };
    described = described
        .timeout(Duration::from_millis(resource.timeout_ms.into()))
        .result_bytes(resource.max_result_bytes as usize)
        .concurrency(resource.max_concurrent as usize)
        .calls_per_minute(resource.max_calls_per_minute)
        .ttl(Duration::from_millis(resource.ttl_ms.into()));
    if let Some(title) = text("title", resource.title)? {
        described = described.title(title);
    }
    if let Some(description) = text("description", resource.description)? {
        described = described.description(description);
    }
    if let Some(mime) = text("mime", resource.mime)? {
        described = described.mime(mime);
    }
    if let Some(audience) = text("audience", resource.audience)? {
        described = described.audience(&roles(audience)?);
    }
    if resource.priority != 0.0 {
        described = described.priority(resource.priority)?;
    }
    if let Some(icons) = text("icons", resource.icons)? {
        described = described.icons(icons)?;
    }
    if let Some(meta) = text("meta", resource.meta)? {
        described = described.meta(meta)?;
    }
    if let Some(scope) = text("scope", resource.scope)? {
        described = described.scope(scope)?;
    }
    let modified = text("last_modified", resource.last_modified)?;
    Ok(described.stat((resource.bytes > 0).then_some(resource.bytes), modified)?)
}

fn roles(audience: &str) -> Result<Vec<Role>> {
    let role = |name: String| match &*name {
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        _ => Err(Failure::invalid(format!("audience {name:?} is neither user nor assistant"))),
    };
    list(audience).into_iter().map(role).collect()
}
