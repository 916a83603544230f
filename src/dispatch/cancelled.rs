//! `notifications/cancelled`: the client no longer wants an answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cancel::CancelReason;
use crate::rpc::{self, Id};
use crate::session::InFlight;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    #[serde(borrow)]
    request_id: &'a RawValue,
}

/// Cancels the named request of this peer. Anything odd is ignored: there is nobody to answer.
pub(crate) fn cancelled(params: &rpc::Params, in_flight: &InFlight) {
    let Ok(Params { request_id }) = serde_json::from_str(params.text()) else { return };
    if let Some(id) = Id::parse(request_id) {
        in_flight.cancel(&id, CancelReason::Client);
    }
}
