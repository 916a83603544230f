//! What peers cost that do nothing: memory, wake-ups, and the time of those that do something.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::Plan;
use crate::catalogue::{
    BY_WEBSOCKET, Contender, EMCP, EMCP_C, FLOOR, Hall, LISTEN_STREAMS, Role, SESSION_STREAMS,
};
use crate::client::{Connection, MODERN_CLAIMS, modern_fields};
use crate::exchange::{Ask, Caller, Exchange, Way};
use crate::load::Load;
use crate::server::{Address, Server};

/// How long wake-ups are counted: less than the 15 s between two keep-alive comments, which are
/// wanted.
const WATCH_TIME: Duration = Duration::from_secs(5);

/// A peer at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// A connection kept alive after one answer.
    KeepAlive,
    /// An HTTP+SSE stream with its session.
    HttpSse,
    /// The GET stream of a Streamable HTTP session, the session included.
    SessionStream,
    /// A stream of `subscriptions/listen`.
    ListenStream,
    /// A WebSocket after its handshake.
    WebSocket,
}

/// What one kind of peer costs one server.
pub(crate) struct Memory {
    pub(crate) kind: Idle,
    /// The peers have had something to do before they came to rest.
    pub(crate) has_worked: bool,
    pub(crate) contender: &'static Contender,
    /// Resident memory before.
    pub(crate) resident: u64,
    /// Peers and the bytes of each.
    pub(crate) each: Vec<(usize, u64)>,
}

/// How often a server wakes up by itself.
pub(crate) struct WakeUps {
    pub(crate) contender: &'static Contender,
    pub(crate) kind: Idle,
    pub(crate) peers: usize,
    pub(crate) per_second: f64,
}

/// What an exchange costs while others do nothing.
pub(crate) struct Crowd {
    pub(crate) contender: &'static Contender,
    /// Idle connections and the CPU time of one exchange.
    pub(crate) cpu: Vec<(usize, Duration)>,
}

impl Idle {
    pub(crate) const ALL: [Idle; 5] =
        [Idle::KeepAlive, Idle::HttpSse, Idle::SessionStream, Idle::ListenStream, Idle::WebSocket];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Idle::KeepAlive => "keep-alive connection",
            Idle::HttpSse => "HTTP+SSE stream",
            Idle::SessionStream => "GET stream with its session",
            Idle::ListenStream => "subscriptions/listen stream",
            Idle::WebSocket => "WebSocket",
        }
    }

    /// Bytes that one may take.
    pub(crate) fn target(self) -> Option<u64> {
        match self {
            Idle::KeepAlive => None,
            Idle::HttpSse | Idle::SessionStream | Idle::ListenStream => Some(2048),
            Idle::WebSocket => Some(4096),
        }
    }

    fn contenders(self) -> Vec<&'static Contender> {
        let peers = match self {
            Idle::KeepAlive => return vec![FLOOR, EMCP],
            Idle::HttpSse => &[],
            Idle::SessionStream => SESSION_STREAMS,
            Idle::ListenStream => LISTEN_STREAMS,
            Idle::WebSocket => BY_WEBSOCKET,
        };
        [EMCP].into_iter().chain(peers.iter().copied()).collect()
    }

    /// Those whose memory after work is measured. The tools for it are those of our own host.
    fn works(self) -> bool {
        matches!(self, Idle::SessionStream | Idle::ListenStream | Idle::WebSocket)
    }

    fn open(self, address: &Address) -> io::Result<Connection> {
        let mut connection = Connection::open(address)?;
        match self {
            Idle::KeepAlive => {
                let message = format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{MODERN_CLAIMS}}}}}"#
                );
                connection.post(&modern_fields("tools/list", None), &message)?;
            }
            Idle::HttpSse => connection.open_get_stream("")?,
            Idle::SessionStream => {
                let session = connection.open_session()?;
                connection.open_get_stream(&session)?;
            }
            Idle::ListenStream => connection.open_listen_stream()?,
            Idle::WebSocket => connection.open_websocket()?,
        }
        Ok(connection)
    }

    fn open_many(self, address: &Address, count: usize) -> io::Result<Vec<Connection>> {
        (0..count).map(|_| self.open(address)).collect()
    }
}

/// What each idle peer adds to a server's memory.
pub(crate) fn memory(hall: &Hall, plan: &Plan) -> io::Result<Vec<Memory>> {
    let mut found = Vec::new();
    for kind in Idle::ALL.into_iter().filter(|kind| plan.has(kind.name())) {
        for contender in kind.contenders() {
            found.extend(memory_of(hall, plan, contender, kind, false)?);
        }
        if kind.works() {
            found.extend(memory_of(hall, plan, EMCP, kind, true)?);
        }
    }
    Ok(found)
}

fn memory_of(
    hall: &Hall,
    plan: &Plan,
    contender: &'static Contender,
    kind: Idle,
    has_worked: bool,
) -> io::Result<Option<Memory>> {
    let mut each = Vec::new();
    let mut resident = 0;
    for count in plan.peers.iter().copied() {
        // A server of its own for each figure: memory that an earlier one has freed would
        // otherwise serve the next one for nothing.
        let Some(server) = hall.start(contender)? else { continue };
        match bytes_each(&server, kind, count, has_worked) {
            Ok((before, bytes)) => {
                resident = before;
                each.push((count, bytes));
            }
            Err(error) => leave_out(contender, kind, count, error)?,
        }
        server.stop()?;
    }
    let has_some = !each.is_empty();
    Ok(has_some.then_some(Memory { kind, has_worked, contender, resident, each }))
}

fn bytes_each(
    server: &Server,
    kind: Idle,
    count: usize,
    has_worked: bool,
) -> io::Result<(u64, u64)> {
    // The first of a kind brings code and tables into memory that no other peer pays for.
    let mut first = vec![kind.open(&server.address)?];
    if has_worked {
        work(server, kind, &mut first)?;
    }
    let before = server.resident_bytes()?;
    let mut peers = kind.open_many(&server.address, count)?;
    if has_worked {
        work(server, kind, &mut peers)?;
    }
    let after = server.resident_bytes()?;
    drop((first, peers));
    Ok((before, after.saturating_sub(before) / count as u64))
}

/// Has each peer hear of a change, and ask for 4 KB if it can.
fn work(server: &Server, kind: Idle, peers: &mut [Connection]) -> io::Result<()> {
    let announce = Exchange::new(Way::Modern, Ask::Announcement);
    let mut caller = Caller::open(&server.address, announce, false, false)?;
    caller.send()?;
    let answer = caller.connection.wait()?;
    caller.check(&answer)?;
    for peer in peers {
        peer.wait_for_notification()?;
        if kind == Idle::WebSocket {
            peer.send(&peer.request("", CALL_SERIES))?;
            peer.wait()?;
        }
    }
    Ok(())
}

const CALL_SERIES: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","#,
    r#""params":{"name":"series","arguments":{}}}"#
);

/// Wake-ups of servers that nobody asks anything, without and with streams.
pub(crate) fn wake_ups(hall: &Hall, plan: &Plan) -> io::Result<Vec<WakeUps>> {
    let mut found = Vec::new();
    let kind = Idle::SessionStream;
    if !plan.has("wake-ups") {
        return Ok(found);
    }
    for contender in kind.contenders() {
        for peers in [0, plan.peers[0]] {
            let Some(server) = hall.start(contender)? else { continue };
            match sleeps_per_second(&server, kind, peers) {
                Ok(per_second) => found.push(WakeUps { contender, kind, peers, per_second }),
                Err(error) => leave_out(contender, kind, peers, error)?,
            }
            server.stop()?;
        }
    }
    Ok(found)
}

fn sleeps_per_second(server: &Server, kind: Idle, count: usize) -> io::Result<f64> {
    let peers = kind.open_many(&server.address, count)?;
    // What the last peer has set off comes to rest.
    sleep(Duration::from_secs(1));
    let before = server.sleeps()?;
    sleep(WATCH_TIME);
    let sleeps = server.sleeps()?.saturating_sub(before);
    drop(peers);
    Ok(sleeps as f64 / WATCH_TIME.as_secs_f64())
}

/// Exchanges among idle connections: the price must not depend on how many there are.
pub(crate) fn crowds(hall: &Hall, plan: &Plan) -> io::Result<Vec<Crowd>> {
    let mut found = Vec::new();
    if !plan.has("crowd") {
        return Ok(found);
    }
    let most = plan.peers.last().copied().unwrap_or_default();
    for contender in [FLOOR, EMCP, EMCP_C] {
        let Some(server) = hall.start(contender)? else { continue };
        let is_floor = contender.role == Role::Floor;
        let exchange = Exchange::new(Way::Legacy, Ask::Text);
        let mut load = Load::open(&server, exchange, is_floor, false)?;
        load.run(plan.warm_up)?;
        let mut cpu = Vec::new();
        let mut peers = Vec::new();
        for count in [1, most] {
            let more = Idle::KeepAlive.open_many(&server.address, count - peers.len())?;
            peers.extend(more);
            cpu.push((count, load.run(plan.calls)?.cpu));
        }
        found.push(Crowd { contender, cpu });
        drop((load, peers));
        server.stop()?;
    }
    Ok(found)
}

/// A peer that refuses so many is left out; emcp must not.
fn leave_out(contender: &Contender, kind: Idle, count: usize, error: io::Error) -> io::Result<()> {
    let message = format!("{count} of {}: {}: {error}", kind.name(), contender.name);
    if contender.role != Role::Peer {
        return Err(io::Error::other(message));
    }
    eprintln!("left out: {message}");
    Ok(())
}
