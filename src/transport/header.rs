//! The headers that a modern POST must repeat from its body (2026-07-28, SEP-2243).

use std::borrow::Cow;

use crate::core::Core;
use crate::http::Head;
use crate::protocol::Refusal;
use crate::registry::{check_headers, decode_sentinel};
use crate::rpc::{Params, code, string};

/// Checks version, method and name, in this order.
pub(super) fn check(head: &Head, method: &str, params: &Params) -> Result<(), Refusal> {
    // Its value has been compared with the claim when the era was decided.
    single(head, "mcp-protocol-version")?;
    let named = single(head, "mcp-method")?;
    if named != method {
        return Err(mismatch(format!("header Mcp-Method is {named:?}, the body says {method:?}")));
    }
    let Some(expected) = name(method, params) else { return Ok(()) };
    let value = single(head, "mcp-name")?;
    let decoded = decode_sentinel(value)
        .map_err(|_| mismatch(format!("header Mcp-Name is not valid base64: {value:?}")))?;
    if *decoded != *expected {
        return Err(mismatch(format!(
            "header Mcp-Name is {decoded:?}, the body says {expected:?}"
        )));
    }
    Ok(())
}

/// Checks the `Mcp-Param-*` headers of a tool that marks arguments with `x-mcp-header`.
pub(super) fn check_params(
    core: &Core,
    head: &Head,
    method: &str,
    params: &Params,
) -> Result<(), Refusal> {
    if method != "tools/call" {
        return Ok(());
    }
    let Some(name) = name(method, params) else { return Ok(()) };
    let Some(entry) = core.tools.lookup(&name) else { return Ok(()) };
    let marked = &entry.item.input.headers;
    if marked.is_empty() {
        return Ok(());
    }
    let arguments = params.member("arguments").filter(|json| *json != "null").unwrap_or("{}");
    let lookup = |name: &str| {
        let named = head.fields().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect::<Vec<_>>()
    };
    check_headers(marked, arguments, lookup).map_err(mismatch)
}

/// What `Mcp-Name` must repeat; `None` for methods without a name and for params without one,
/// which the method itself refuses.
fn name<'a>(method: &str, params: &'a Params) -> Option<Cow<'a, str>> {
    let member = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return None,
    };
    string(params.member(member)?)
}

/// The value of a header that must stand exactly once.
fn single<'a>(head: &'a Head, name: &'static str) -> Result<&'a str, Refusal> {
    let mut values = head.headers(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.trim_matches([' ', '\t'])),
        (None, _) => Err(mismatch(format!("header {name} is missing"))),
        (Some(_), Some(_)) => Err(mismatch(format!("header {name} stands twice"))),
    }
}

fn mismatch(message: String) -> Refusal {
    Refusal::new(code::HEADER_MISMATCH, message)
}
