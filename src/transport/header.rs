//! The headers that a modern POST must repeat from its body (2026-07-28, SEP-2243).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::core::Core;
use crate::http::Head;
use crate::protocol::Refusal;
use crate::registry::{check_headers, decode_sentinel};
use crate::rpc::{RawParams, code};

/// Checks version, method and name, in this order.
pub(super) fn check(head: &Head, method: &str, params: &RawParams) -> Result<(), Refusal> {
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
    params: &RawParams,
) -> Result<(), Refusal> {
    let Some(params) = params.as_deref().filter(|_| method == "tools/call") else { return Ok(()) };
    let Ok(call) = serde_json::from_str::<Call<'_>>(params.get()) else { return Ok(()) };
    let Some(entry) = core.tools.lookup(&call.name) else { return Ok(()) };
    let marked = &entry.item.input.headers;
    if marked.is_empty() {
        return Ok(());
    }
    let arguments = call.arguments.map_or("{}", RawValue::get);
    let lookup = |name: &str| {
        let named = head.fields().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect::<Vec<_>>()
    };
    check_headers(marked, arguments, lookup).map_err(mismatch)
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// What `Mcp-Name` must repeat; `None` for methods without a name and for params without one,
/// which the method itself refuses.
fn name(method: &str, params: &RawParams) -> Option<String> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default)]
        name: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        uri: Option<Cow<'a, str>>,
        #[serde(borrow, default, rename = "taskId")]
        task: Option<Cow<'a, str>>,
    }
    let named: Named<'_> = serde_json::from_str(params.as_deref()?.get()).ok()?;
    match method {
        "tools/call" | "prompts/get" => named.name.map(Cow::into_owned),
        "resources/read" => named.uri.map(Cow::into_owned),
        "tasks/get" | "tasks/update" | "tasks/cancel" => named.task.map(Cow::into_owned),
        _ => None,
    }
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
