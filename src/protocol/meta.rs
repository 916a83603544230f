//! `params._meta`: what a request says about itself and its client.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{ClientCapabilities, Revision};
use crate::json::Text;
use crate::level::Level;
use crate::rpc::{Params, string};

/// Key of the claim that makes a request modern.
pub(super) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// Key of the capabilities that a modern request declares.
pub(super) const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// `_meta` as the client wrote it, with the places of the members that emcp reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    raw: Option<Box<str>>,
    /// In the order of [`KEYS`]; empty for what is not there.
    places: [Range<u32>; KEYS.len()],
}

/// What emcp reads of `_meta`.
const KEYS: [&str; 8] = [
    VERSION_KEY,
    CAPABILITIES_KEY,
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/logLevel",
    "progressToken",
    "traceparent",
    "tracestate",
    "baggage",
];

/// Their numbers.
const VERSION: usize = 0;
const CAPABILITIES: usize = 1;
const CLIENT: usize = 2;
const LOG_LEVEL: usize = 3;
const PROGRESS_TOKEN: usize = 4;
const TRACEPARENT: usize = 5;
const TRACESTATE: usize = 6;
const BAGGAGE: usize = 7;

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
        match params.member("_meta") {
            None | Some("null") => Meta::default(),
            Some(raw) => Meta::of(raw),
        }
    }

    /// `raw` is JSON.
    pub(crate) fn of(raw: &str) -> Meta {
        let places = serde_json::from_str::<Members<'_>>(raw).map(|found| {
            found.0.map(|value| match value {
                Some(value) => {
                    // Borrowed from the text. What is gigabytes away is not there.
                    let start = value.as_ptr() as usize - raw.as_ptr() as usize;
                    let end = u32::try_from(start + value.len()).unwrap_or_default();
                    end.saturating_sub(value.len() as u32)..end
                }
                None => 0..0,
            })
        });
        Meta { places: places.unwrap_or_default(), raw: Some(raw.into()) }
    }

    /// All of it.
    pub(crate) fn raw(&self) -> Option<&str> {
        self.raw.as_deref()
    }

    fn member(&self, number: usize) -> Option<&str> {
        let Range { start, end } = self.places[number];
        let text = self.raw.as_deref()?.get(start as usize..end as usize)?;
        // Null is what some clients write for what is not there.
        (!text.is_empty() && text != "null").then_some(text)
    }

    fn text(&self, number: usize) -> Option<Cow<'_, str>> {
        string(self.member(number)?)
    }

    /// The claimed revision, not yet checked. Present means the request is modern.
    pub(crate) fn version(&self) -> Option<Cow<'_, str>> {
        let claim = self.member(VERSION)?;
        Some(string(claim).unwrap_or(Cow::Borrowed(claim)))
    }

    /// The declared capabilities as JSON text; `None` when absent or not an object.
    fn capabilities_text(&self) -> Option<&str> {
        self.member(CAPABILITIES).filter(|text| text.starts_with('{'))
    }

    pub(crate) fn has_capabilities(&self) -> bool {
        self.capabilities_text().is_some()
    }

    pub(crate) fn client(&self) -> ClientInfo {
        self.member(CLIENT).map(ClientInfo::read).unwrap_or_default()
    }

    /// Least level of log messages that this request wants; modern only.
    pub(crate) fn log_level(&self) -> LogLevel {
        match self.member(LOG_LEVEL).map(|text| string(text).and_then(|name| Level::parse(&name))) {
            Some(Some(level)) => LogLevel::AtLeast(level),
            Some(None) => LogLevel::Unknown,
            None => LogLevel::Absent,
        }
    }

    /// The token as the client wrote it, string or number, to be echoed.
    pub(crate) fn progress_token(&self) -> Option<&str> {
        let token = self.member(PROGRESS_TOKEN)?;
        // A progress token is a string or a number (all revisions, progress).
        let is_token = matches!(token.as_bytes(), [b'"' | b'-' | b'0'..=b'9', ..]);
        (is_token && token.len() <= TOKEN_BYTES_MAX).then_some(token)
    }

    /// W3C trace context, passed through to callbacks and the audit record.
    pub(crate) fn traceparent(&self) -> Option<Cow<'_, str>> {
        self.text(TRACEPARENT)
    }

    pub(crate) fn tracestate(&self) -> Option<Cow<'_, str>> {
        self.text(TRACESTATE)
    }

    pub(crate) fn baggage(&self) -> Option<Cow<'_, str>> {
        self.text(BAGGAGE)
    }

    /// What the client of a modern request says it can do.
    pub(crate) fn capabilities(&self, revision: Revision) -> ClientCapabilities<'_> {
        ClientCapabilities::new(self.capabilities_text().unwrap_or("{}"), revision)
    }

    /// Tells whether the request asked for log messages of `level`.
    pub(crate) fn wants_log(&self, level: Level) -> bool {
        matches!(self.log_level(), LogLevel::AtLeast(least) if level >= least)
    }
}

impl ClientInfo {
    /// Reads an `Implementation` object; a member that is no string is left empty.
    pub(crate) fn read(json: &str) -> ClientInfo {
        #[derive(Deserialize)]
        struct Implementation<'a> {
            #[serde(borrow, default)]
            name: Option<&'a RawValue>,
            #[serde(borrow, default)]
            version: Option<&'a RawValue>,
        }
        let Ok(found) = serde_json::from_str::<Implementation<'_>>(json) else {
            return ClientInfo::default();
        };
        let read = |raw: Option<&RawValue>| {
            raw.and_then(|raw| string(raw.get())).map(bounded).unwrap_or_default()
        };
        ClientInfo { name: read(found.name), version: read(found.version) }
    }
}

/// The JSON texts of the members with [`KEYS`], whatever they are: clients may put anything there,
/// and one odd value must not hide the others (2026-07-28, basic, `_meta`).
struct Members<'a>([Option<&'a str>; KEYS.len()]);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Members<'de>, D::Error> {
        struct Finder;

        impl<'de> Visitor<'de> for Finder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut found = [None; KEYS.len()];
                while let Some(Text(name)) = map.next_key()? {
                    let Some(number) = KEYS.iter().position(|key| *key == name) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let value: &RawValue = map.next_value()?;
                    if found[number].replace(value.get()).is_some() {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                }
                Ok(Members(found))
            }
        }

        from.deserialize_map(Finder)
    }
}

/// It stands in every progress notification; a longer one is no token but an attack.
const TOKEN_BYTES_MAX: usize = 1024;

/// A client's name ends up in logs; 128 characters identify anything.
fn bounded(text: Cow<'_, str>) -> String {
    match text.char_indices().nth(128) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.into_owned(),
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
        assert_eq!(meta.version().as_deref(), Some("2026-07-28"));
        assert_eq!(meta.capabilities_text(), Some(r#"{"sampling":{}}"#));
        assert_eq!(meta.client().name, "c");
        assert_eq!(meta.log_level(), LogLevel::AtLeast(Level::Warning));
        assert_eq!(meta.progress_token(), Some("9007199254740993"));
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let members = KEYS.map(|key| format!("{key:?}:null")).join(",");
        let meta = read(&format!(r#"{{"_meta":{{{members}}}}}"#));
        assert!(meta.version().is_none() && !meta.has_capabilities());
        assert_eq!((meta.log_level(), meta.client()), (LogLevel::Absent, ClientInfo::default()));
        assert!(meta.progress_token().is_none() && meta.traceparent().is_none());
    }

    #[test]
    fn odd_members_are_absent_or_kept_as_text() {
        assert!(read("{}").version().is_none());
        assert!(read(r#"{"_meta":7}"#).version().is_none());
        let meta =
            read(r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":7,"progressToken":{}}}"#);
        assert_eq!(meta.version().as_deref(), Some("7"));
        assert!(meta.progress_token().is_none());
        let meta = read(
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","traceparent":7,
            "io.modelcontextprotocol/clientInfo":{"name":"c","version":1}}}"#,
        );
        assert_eq!(meta.version().as_deref(), Some("2026-07-28"));
        assert_eq!((meta.client().name.as_str(), meta.client().version.as_str()), ("c", ""));
        assert!(meta.traceparent().is_none());
    }
}
