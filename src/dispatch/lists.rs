//! `tools/list` and its sisters: pages of prepared JSON, always in the same order.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::Request;
use crate::call::HostFn;
use crate::core::Core;
use crate::hooks::Item;
use crate::json::push_text_member;
use crate::registry::{About, Filter, Listed, Registry};
use crate::rpc::code;

pub(super) fn tools(core: &Arc<Core>, request: Request) {
    let list = List { name: "tools", item: Item::Tool, ttl: core.options.cache.tools };
    list.answer(core, &core.tools, request);
}

pub(super) fn resources(core: &Arc<Core>, request: Request) {
    let ttl = core.options.cache.resources;
    List { name: "resources", item: Item::Resource, ttl }.answer(core, &core.resources, request);
}

pub(super) fn templates(core: &Arc<Core>, request: Request) {
    let ttl = core.options.cache.resources;
    let list = List { name: "resourceTemplates", item: Item::Template, ttl };
    list.answer(core, &core.templates, request);
}

pub(super) fn prompts(core: &Arc<Core>, request: Request) {
    let list = List { name: "prompts", item: Item::Prompt, ttl: core.options.cache.prompts };
    list.answer(core, &core.prompts, request);
}

/// One kind of list.
struct List {
    /// The member that holds it.
    name: &'static str,
    item: Item,
    ttl: Duration,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    cursor: Option<Cow<'a, str>>,
}

impl List {
    fn answer<D: Listed>(self, core: &Core, registry: &Registry<D, HostFn>, request: Request) {
        let cursor = match request.read::<Params<'_>>() {
            Ok(params) => params.cursor.map(Cow::into_owned),
            Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
        };
        let (size, shape) = (core.env.limits.page, request.revision);
        let caller = core.env.hooks.decides().then(|| request.caller());
        let may = |key: &str, about: &About| {
            // The scope first: it spares the host a question.
            request.lacks(about).is_none()
                && caller.as_ref().is_none_or(|caller| core.may(caller, self.item, key))
        };
        let differs = caller.is_some() || !request.scopes.is_all();
        let filter: Option<Filter<'_>> = if differs { Some(&may) } else { None };
        let page = registry.page(cursor.as_deref(), size, shape, filter);
        let Ok(page) = page else {
            let problem = "invalid cursor; list again without one";
            return request.fail(code::INVALID_PARAMS, problem, None);
        };
        let mut members = String::with_capacity(page.items.len() + 64);
        members.push_str(&format!(r#""{}":"#, self.name));
        members.push_str(&page.items);
        if let Some(next) = &page.next_cursor {
            push_text_member(&mut members, "nextCursor", next);
        }
        if request.revision.is_modern() {
            core.caching(self.ttl).push(&mut members);
            request.succeed(&core.identity.modern_result("complete", &members, None));
        } else {
            request.succeed(&format!("{{{members}}}"));
        }
    }
}
