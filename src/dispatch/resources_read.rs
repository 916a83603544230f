//! `resources/read`: finds the resource or the template that the URI fits.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::Request;
use super::call::{Begin, NewCall};
use crate::call::{HostFn, Target};
use crate::core::Core;
use crate::hooks::Item;
use crate::json::{push_raw_member, push_string, push_text_member};
use crate::kind::CallKind;
use crate::registry::{Entry, Listed, Refused, Resource};
use crate::rpc::code;

/// Bytes of a URI; a longer one is no name of anything but an attack.
const URI_BYTES_MAX: usize = 8 * 1024;

#[derive(Deserialize)]
pub(super) struct Params<'a> {
    #[serde(borrow)]
    pub(super) uri: Cow<'a, str>,
}

pub(super) fn run(core: &Arc<Core>, request: Request) {
    let uri = match request.read::<Params<'_>>() {
        Ok(params) => params.uri.into_owned(),
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    let Some((entry, variables)) = find(core, &request, &uri) else {
        return not_found(request, &uri);
    };
    if let Some(scope) = request.lacks(&entry.item.about) {
        return request.forbid(core, &uri, scope);
    }
    let target = match entry.enter() {
        Ok(running) => Ok(Target::Resource(running)),
        Err(Refused::Busy(busy)) => Err(busy),
        Err(Refused::Removed) => return not_found(request, &uri),
    };
    let resource = &entry.item;
    let call = NewCall {
        kind: CallKind::Resource,
        name: uri.into(),
        arguments: variables_json(&variables),
        completing: None,
        timeout: resource.about.timeout,
        result_bytes: resource.about.result_bytes,
        caching: Some(core.caching(resource.ttl.unwrap_or(core.options.cache.read))),
        is_inline: false,
        task: Begin::Plain,
    };
    call.start(core, request, target);
}

type Found = (Arc<Entry<Resource, HostFn>>, Vec<(String, String)>);

/// The resource at `uri`, if the caller may see it; with the variables of the template that it
/// fits.
pub(super) fn find(core: &Core, request: &Request, uri: &str) -> Option<Found> {
    if uri.len() > URI_BYTES_MAX || !request.may(core, Item::Resource, uri) {
        return None;
    }
    if let Some(entry) = core.resources.lookup(uri) {
        return Some((entry, Vec::new()));
    }
    core.templates.search(|template| {
        let variables = template.match_uri(uri)?;
        // What is not in the caller's list of templates is not there.
        request.may(core, Item::Template, template.key()).then_some(variables)
    })
}

/// Answers that no resource has this URI, in the words of the client's revision.
pub(super) fn not_found(request: Request, uri: &str) {
    let mut data = String::from("{");
    let uri: String = uri.chars().take(1024).collect();
    push_text_member(&mut data, "uri", &uri);
    data.push('}');
    let code = request.revision.resource_not_found();
    request.fail(code, "resource not found", Some(&data));
}

/// The variables of a template as the arguments of the call.
fn variables_json(variables: &[(String, String)]) -> Box<str> {
    let mut out = String::from("{");
    for (name, value) in variables {
        // Names of variables are letters, digits, points and underscores.
        let mut json = String::new();
        push_string(&mut json, value);
        push_raw_member(&mut out, name, &json);
    }
    out.push('}');
    out.into()
}
