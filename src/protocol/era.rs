//! Decides per message which era it belongs to, from its body first and its header second.
//!
//! Both eras share one path and one connection, so nothing is remembered from earlier messages:
//! a modern server must not infer a version from them (2026-07-28, basic, statelessness).

use super::meta::{CAPABILITIES_KEY, LogLevel, VERSION_KEY};
use super::{Meta, Revision};
use crate::json::push_string;
use crate::rpc::{Message, code};

/// Where a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel<'a> {
    /// An HTTP POST, with the `MCP-Protocol-Version` header if there was one.
    Post(Option<&'a str>),
    /// A channel without headers: WebSocket, or the POST side of HTTP+SSE.
    Duplex,
}

/// What to do with a message.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// A request that carries its own metadata.
    Modern(Revision, Box<Meta>),
    /// `initialize` without a claim: opens a legacy session.
    Initialize(Box<Meta>),
    /// Belongs to a legacy session.
    Legacy(Box<Meta>),
    /// Accepted and dropped: there are no modern client notifications over HTTP.
    Drop,
    /// Refused; over HTTP with status 400.
    Refuse(Refusal),
}

/// An error reply in the making.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i32,
    pub(crate) message: String,
    /// JSON text.
    pub(crate) data: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into(), data: None }
    }
}

/// Tells whether the value of `MCP-Protocol-Version` names a modern revision.
pub(crate) fn is_modern_header(value: Option<&str>) -> bool {
    value.and_then(Revision::parse).is_some_and(Revision::is_modern)
}

/// Refuses a value of `MCP-Protocol-Version` that names no revision: 400 on every request of a
/// session (2025-06-18 and later, Streamable HTTP, protocol version header).
pub(crate) fn check_header(value: Option<&str>) -> Result<(), Refusal> {
    match value {
        Some(text) if Revision::parse(text).is_none() => Err(unsupported(text)),
        _ => Ok(()),
    }
}

/// Classifies one message.
pub(crate) fn classify(message: &Message, channel: Channel<'_>) -> Verdict {
    let header = match channel {
        Channel::Post(header) => header,
        Channel::Duplex => None,
    };
    match message {
        Message::Request { method, params, .. } => request(method, Meta::read(params), header),
        Message::Notification { params, .. } => {
            let meta = Meta::read(params);
            let modern = meta.version().is_some() || is_modern_header(header);
            match channel {
                Channel::Post(_) if modern => Verdict::Drop,
                // Cancelling a modern request is a notification on channels that cannot close.
                _ => Verdict::Legacy(Box::new(meta)),
            }
        }
        Message::Response { .. } if is_modern_header(header) => Verdict::Refuse(Refusal::new(
            code::INVALID_REQUEST,
            "this revision has no requests from the server, so no responses to them",
        )),
        Message::Response { .. } => Verdict::Legacy(Box::default()),
    }
}

fn request(method: &str, meta: Meta, header: Option<&str>) -> Verdict {
    let claim = meta.version().map(|claimed| modern(&claimed, &meta, header));
    match claim {
        Some(Ok(revision)) => return Verdict::Modern(revision, Box::new(meta)),
        Some(Err(refusal)) => return Verdict::Refuse(refusal),
        None => {}
    }
    if method == "initialize" {
        return Verdict::Initialize(Box::new(meta));
    }
    match header.map(|text| (text, Revision::parse(text))) {
        Some((_, Some(revision))) if revision.is_modern() => Verdict::Refuse(Refusal::new(
            code::INVALID_PARAMS,
            format!("params._meta must carry {VERSION_KEY} and {CAPABILITIES_KEY}"),
        )),
        Some((text, None)) => Verdict::Refuse(unsupported(text)),
        _ => Verdict::Legacy(Box::new(meta)),
    }
}

/// Checks the claim of a modern request, in the order that the reference servers use: header
/// against body, then the envelope, then the version.
fn modern(claimed: &str, meta: &Meta, header: Option<&str>) -> Result<Revision, Refusal> {
    if let Some(header) = header.filter(|header| *header != claimed) {
        return Err(Refusal::new(
            code::HEADER_MISMATCH,
            format!("header MCP-Protocol-Version is {header:?}, the body claims {claimed:?}"),
        ));
    }
    if !meta.has_capabilities() {
        return Err(Refusal::new(
            code::INVALID_PARAMS,
            format!("params._meta must carry {CAPABILITIES_KEY} as an object"),
        ));
    }
    let revision = Revision::parse(claimed)
        .filter(|revision| revision.is_modern())
        .ok_or_else(|| unsupported(claimed))?;
    if meta.log_level() == LogLevel::Unknown {
        return Err(Refusal::new(code::INVALID_PARAMS, "unknown log level in params._meta"));
    }
    Ok(revision)
}

fn unsupported(requested: &str) -> Refusal {
    let mut data = format!(r#"{{"supported":{},"requested":"#, Revision::MODERN_JSON);
    push_string(&mut data, requested);
    data.push('}');
    Refusal {
        code: code::UNSUPPORTED_VERSION,
        message: "unsupported protocol version".into(),
        data: Some(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::rpc::{Payload, parse};

    const CLAIM: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    const CAPABILITIES: &str = r#""io.modelcontextprotocol/clientCapabilities":{}"#;

    fn verdict(body: &str, channel: Channel<'_>) -> String {
        let Ok(Payload::One(message)) = parse(body.as_bytes(), &Limits::default()) else {
            panic!("not a message: {body}")
        };
        match classify(&message, channel) {
            Verdict::Modern(revision, _) => revision.as_str().into(),
            Verdict::Initialize(_) => "initialize".into(),
            Verdict::Legacy(_) => "legacy".into(),
            Verdict::Drop => "drop".into(),
            Verdict::Refuse(refusal) => refusal.code.to_string(),
        }
    }

    fn call(method: &str, meta: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{{{meta}}}}}}}"#)
    }

    #[test]
    fn requests_by_the_decision_table() {
        let whole = format!("{CLAIM},{CAPABILITIES}");
        let post = Channel::Post;
        let modern = Some("2026-07-28");
        // The numbers are the rows of the table.
        assert_eq!(verdict(&call("tools/list", &whole), post(modern)), "2026-07-28", "5");
        assert_eq!(verdict(&call("tools/list", &whole), Channel::Duplex), "2026-07-28", "5");
        assert_eq!(verdict(&call("initialize", &whole), post(modern)), "2026-07-28", "5");
        assert_eq!(verdict(&call("tools/list", CLAIM), post(modern)), "-32602", "5");
        assert_eq!(verdict(&call("initialize", ""), post(None)), "initialize", "6");
        assert_eq!(verdict(&call("initialize", ""), post(modern)), "initialize", "6");
        assert_eq!(verdict(&call("tools/list", ""), post(modern)), "-32602", "7");
        assert_eq!(verdict(&call("tools/list", ""), post(Some("1900-01-01"))), "-32022", "8");
        assert_eq!(verdict(&call("tools/list", ""), post(Some("2025-06-18"))), "legacy", "9");
        assert_eq!(verdict(&call("tools/list", ""), post(None)), "legacy", "9");
        assert_eq!(verdict(&call("tools/list", ""), Channel::Duplex), "legacy", "9");
    }

    #[test]
    fn claims_that_do_not_hold() {
        let other = format!("{},{CAPABILITIES}", CLAIM.replace("2026", "2027"));
        assert_eq!(verdict(&call("tools/list", &other), Channel::Duplex), "-32022");
        assert_eq!(
            verdict(&call("tools/list", &other), Channel::Post(Some("2026-07-28"))),
            "-32020"
        );
        let legacy = format!("{},{CAPABILITIES}", CLAIM.replace("2026-07-28", "2025-06-18"));
        assert_eq!(verdict(&call("tools/list", &legacy), Channel::Duplex), "-32022");
    }

    #[test]
    fn notifications_and_responses() {
        let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let modern = Channel::Post(Some("2026-07-28"));
        assert_eq!(verdict(note, modern), "drop");
        assert_eq!(verdict(note, Channel::Post(None)), "legacy");
        assert_eq!(verdict(response, modern), "-32600");
        assert_eq!(verdict(response, Channel::Post(None)), "legacy");
    }
}
