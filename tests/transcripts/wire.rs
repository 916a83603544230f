//! Where messages of the server come from, whatever the transport.

use std::collections::VecDeque;

use serde_json::Value;

use crate::peer::{CLOSE, Events, Http, PING, PONG, TEXT, Ws, parse};

enum Source {
    /// An HTTP exchange whose form of reply is not known until it comes.
    Sent(Http),
    Stream(Events),
    Ws(Ws),
    Over,
}

/// One stream of messages, and those that came before anybody asked for them.
pub(crate) struct Inbox {
    source: Source,
    waiting: VecDeque<Value>,
    /// The HTTP status, once the reply has come.
    pub(crate) status: Option<u16>,
    /// The last id of an event, from which a cut stream resumes.
    pub(crate) last_event: Option<String>,
}

impl Inbox {
    pub(crate) fn sent(http: Http) -> Inbox {
        Inbox::of(Source::Sent(http))
    }

    pub(crate) fn stream(events: Events) -> Inbox {
        Inbox::of(Source::Stream(events))
    }

    pub(crate) fn ws(ws: Ws) -> Inbox {
        Inbox::of(Source::Ws(ws))
    }

    fn of(source: Source) -> Inbox {
        Inbox { source, waiting: VecDeque::new(), status: None, last_event: None }
    }

    /// Sends `body`; only WebSockets are sent to where they are read.
    pub(crate) fn send(&mut self, body: &str) {
        match &mut self.source {
            Source::Ws(ws) => ws.send(body),
            _ => panic!("not a WebSocket"),
        }
    }

    /// Loses the connection; the stream may be resumed.
    pub(crate) fn cut(&mut self) {
        self.source = Source::Over;
    }

    /// Goes on where a cut stream ended.
    pub(crate) fn resume(&mut self, events: Events) {
        self.source = Source::Stream(events);
    }

    /// Takes the first message that `pick` wants and leaves the others waiting; `None` when the
    /// stream ends without one. `check` sees every message once.
    pub(crate) fn take(
        &mut self,
        check: &dyn Fn(&Value),
        pick: &dyn Fn(&Value) -> bool,
    ) -> Option<Value> {
        loop {
            if let Some(at) = self.waiting.iter().position(pick) {
                return self.waiting.remove(at);
            }
            let message = self.read()?;
            check(&message);
            self.keep(message);
        }
    }

    /// Notes a message, or those of a batch.
    fn keep(&mut self, message: Value) {
        match message {
            Value::Array(messages) => self.waiting.extend(messages),
            message => self.waiting.push_back(message),
        }
    }

    /// What came and was not asked for.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Value> {
        self.waiting.iter()
    }

    /// Everything that nobody asked for, up to the end of the stream.
    pub(crate) fn rest(&mut self, check: &dyn Fn(&Value)) -> Vec<Value> {
        while let Some(message) = self.read() {
            check(&message);
            self.keep(message);
        }
        self.waiting.drain(..).collect()
    }

    /// The next message; `None` at the end.
    fn read(&mut self) -> Option<Value> {
        loop {
            match std::mem::replace(&mut self.source, Source::Over) {
                Source::Sent(http) => match http.answer() {
                    Ok(events) => {
                        self.status = Some(events.head.status);
                        self.source = Source::Stream(events);
                    }
                    Err(response) => {
                        self.status = Some(response.status);
                        return (!response.body.is_empty()).then(|| parse(&response.body));
                    }
                },
                Source::Stream(mut events) => {
                    let event = events.next_event()?;
                    self.source = Source::Stream(events);
                    if event.id.is_some() {
                        self.last_event = event.id.clone();
                    }
                    if event.data.as_deref().is_some_and(|data| !data.is_empty()) {
                        return Some(event.json());
                    }
                }
                Source::Ws(mut ws) => match ws.next_frame() {
                    (TEXT, payload) => {
                        self.source = Source::Ws(ws);
                        return Some(parse(payload));
                    }
                    (PING, payload) => {
                        ws.frame(0x80 | PONG, &payload);
                        self.source = Source::Ws(ws);
                    }
                    (CLOSE, _) => return None,
                    (opcode, _) => panic!("frame {opcode}"),
                },
                Source::Over => return None,
            }
        }
    }
}
