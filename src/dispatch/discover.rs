//! `server/discover`: what a modern client reads instead of a handshake.

use std::sync::Arc;

use super::Request;
use crate::core::Core;
use crate::identity::CAPABILITIES;
use crate::json::push_raw_member;
use crate::protocol::Revision;

pub(super) fn run(core: &Arc<Core>, request: Request) {
    // A comma first: these members follow `resultType`.
    let mut members = String::from(",");
    members.push_str(r#""supportedVersions":"#);
    members.push_str(Revision::MODERN_JSON);
    push_raw_member(&mut members, "capabilities", CAPABILITIES);
    core.identity.push_instructions(&mut members);
    push_caching(core, &mut members);
    request.succeed(&core.identity.modern_result(&members, None));
}

/// The caching hints that six modern results must carry (SEP-2549). Always private: what a client
/// may see can come to depend on who it is, and a shared cache cannot know.
pub(super) fn push_caching(core: &Core, members: &mut String) {
    let ttl_ms = core.options.cache_ttl.as_millis();
    members.push_str(&format!(r#","ttlMs":{ttl_ms},"cacheScope":"private""#));
}
