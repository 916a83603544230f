//! `resources/subscribe` and `resources/unsubscribe`: what a legacy session wants to hear of.

use std::sync::Arc;

use super::Request;
use super::resources_read::{Params, find, not_found};
use crate::core::Core;
use crate::rpc::code;

pub(super) fn subscribe(core: &Arc<Core>, request: Request) {
    let uri = match request.read::<Params<'_>>() {
        Ok(params) => params.uri.into_owned(),
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    let Some((entry, _)) = find(core, &request, &uri) else {
        return not_found(request, &uri);
    };
    if let Some(scope) = request.lacks(&entry.item.about) {
        return request.forbid(core, &uri, scope);
    }
    let limit = core.env.limits.subscriptions;
    let is_noted = request.session.as_ref().is_none_or(|session| session.subscribe(&uri, limit));
    if is_noted {
        return request.succeed("{}");
    }
    core.env.counters.subscriptions_refused.up();
    let text = format!("{limit} resources are subscribed already; unsubscribe from one");
    request.fail(code::INTERNAL_ERROR, &text, None);
}

pub(super) fn unsubscribe(_core: &Arc<Core>, request: Request) {
    let uri = match request.read::<Params<'_>>() {
        Ok(params) => params.uri.into_owned(),
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    if let Some(session) = &request.session {
        session.unsubscribe(&uri);
    }
    request.succeed("{}");
}
