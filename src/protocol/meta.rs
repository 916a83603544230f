//! `params._meta`: what a request says about itself and its client.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ClientCapabilities, Revision};
use crate::level::Level;
use crate::rpc::{Params, string};

/// Key of the claim that makes a request modern.
pub(super) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// Key of the capabilities that a modern request declares.
pub(super) const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// The members of `_meta` that emcp reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    /// The claimed revision, not yet checked. Present means the request is modern.
    pub(crate) version: Option<String>,
    /// The declared capabilities as JSON text; `None` when absent or not an object.
    pub(crate) capabilities: Option<String>,
    pub(crate) client: ClientInfo,
    /// Least level of log messages that this request wants; modern only.
    pub(crate) log_level: LogLevel,
    /// The token as the client wrote it, string or number, to be echoed.
    pub(crate) progress_token: Option<String>,
    /// W3C trace context, passed through to callbacks and the audit record.
    pub(crate) traceparent: Option<String>,
    pub(crate) tracestate: Option<String>,
    pub(crate) baggage: Option<String>,
    /// All of `_meta` as the client wrote it.
    pub(crate) raw: Option<Box<str>>,
}

/// What a modern request says about log messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// Nothing: then it gets none.
    #[default]
    Absent,
    AtLeast(Level),
    /// A word that is no level.
    Unknown,
}

/// How a client names itself. For display and logs only: any client may claim any name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientInfo {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Meta {
    /// Reads `_meta` from the params of a message; absent or odd members are simply not there.
    pub(crate) fn read(params: &Params) -> Meta {
        let Some(meta) = params.member("_meta").filter(|meta| *meta != "null") else {
            return Meta::default();
        };
        let raw = Some(meta.into());
        let Ok(members) = serde_json::from_str::<Members<'_>>(meta) else {
            return Meta { raw, ..Meta::default() };
        };
        Meta {
            version: members.version.map(text_or_json),
            capabilities: members.capabilities.and_then(object),
            client: members.client.map(ClientInfo::read).unwrap_or_default(),
            log_level: members.log_level.map_or(LogLevel::Absent, log_level),
            progress_token: members.progress_token.and_then(token),
            traceparent: members.traceparent.and_then(text),
            tracestate: members.tracestate.and_then(text),
            baggage: members.baggage.and_then(text),
            raw,
        }
    }

    /// What the client of a modern request says it can do.
    pub(crate) fn capabilities(&self, revision: Revision) -> ClientCapabilities<'_> {
        ClientCapabilities::new(self.capabilities.as_deref().unwrap_or("{}"), revision)
    }

    /// Tells whether the request asked for log messages of `level`.
    pub(crate) fn wants_log(&self, level: Level) -> bool {
        matches!(self.log_level, LogLevel::AtLeast(least) if level >= least)
    }
}

impl ClientInfo {
    /// Reads an `Implementation` object; a member that is no string is left empty.
    pub(crate) fn read(raw: &RawValue) -> ClientInfo {
        #[derive(Deserialize)]
        struct Implementation<'a> {
            #[serde(borrow, default)]
            name: Option<&'a RawValue>,
            #[serde(borrow, default)]
            version: Option<&'a RawValue>,
        }
        let Ok(found) = serde_json::from_str::<Implementation<'_>>(raw.get()) else {
            return ClientInfo::default();
        };
        let read = |raw: Option<&RawValue>| raw.and_then(text).map(bounded).unwrap_or_default();
        ClientInfo { name: read(found.name), version: read(found.version) }
    }
}

/// Raw, all of them: clients may put anything at these keys, and one odd value must not hide the
/// others (2026-07-28, basic, `_meta`).
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientInfo")]
    client: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    traceparent: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tracestate: Option<&'a RawValue>,
    #[serde(borrow, default)]
    baggage: Option<&'a RawValue>,
}

fn text(raw: &RawValue) -> Option<String> {
    string(raw.get()).map(Cow::into_owned)
}

fn text_or_json(raw: &RawValue) -> String {
    text(raw).unwrap_or_else(|| raw.get().to_owned())
}

fn object(raw: &RawValue) -> Option<String> {
    raw.get().starts_with('{').then(|| raw.get().to_owned())
}

/// A progress token is a string or a number (all revisions, progress).
const TOKEN_BYTES_MAX: usize = 1024;

fn token(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    let first = text.as_bytes().first()?;
    // It stands in every progress notification; a longer one is no token but an attack.
    if text.len() > TOKEN_BYTES_MAX {
        return None;
    }
    matches!(first, b'"' | b'-' | b'0'..=b'9').then(|| text.to_owned())
}

fn log_level(raw: &RawValue) -> LogLevel {
    match serde_json::from_str::<Cow<'_, str>>(raw.get()).ok().and_then(|s| Level::parse(&s)) {
        Some(level) => LogLevel::AtLeast(level),
        None => LogLevel::Unknown,
    }
}

/// A client's name ends up in logs; 128 characters identify anything.
fn bounded(text: String) -> String {
    match text.char_indices().nth(128) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: &str) -> Meta {
        Meta::read(&Params::new(&RawValue::from_string(params.into()).unwrap()))
    }

    #[test]
    fn reads_what_is_there() {
        let meta = read(
            r#"{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{"sampling":{}},
            "io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},
            "io.modelcontextprotocol/logLevel":"warning","progressToken":9007199254740993}}"#,
        );
        assert_eq!(meta.version.as_deref(), Some("2026-07-28"));
        assert_eq!(meta.capabilities.as_deref(), Some(r#"{"sampling":{}}"#));
        assert_eq!(meta.client.name, "c");
        assert_eq!(meta.log_level, LogLevel::AtLeast(Level::Warning));
        assert_eq!(meta.progress_token.as_deref(), Some("9007199254740993"));
    }

    #[test]
    fn odd_members_are_absent_or_kept_as_text() {
        assert!(read("{}").version.is_none());
        assert!(read(r#"{"_meta":7}"#).version.is_none());
        let meta =
            read(r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":7,"progressToken":{}}}"#);
        assert_eq!(meta.version.as_deref(), Some("7"));
        assert!(meta.progress_token.is_none());
        let meta = read(
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","traceparent":7,
            "io.modelcontextprotocol/clientInfo":{"name":"c","version":1}}}"#,
        );
        assert_eq!(meta.version.as_deref(), Some("2026-07-28"));
        assert_eq!((meta.client.name.as_str(), meta.client.version.as_str()), ("c", ""));
        assert!(meta.traceparent.is_none());
    }
}
