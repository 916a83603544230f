//! One way to hold a dialogue: a revision, a transport, a form of reply; and what a dialogue says
//! differently for some of them.

use std::fmt;

use serde_json::{Map, Value};

use crate::peer::{LEGACY, MODERN};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Streamable HTTP, of a client that takes both forms of reply.
    Http,
    /// Streamable HTTP, of a client that takes streams only.
    HttpStream,
    /// HTTP+SSE, the transport of 2024-11-05.
    Sse,
    WebSocket,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Combination {
    pub(crate) revision: &'static str,
    pub(crate) transport: Transport,
    /// Every message of the client comes as the only one of a batch; 2025-03-26 alone.
    pub(crate) in_batches: bool,
}

/// The revision that has batches.
const BATCHES: &str = "2025-03-26";

impl Combination {
    /// Every one that revision and transport allow.
    pub(crate) fn all() -> impl Iterator<Item = Combination> {
        use Transport::{Http, HttpStream, Sse, WebSocket};
        LEGACY.into_iter().chain([MODERN]).flat_map(|revision| {
            [Http, HttpStream, Sse, WebSocket]
                .into_iter()
                .filter(move |transport| revision != MODERN || *transport != Sse)
                .flat_map(move |transport| {
                    let plain = Combination { revision, transport, in_batches: false };
                    let batched = Combination { in_batches: true, ..plain };
                    [plain].into_iter().chain((revision == BATCHES).then_some(batched))
                })
        })
    }

    pub(crate) fn is_modern(self) -> bool {
        self.revision == MODERN
    }

    /// Tells whether each request is an exchange of its own.
    pub(crate) fn is_http(self) -> bool {
        matches!(self.transport, Transport::Http | Transport::HttpStream)
    }

    /// Leaves of `value` what is meant for this combination.
    ///
    /// `{"when": condition, "is": a, "else": b}` becomes `a` or `b`, and nothing when there is no
    /// `b`. Any other object with `when` stays or goes as a whole.
    pub(crate) fn resolve(self, value: &Value) -> Option<Value> {
        match value {
            Value::Object(members) => self.resolve_object(members),
            Value::Array(items) => {
                Some(items.iter().filter_map(|item| self.resolve(item)).collect())
            }
            other => Some(other.clone()),
        }
    }

    fn resolve_object(self, members: &Map<String, Value>) -> Option<Value> {
        let holds = members.get("when").is_none_or(|condition| self.meets(condition));
        if let Some(value) = members.get("is").filter(|_| members.contains_key("when")) {
            let chosen = if holds { Some(value) } else { members.get("else") };
            return chosen.and_then(|chosen| self.resolve(chosen));
        }
        if !holds {
            return None;
        }
        let kept = members.iter().filter(|(name, _)| *name != "when");
        Some(kept.filter_map(|(name, item)| Some((name.clone(), self.resolve(item)?))).collect())
    }

    /// Every member of a condition must hold; a list holds what any of its members does.
    fn meets(self, condition: &Value) -> bool {
        if let Value::Array(conditions) = condition {
            return conditions.iter().any(|condition| self.meets(condition));
        }
        let members = condition.as_object().unwrap_or_else(|| panic!("{condition}"));
        members.iter().all(|(name, value)| {
            let value = value.as_str().unwrap_or_else(|| panic!("{condition}"));
            match &**name {
                // Dates of this form sort as text.
                "from" => self.revision >= value,
                "to" => self.revision <= value,
                "era" => self.is_modern() == (value == "modern"),
                "transport" => match value {
                    "http" => self.is_http(),
                    "shared" => !self.is_http(),
                    "sse" => self.transport == Transport::Sse,
                    "websocket" => self.transport == Transport::WebSocket,
                    _ => panic!("{condition}"),
                },
                "reply" => (self.transport == Transport::HttpStream) == (value == "stream"),
                _ => panic!("{condition}"),
            }
        })
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batches = if self.in_batches { " in batches" } else { "" };
        write!(f, "{} over {:?}{batches}", self.revision, self.transport)
    }
}
