//! `prompts/get`: checks the arguments before the host makes the messages.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Request;
use super::call::{Begin, NewCall, empty_object, shorten};
use crate::call::Target;
use crate::core::Core;
use crate::hooks::Item;
use crate::kind::CallKind;
use crate::registry::Refused;
use crate::rpc::code;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

pub(super) fn run(core: &Arc<Core>, request: Request) {
    let (name, arguments) = match request.read::<Params<'_>>() {
        Ok(params) => (params.name.into_owned(), params.arguments.map(RawValue::get)),
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    let arguments =
        arguments.filter(|json| *json != "null").map_or_else(empty_object, Box::<str>::from);
    // All revisions: the arguments of a prompt are texts.
    let Ok(given) = serde_json::from_str::<BTreeMap<Cow<'_, str>, Cow<'_, str>>>(&arguments) else {
        let problem = "arguments must be an object of strings";
        return request.fail(code::INVALID_PARAMS, problem, None);
    };
    let entry = core.prompts.lookup(&name).filter(|_| request.may(core, Item::Prompt, &name));
    let Some(entry) = entry else {
        return unknown(request, &name);
    };
    if let Some(scope) = request.lacks(&entry.item.about) {
        return request.forbid(core, &name, scope);
    }
    if let Some(missing) = entry.item.missing(|name| given.contains_key(name)) {
        let problem = format!("prompt {name} needs the argument {missing}");
        return request.fail(code::INVALID_PARAMS, &problem, None);
    }
    drop(given);
    let target = match entry.enter() {
        Ok(running) => Ok(Target::Prompt(running)),
        Err(Refused::Busy(busy)) => Err(busy),
        Err(Refused::Removed) => return unknown(request, &name),
    };
    let call = NewCall {
        kind: CallKind::Prompt,
        name: name.into(),
        arguments,
        completing: None,
        timeout: entry.item.about.timeout,
        result_bytes: entry.item.about.result_bytes,
        caching: None,
        is_inline: false,
        task: Begin::Plain,
    };
    call.start(core, request, target);
}

fn unknown(request: Request, name: &str) {
    let text = format!("unknown prompt: {}", shorten(name));
    request.fail(code::INVALID_PARAMS, &text, None);
}
