//! `completion/complete`: values for an argument of a prompt or a variable of a template, while the
//! user types.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Request;
use super::call::{Begin, NewCall, empty_object, shorten};
use crate::call::{Completing, Target};
use crate::content::CompletionResult;
use crate::core::Core;
use crate::hooks::Item;
use crate::kind::CallKind;
use crate::registry::Refused;
use crate::rpc::code;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "ref")]
    of: Reference<'a>,
    #[serde(borrow)]
    argument: Argument<'a>,
    #[serde(borrow, default)]
    context: Context<'a>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference<'a> {
    #[serde(rename = "ref/prompt")]
    Prompt {
        #[serde(borrow)]
        name: Cow<'a, str>,
    },
    #[serde(rename = "ref/resource")]
    Resource {
        #[serde(borrow)]
        uri: Cow<'a, str>,
    },
}

#[derive(Deserialize)]
struct Argument<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct Context<'a> {
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

pub(super) fn run(core: &Arc<Core>, request: Request) {
    // The specification wants completions limited in rate (all revisions, completion, security).
    if core.completions.take(&request.account, Instant::now()).is_err() {
        core.env.counters.completions_refused.up();
        let text = "too many completions; wait a second";
        return request.fail(code::INTERNAL_ERROR, text, None);
    }
    let params = match request.read::<Params<'_>>() {
        Ok(params) => params,
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    let arguments = params.context.arguments.map(RawValue::get);
    let completing = Completing {
        argument: params.argument.name.into_owned(),
        value: params.argument.value.into_owned(),
    };
    let arguments = arguments.filter(|json| json.starts_with('{'));
    let arguments = arguments.map_or_else(empty_object, Box::from);
    match params.of {
        Reference::Prompt { name } => {
            let name = name.into_owned();
            prompt(core, request, name, completing, arguments);
        }
        Reference::Resource { uri } => {
            let uri = uri.into_owned();
            template(core, request, uri, completing, arguments);
        }
    }
}

fn prompt(
    core: &Arc<Core>,
    request: Request,
    name: String,
    completing: Completing,
    arguments: Box<str>,
) {
    let entry = core.prompts.lookup(&name).filter(|_| request.may(core, Item::Prompt, &name));
    let Some(entry) = entry else {
        return unknown(request, "prompt", &name);
    };
    if let Some(scope) = request.lacks(&entry.item.about) {
        return request.forbid(core, &name, scope);
    }
    if !entry.item.has_argument(&completing.argument) {
        return unknown(request, "argument", &completing.argument);
    }
    let target = match entry.enter() {
        Ok(running) if !running.function().can_complete() => {
            let choices = entry.item.choices(&completing.argument);
            let result = CompletionResult::of_choices(choices, &completing.value);
            return answer(core, request, &result);
        }
        Ok(running) => Ok(Target::Prompt(running)),
        Err(Refused::Busy(busy)) => Err(busy),
        Err(Refused::Removed) => return unknown(request, "prompt", &name),
    };
    new_call(name, completing, arguments).start(core, request, target);
}

fn template(
    core: &Arc<Core>,
    request: Request,
    uri: String,
    completing: Completing,
    arguments: Box<str>,
) {
    let entry = core.templates.lookup(&uri).filter(|_| request.may(core, Item::Template, &uri));
    let Some(entry) = entry else {
        // A resource at one URI has no variables, so there is nothing to complete.
        return unknown(request, "template", &uri);
    };
    if let Some(scope) = request.lacks(&entry.item.about) {
        return request.forbid(core, &uri, scope);
    }
    if !entry.item.has_variable(&completing.argument) {
        return unknown(request, "variable", &completing.argument);
    }
    let target = match entry.enter() {
        Ok(running) if !running.function().can_complete() => {
            return answer(core, request, &CompletionResult::default());
        }
        Ok(running) => Ok(Target::Resource(running)),
        Err(Refused::Busy(busy)) => Err(busy),
        Err(Refused::Removed) => return unknown(request, "template", &uri),
    };
    new_call(uri, completing, arguments).start(core, request, target);
}

fn new_call(name: String, completing: Completing, arguments: Box<str>) -> NewCall {
    NewCall {
        kind: CallKind::Completion,
        name: name.into(),
        arguments,
        completing: Some(completing),
        timeout: None,
        result_bytes: None,
        caching: None,
        is_inline: false,
        task: Begin::Plain,
    }
}

fn answer(core: &Core, request: Request, result: &CompletionResult) {
    let mut json = String::new();
    let extra = core.identity.result_extra(request.revision);
    result.write(request.revision, extra, &mut json);
    request.succeed(&json);
}

fn unknown(request: Request, what: &str, name: &str) {
    let text = format!("unknown {what}: {}", shorten(name));
    request.fail(code::INVALID_PARAMS, &text, None);
}
