//! What the server remembers between messages of one peer: a legacy session or a WebSocket.
//!
//! Modern requests carry everything themselves and touch a session only as the pipe that their
//! answers leave by. Knows nothing of HTTP.

mod asked;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod in_flight;
mod outbox;
mod store;
mod streams;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

pub(crate) use asked::{Asked, Awaiting};
pub(crate) use in_flight::{InFlight, Rejected};
pub(crate) use outbox::{Close, EventId, Frame, Outbox, WhenFull};
pub(crate) use store::SessionStore;
pub(crate) use streams::{Resumed, STANDALONE, Streams};

use crate::cancel::CancelReason;
use crate::changes::{Change, Listener};
use crate::env::Env;
use crate::level::Level;
use crate::protocol::{ClientCapabilities, ClientInfo, Revision};
use crate::reply::ReplySink;
use crate::rpc::write;
use crate::sync::lock;

/// The least level of log messages until `logging/setLevel` says otherwise; the specification
/// lets the server choose.
const DEFAULT_LEVEL: Level = Level::Info;

/// Bytes of the URIs that one session or listen stream may subscribe to: a count alone would let
/// long ones take gigabytes in a thousand sessions.
pub(crate) const SUBSCRIPTION_BYTES_MAX: usize = 64 * 1024;

/// How messages leave a session.
pub(crate) enum Link {
    /// Streamable HTTP: a stream per request and one standalone stream.
    Streams(Box<Streams>),
    /// HTTP+SSE and WebSocket: one stream for everything.
    Duplex(Arc<Outbox>),
}

/// One session.
pub(crate) struct Session {
    /// 128 random bits, base64url. A name and no credential.
    pub(crate) id: Arc<str>,
    pub(crate) link: Link,
    /// Who opened it, as the host has authenticated them. To everybody else it does not exist.
    principal: Option<Arc<str>>,
    pub(crate) in_flight: Arc<InFlight>,
    /// What we have asked the client.
    pub(crate) asked: Asked,
    /// The resources that the client wants to hear of. Never above `limits.subscriptions`.
    subscriptions: Mutex<BTreeSet<String>>,
    handshake: Mutex<Option<Arc<Handshake>>>,
    /// The client has sent `notifications/initialized`.
    initialized: AtomicBool,
    log_level: AtomicU8,
    last_used_ms: AtomicU64,
}

/// What `initialize` settled.
pub(crate) struct Handshake {
    pub(crate) revision: Revision,
    /// The name of the client, its version, and its capabilities as JSON: one allocation for what
    /// every session keeps and few calls look at.
    text: Box<str>,
    name_end: usize,
    version_end: usize,
}

impl Handshake {
    /// `capabilities` is JSON text.
    pub(crate) fn new(revision: Revision, client: ClientInfo, capabilities: &str) -> Handshake {
        let ClientInfo { name, version } = client;
        let (name_end, version_end) = (name.len(), name.len() + version.len());
        let text = [&name, &version, capabilities].concat().into();
        Handshake { revision, text, name_end, version_end }
    }

    pub(crate) fn client(&self) -> ClientInfo {
        let (name, rest) = self.text.split_at(self.name_end);
        let version = &rest[..self.version_end - self.name_end];
        ClientInfo { name: name.to_owned(), version: version.to_owned() }
    }

    fn capabilities(&self) -> &str {
        &self.text[self.version_end..]
    }
}

impl Session {
    /// A session whose client will be known by its `initialize`.
    pub(crate) fn new(
        env: &Env,
        id: Arc<str>,
        link: Link,
        principal: Option<Arc<str>>,
    ) -> Arc<Session> {
        Arc::new(Session {
            id,
            link,
            principal,
            in_flight: Arc::default(),
            asked: Asked::default(),
            subscriptions: Mutex::default(),
            handshake: Mutex::default(),
            initialized: AtomicBool::new(false),
            log_level: AtomicU8::new(DEFAULT_LEVEL as u8),
            last_used_ms: AtomicU64::new(env.clock.now_ms()),
        })
    }

    /// Tells whether `principal` opened it.
    pub(crate) fn belongs_to(&self, principal: Option<&str>) -> bool {
        self.principal.as_deref() == principal
    }

    /// Settles the handshake. A repeated `initialize` replaces it, as reconnecting bridges expect.
    pub(crate) fn settle(&self, handshake: Handshake) {
        *lock(&self.handshake) = Some(Arc::new(handshake));
    }

    pub(crate) fn handshake(&self) -> Option<Arc<Handshake>> {
        lock(&self.handshake).clone()
    }

    /// The negotiated revision; before `initialize`, what a silent client is taken to speak.
    pub(crate) fn revision(&self) -> Revision {
        lock(&self.handshake).as_ref().map_or(Revision::ASSUMED, |settled| settled.revision)
    }

    /// What the client has said it can do; nothing before `initialize`.
    pub(crate) fn with_capabilities<T>(&self, ask: impl FnOnce(ClientCapabilities<'_>) -> T) -> T {
        match self.handshake() {
            Some(settled) => ask(ClientCapabilities::new(settled.capabilities(), settled.revision)),
            None => ask(ClientCapabilities::new("{}", Revision::ASSUMED)),
        }
    }

    pub(crate) fn mark_initialized(&self) {
        self.initialized.store(true, Relaxed);
    }

    /// Tells whether the client may be sent more than answers.
    pub(crate) fn is_initialized(&self) -> bool {
        self.initialized.load(Relaxed)
    }

    /// Notes that the client wants to hear of the resource at `uri`; tells whether there was room.
    pub(crate) fn subscribe(&self, uri: &str, limit: usize) -> bool {
        let mut subscriptions = lock(&self.subscriptions);
        if subscriptions.contains(uri) {
            return true;
        }
        let bytes: usize = subscriptions.iter().map(String::len).sum();
        if subscriptions.len() >= limit || bytes + uri.len() > SUBSCRIPTION_BYTES_MAX {
            return false;
        }
        subscriptions.insert(uri.to_owned());
        true
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        lock(&self.subscriptions).remove(uri);
    }

    pub(crate) fn set_log_level(&self, level: Level) {
        self.log_level.store(level as u8, Relaxed);
    }

    pub(crate) fn wants_log(&self, level: Level) -> bool {
        level as u8 >= self.log_level.load(Relaxed)
    }

    pub(crate) fn touch(&self, env: &Env) {
        self.last_used_ms.store(env.clock.now_ms(), Relaxed);
    }

    /// Sends a message that belongs to no request.
    pub(crate) fn send(&self, text: Arc<str>) {
        match &self.link {
            Link::Streams(streams) => streams.send_standalone(text),
            Link::Duplex(outbox) => {
                outbox.push(Frame::Message { event: None, text });
            }
        }
    }

    /// Sends a request of ours that has no place on the stream of a request; tells whether the
    /// client listens.
    pub(crate) fn ask(&self, text: String) -> bool {
        let listens = match &self.link {
            Link::Streams(streams) => streams.has_standalone(),
            Link::Duplex(_) => true,
        };
        if listens {
            self.send(text.into());
        }
        listens
    }

    /// Tells the client that our request `id` needs no answer any more, by the way that it went:
    /// `sink`, or else the session's own. Nothing happens when it has been answered.
    pub(crate) fn withdraw(&self, id: u64, sink: &dyn ReplySink) {
        if !self.asked.forget(id) {
            return;
        }
        let params = format!(r#"{{"requestId":{id},"reason":"the call has ended"}}"#);
        let text = write::notification("notifications/cancelled", &params);
        if !sink.ask(text.clone()) {
            self.ask(text);
        }
    }

    /// Sends a log message if the client wants that level.
    pub(crate) fn log(&self, level: Level, text: &Arc<str>) {
        if self.initialized.load(Relaxed) && self.wants_log(level) {
            self.send(text.clone());
        }
    }

    /// Cancels what runs and closes every stream.
    pub(crate) fn end(&self, reason: CancelReason, close: Close) {
        self.in_flight.close(reason);
        match &self.link {
            Link::Streams(streams) => streams.close(close),
            Link::Duplex(outbox) => outbox.close(close),
        }
    }

    /// A session that somebody listens to or waits for is in use however old its last message is.
    fn is_busy(&self) -> bool {
        let is_attached = match &self.link {
            Link::Streams(streams) => streams.is_attached(),
            Link::Duplex(_) => true,
        };
        is_attached || !self.in_flight.is_empty()
    }
}

impl Listener for Session {
    fn hears(&self, change: &Change) -> bool {
        match change {
            Change::Updated(uri) => lock(&self.subscriptions).contains(uri),
            _ => true,
        }
    }

    fn changed(&self, change: &Change, notification: &Arc<str>) {
        // Only a client that shook hands the legacy way asked for unsolicited notifications; the
        // last word of the handshake may come while the change waits to be told.
        if !self.is_initialized() || !self.hears(change) {
            return;
        }
        self.send(notification.clone());
    }
}
