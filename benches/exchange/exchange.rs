//! One kind of exchange: what is asked, how it travels, and what the answer must be.

use std::io;

use serde::Deserialize;

use crate::client::{Connection, MODERN_CLAIMS, modern_fields};
use crate::server::Address;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A short text.
    Text,
    /// The same from a tool that runs on a worker; peers have no other kind.
    TextOnWorker,
    /// 4 KB of structured content.
    Series,
    /// The list of 50 tools.
    List,
    /// A short text, and that everybody is told of a changed list.
    Announcement,
}

/// How a request travels, and as whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Streamable HTTP, revision 2025-11-25.
    Legacy,
    /// Streamable HTTP, revision 2026-07-28.
    Modern,
    /// WebSocket, revision 2025-11-25.
    WebSocket,
}

/// A kind of exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) way: Way,
    pub(crate) ask: Ask,
    /// The answer comes as a stream of events.
    pub(crate) is_stream: bool,
}

impl Exchange {
    pub(crate) const fn new(way: Way, ask: Ask) -> Exchange {
        Exchange { way, ask, is_stream: false }
    }

    pub(crate) const fn streamed(way: Way, ask: Ask) -> Exchange {
        Exchange { way, ask, is_stream: true }
    }
}

/// One connection that makes exchanges of one kind.
pub(crate) struct Caller {
    pub(crate) connection: Connection,
    exchange: Exchange,
    /// The floor answers everything with one text.
    is_floor: bool,
    tool: &'static str,
    fields: String,
    id: u64,
    known: Option<Known>,
}

/// An answer that was checked in full, without its id: the next ones need only be equal to it.
struct Known {
    before: Vec<u8>,
    after: Vec<u8>,
}

/// The first id. Long, so that nothing else in an answer looks like it.
const FIRST_ID: u64 = 1_000_000;

impl Caller {
    /// Connects, and shakes hands where there is a handshake.
    pub(crate) fn open(
        address: &Address,
        exchange: Exchange,
        is_floor: bool,
        is_peer: bool,
    ) -> io::Result<Caller> {
        let tool = match exchange.ask {
            Ask::TextOnWorker if !is_peer => "text_on_worker",
            Ask::Text | Ask::TextOnWorker => "text",
            Ask::Series => "series",
            Ask::List => "",
            Ask::Announcement => "announce",
        };
        let mut address = address.clone();
        if exchange.is_stream && !is_peer {
            address.path.push_str("?transport=sse");
        }
        let mut connection = Connection::open(&address)?;
        let fields = match (exchange.way, exchange.ask) {
            (Way::Legacy, _) => connection.open_session()?,
            (Way::Modern, Ask::List) => modern_fields("tools/list", None),
            (Way::Modern, _) => modern_fields("tools/call", Some(tool)),
            (Way::WebSocket, _) => {
                connection.open_websocket()?;
                String::new()
            }
        };
        Ok(Caller { connection, exchange, is_floor, tool, fields, id: FIRST_ID, known: None })
    }

    /// Sends the next request.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.id += 1;
        let (id, tool) = (self.id, self.tool);
        let claims = if self.exchange.way == Way::Modern { MODERN_CLAIMS } else { "" };
        let comma = if claims.is_empty() { "" } else { "," };
        let message = if self.exchange.ask == Ask::List {
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{{claims}}}}}"#)
        } else {
            format!(
                concat!(
                    r#"{{"jsonrpc":"2.0","id":{},"method":"tools/call","#,
                    r#""params":{{"name":"{}","arguments":{{}}{}{}}}}}"#
                ),
                id, tool, comma, claims
            )
        };
        let request = self.connection.request(&self.fields, &message);
        self.connection.send(&request)
    }

    /// Checks that `body` answers the last request, with what was asked for and no refusal.
    pub(crate) fn check(&mut self, body: &[u8]) -> io::Result<()> {
        let id = format!("\"id\":{}", self.id);
        if let Some(known) = &self.known {
            let rest = body.strip_prefix(&*known.before);
            let rest = rest.and_then(|rest| rest.strip_prefix(id.as_bytes()));
            if rest == Some(&known.after) {
                return Ok(());
            }
        }
        self.check_in_full(body)?;
        let place = body.windows(id.len()).position(|bytes| bytes == id.as_bytes());
        self.known = place
            .map(|at| Known { before: body[..at].to_vec(), after: body[at + id.len()..].to_vec() });
        Ok(())
    }

    fn check_in_full(&self, body: &[u8]) -> io::Result<()> {
        let answer: Answer = serde_json::from_slice(body).map_err(|error| {
            io::Error::other(format!("{error} in {}", String::from_utf8_lossy(body)))
        })?;
        let result = &answer.result;
        let has_text = result.content.first().is_some_and(|content| !content.text.is_empty());
        let is_right = match self.exchange.ask {
            _ if self.is_floor => has_text,
            Ask::Text | Ask::TextOnWorker | Ask::Announcement => has_text,
            Ask::Series => {
                has_text
                    && result.structured.as_ref().is_some_and(|series| series.points.len() == 150)
            }
            Ask::List => result.tools.len() == 50,
        };
        if answer.id == self.id && is_right && !result.is_error {
            return Ok(());
        }
        Err(io::Error::other(format!("wrong answer: {}", String::from_utf8_lossy(body))))
    }
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    result: CallResult,
}

#[derive(Deserialize)]
struct CallResult {
    #[serde(default)]
    content: Vec<Content>,
    #[serde(default, rename = "structuredContent")]
    structured: Option<Series>,
    #[serde(default, rename = "isError")]
    is_error: bool,
    #[serde(default)]
    tools: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Content {
    text: String,
}

#[derive(Deserialize)]
struct Series {
    points: Vec<serde::de::IgnoredAny>,
}
