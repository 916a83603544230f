//! `ping`: answered promptly and with exactly nothing, also before `initialize`.

use std::sync::Arc;

use super::Request;
use crate::core::Core;

pub(super) fn run(_core: &Arc<Core>, request: Request) {
    request.succeed("{}");
}
