//! `initialize`: opens the legacy conversation and settles its revision.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Request, capabilities};
use crate::core::Core;
use crate::json::{push_raw_member, push_text_member};
use crate::protocol::{ClientInfo, Revision};
use crate::rpc::code;
use crate::session::Handshake;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    #[serde(borrow)]
    protocol_version: Cow<'a, str>,
    #[serde(borrow, default)]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_info: Option<&'a RawValue>,
}

/// Capabilities are kept as long as the session, which nobody has to end.
const CAPABILITIES_BYTES_MAX: usize = 16 * 1024;

pub(super) fn run(core: &Arc<Core>, request: Request) {
    let handshake = match request.read::<Params<'_>>() {
        Ok(params)
            if params.capabilities.is_some_and(|c| c.get().len() > CAPABILITIES_BYTES_MAX) =>
        {
            let problem = format!("capabilities are above {CAPABILITIES_BYTES_MAX} bytes");
            return request.fail(code::INVALID_PARAMS, &problem, None);
        }
        Ok(params) => Handshake::new(
            Revision::negotiate(&params.protocol_version),
            params.client_info.map(|info| ClientInfo::read(info.get())).unwrap_or_default(),
            params.capabilities.map_or("{}", RawValue::get),
        ),
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    let revision = handshake.revision;
    if let Some(session) = &request.session {
        session.settle(handshake);
    }
    let mut result = String::from("{");
    push_text_member(&mut result, "protocolVersion", revision.as_str());
    let capabilities = capabilities::of(core, revision, request.principal.is_some());
    push_raw_member(&mut result, "capabilities", &capabilities);
    push_raw_member(&mut result, "serverInfo", &core.identity.info(revision));
    core.identity.push_instructions(&mut result);
    result.push('}');
    request.succeed(&result);
}
