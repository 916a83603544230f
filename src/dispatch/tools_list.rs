//! `tools/list`: pages of prepared JSON, always in the same order.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::Request;
use super::discover::push_caching;
use crate::core::Core;
use crate::json::push_text_member;
use crate::rpc::code;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    cursor: Option<Cow<'a, str>>,
}

pub(super) fn run(core: &Arc<Core>, request: Request) {
    let cursor = match request.read::<Params<'_>>() {
        Ok(params) => params.cursor.map(Cow::into_owned),
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    let Ok(page) = core.registry.page(cursor.as_deref(), core.env.limits.page, request.revision)
    else {
        return request.fail(code::INVALID_PARAMS, "invalid cursor; list again without one", None);
    };
    let mut members = String::with_capacity(page.tools.len() + 64);
    members.push_str(r#""tools":"#);
    members.push_str(&page.tools);
    if let Some(next) = &page.next_cursor {
        push_text_member(&mut members, "nextCursor", next);
    }
    if request.revision.is_modern() {
        members.insert(0, ',');
        push_caching(core, &mut members);
        request.succeed(&core.identity.modern_result(&members, None));
    } else {
        request.succeed(&format!("{{{members}}}"));
    }
}
