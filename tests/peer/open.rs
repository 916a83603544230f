//! Everything that one caller can hold open, to be watched when its key or its token ends.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use emcp::{HttpExchange, MessagePeer, ParsedRequest};
use serde_json::json;

use super::keyed::{Keyed, OPEN};
use super::message::{TRUSTED, next, send, until_closed};
use super::pull::{Parsed, head, read};
use super::{
    ACCEPT, Events, NEWEST, Ws, call, claim, handshake, initialize, modern_headers, request,
};

/// Tools that were added to be heard of: each has a name of its own.
static NEWS: AtomicUsize = AtomicUsize::new(0);

/// Everything that stays open for a caller.
pub(crate) struct Open {
    /// HTTP+SSE, the stream of a legacy session, and a modern one that listens.
    streams: Vec<Events>,
    /// The legacy session.
    pub(crate) session: String,
    ws: Ws,
    peer: MessagePeer,
    /// A modern one that listens through the door.
    exchange: HttpExchange,
}

fn listen() -> serde_json::Value {
    json!({ "notifications": { "toolsListChanged": true } })
}

impl Open {
    /// `key` is the header field that carries a key or a token.
    pub(crate) fn by(keyed: &Keyed, key: (&str, &str)) -> Open {
        let host = &keyed.host;
        let accept = ("Accept", "text/event-stream");
        let opened = { host.post(&[ACCEPT, key], &initialize("0", NEWEST)) }.response();
        let session = opened.header("mcp-session-id").unwrap().to_owned();
        let body = request("1", "subscriptions/listen", &claim(listen()));
        let mut headers = modern_headers("subscriptions/listen");
        headers.push(key);
        let mut streams = vec![
            host.bare("GET", "/sse", &[accept, key]).events(),
            host.bare("GET", "/mcp", &[accept, key, ("Mcp-Session-Id", &session)]).events(),
            host.post(&headers, &body).events(),
        ];
        // Each begins with an event of its own.
        streams.iter_mut().for_each(|events| assert!(events.next_event().is_some()));
        let mut headers = handshake();
        headers.push(key);
        let mut http = host.bare("GET", "/mcp", &headers);
        assert_eq!(http.head().status, 101);
        let mut ws = Ws::over(http);
        ws.send(&initialize("0", NEWEST));
        ws.text();
        let fields: [(&str, &[u8]); 2] = [("host", b"localhost"), (key.0, key.1.as_bytes())];
        let opening = ParsedRequest { method: "GET", target: "/mcp", headers: &fields, ..TRUSTED };
        let peer = host.server.open_peer(&opening, None).unwrap();
        send(&peer, &initialize("0", NEWEST));
        next(&peer);
        let mut parsed = Parsed::modern("subscriptions/listen", listen());
        parsed.headers.push((key.0.into(), key.1.into()));
        let exchange = parsed.start(&host.server, None);
        assert_eq!(head(&exchange).unwrap().status, 200);
        assert!(read(&exchange).unwrap().is_some());
        Open { streams, session, ws, peer, exchange }
    }

    /// Waits until everything has ended.
    pub(crate) fn assert_ends(mut self) {
        for events in &mut self.streams {
            assert_eq!(events.next_event(), None);
        }
        self.ws.assert_closes(1008);
        assert_eq!(until_closed(&self.peer), (Vec::new(), 1008));
        assert_eq!(read(&self.exchange).unwrap(), None);
    }

    /// Asserts that nothing has ended.
    pub(crate) fn assert_stays(&mut self, keyed: &Keyed) {
        let name = format!("news{}", NEWS.fetch_add(1, SeqCst));
        keyed.host.add_tool(&name);
        for events in &mut self.streams[2..] {
            assert!(events.json()["method"].is_string());
        }
        self.ws.send(&call("1", OPEN, None));
        assert_eq!(self.ws.json()["id"], 1);
        send(&self.peer, &call("1", OPEN, None));
        assert_eq!(next(&self.peer)["id"], 1);
        assert!(read(&self.exchange).unwrap().is_some());
    }
}
