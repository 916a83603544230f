//! `logging/setLevel`: the least level of log messages that a legacy session wants.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::Request;
use crate::core::Core;
use crate::level::Level;
use crate::rpc::code;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    level: Cow<'a, str>,
}

pub(super) fn run(_core: &Arc<Core>, request: Request) {
    let level = match request.read::<Params<'_>>() {
        Ok(params) => Level::parse(&params.level).ok_or_else(|| {
            format!("unknown level; use one of {}", Level::ALL.map(Level::as_str).join(", "))
        }),
        Err(problem) => Err(problem),
    };
    match level {
        Ok(level) => {
            if let Some(session) = &request.session {
                session.set_log_level(level);
            }
            request.succeed("{}");
        }
        Err(problem) => request.fail(code::INVALID_PARAMS, &problem, None),
    }
}
