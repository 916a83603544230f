//! `server/discover`: what a modern client reads instead of a handshake.

use std::sync::Arc;

use super::{Request, capabilities};
use crate::core::Core;
use crate::json::push_raw_member;
use crate::protocol::Revision;

pub(super) fn run(core: &Arc<Core>, request: Request) {
    let mut members = format!(r#""supportedVersions":{}"#, Revision::MODERN_JSON);
    let capabilities = capabilities::of(core, request.revision, request.principal.is_some());
    push_raw_member(&mut members, "capabilities", &capabilities);
    core.identity.push_instructions(&mut members);
    core.caching(core.options.cache.discover).push(&mut members);
    request.succeed(&core.identity.modern_result("complete", &members, None));
}
