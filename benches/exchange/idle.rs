//! What peers cost that do nothing.

use std::io;

use futures_lite::future;
use smol::Timer;

use crate::PATIENCE;
use crate::client::Connection;
use crate::host::Host;

/// A peer at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// A connection kept alive after one answer.
    KeepAlive,
    /// An HTTP+SSE stream with its session.
    LegacySse,
    /// The GET stream of a Streamable HTTP session, the session included.
    SessionStream,
    /// A WebSocket after its handshake.
    WebSocket,
}

impl Idle {
    pub(crate) const ALL: [Idle; 4] =
        [Idle::KeepAlive, Idle::LegacySse, Idle::SessionStream, Idle::WebSocket];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Idle::KeepAlive => "keep-alive connection",
            Idle::LegacySse => "HTTP+SSE stream",
            Idle::SessionStream => "GET stream, session",
            Idle::WebSocket => "WebSocket",
        }
    }

    async fn open(self, port: u16) -> io::Result<Connection> {
        let mut connection = Connection::open(port).await?;
        match self {
            Idle::KeepAlive => {
                let ping = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{
                    "io.modelcontextprotocol/protocolVersion":"2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
                let header = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: server/discover\r\n";
                connection.post(header, ping).await?;
            }
            Idle::LegacySse => connection.open_stream("").await?,
            Idle::SessionStream => {
                let session = connection.open_session().await?;
                connection.open_stream(&session).await?;
            }
            Idle::WebSocket => connection.open_websocket().await?,
        }
        Ok(connection)
    }
}

/// Opens `count` peers and returns what each adds to the server's memory; closes them again.
pub(crate) fn bytes_per_peer(host: &Host, kind: Idle, count: usize) -> io::Result<u64> {
    // The first of a kind brings code and tables into memory that no other peer pays for.
    let first = open(host.port, kind, 1)?;
    let before = host.resident_bytes()?;
    let peers = open(host.port, kind, count)?;
    let after = host.resident_bytes()?;
    drop((first, peers));
    Ok(after.saturating_sub(before) / count as u64)
}

fn open(port: u16, kind: Idle, count: usize) -> io::Result<Vec<Connection>> {
    let all = async {
        let mut peers = Vec::with_capacity(count);
        for _ in 0..count {
            peers.push(kind.open(port).await?);
        }
        io::Result::Ok(peers)
    };
    let late = async {
        Timer::after(PATIENCE).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    smol::block_on(future::or(all, late))
}
