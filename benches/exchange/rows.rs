//! What is compared: the rows of the table, each with what it should come to.

use crate::catalogue::{
    BY_WEBSOCKET, Contender, EMCP, EMCP_C, EMCP_MHD, FLOOR, FLOOR_MHD, FLOOR_SERIES, LEGACY_JSON,
    LEGACY_SSE, MODERN_JSON, MODERN_SSE,
};
use crate::exchange::{Ask, Exchange, Way};

/// One kind of exchange and everybody who is measured with it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) exchange: Exchange,
    pub(crate) floor: Option<&'static Contender>,
    pub(crate) ours: &'static [&'static Contender],
    pub(crate) peers: &'static [&'static Contender],
    pub(crate) target: Target,
}

/// What emcp's CPU time should be at most.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// As many times the floor's.
    Floor(f64),
    /// As many times the best peer's.
    BestPeer(f64),
    None,
}

/// The 99th percentile of emcp's latency should be at most as many times the floor's.
pub(crate) const P99_TARGET: f64 = 2.0;

const OURS: &[&Contender] = &[EMCP, EMCP_C];

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "2025-11-25, inline",
        exchange: Exchange::new(Way::Legacy, Ask::Text),
        floor: Some(FLOOR),
        ours: OURS,
        peers: LEGACY_JSON,
        target: Target::Floor(1.5),
    },
    Row {
        name: "2025-11-25, worker",
        exchange: Exchange::new(Way::Legacy, Ask::TextOnWorker),
        floor: Some(FLOOR),
        ours: OURS,
        peers: &[],
        target: Target::Floor(2.5),
    },
    Row {
        name: "2026-07-28, inline",
        exchange: Exchange::new(Way::Modern, Ask::Text),
        floor: Some(FLOOR),
        ours: OURS,
        peers: MODERN_JSON,
        target: Target::Floor(1.8),
    },
    Row {
        name: "2026-07-28, worker",
        exchange: Exchange::new(Way::Modern, Ask::TextOnWorker),
        floor: Some(FLOOR),
        ours: OURS,
        peers: &[],
        target: Target::Floor(2.5),
    },
    Row {
        name: "2025-11-25, SSE reply",
        exchange: Exchange::streamed(Way::Legacy, Ask::Text),
        floor: Some(FLOOR),
        ours: OURS,
        peers: LEGACY_SSE,
        target: Target::None,
    },
    Row {
        name: "2026-07-28, SSE reply",
        exchange: Exchange::streamed(Way::Modern, Ask::Text),
        floor: Some(FLOOR),
        ours: OURS,
        peers: MODERN_SSE,
        target: Target::None,
    },
    Row {
        name: "WebSocket, inline",
        exchange: Exchange::new(Way::WebSocket, Ask::Text),
        floor: Some(FLOOR),
        ours: OURS,
        peers: BY_WEBSOCKET,
        target: Target::BestPeer(0.75),
    },
    Row {
        name: "WebSocket, worker",
        exchange: Exchange::new(Way::WebSocket, Ask::TextOnWorker),
        floor: Some(FLOOR),
        ours: OURS,
        peers: &[],
        target: Target::None,
    },
    Row {
        name: "4 KB structured, 2025-11-25",
        exchange: Exchange::new(Way::Legacy, Ask::Series),
        floor: Some(FLOOR_SERIES),
        ours: OURS,
        peers: LEGACY_JSON,
        target: Target::BestPeer(0.45),
    },
    Row {
        name: "4 KB structured, 2026-07-28",
        exchange: Exchange::new(Way::Modern, Ask::Series),
        floor: Some(FLOOR_SERIES),
        ours: OURS,
        peers: MODERN_JSON,
        target: Target::BestPeer(0.45),
    },
    Row {
        name: "list of 50 tools, 2025-11-25",
        exchange: Exchange::new(Way::Legacy, Ask::List),
        floor: None,
        ours: OURS,
        peers: LEGACY_JSON,
        target: Target::None,
    },
    Row {
        name: "libmicrohttpd, 2025-11-25, inline",
        exchange: Exchange::new(Way::Legacy, Ask::Text),
        floor: Some(FLOOR_MHD),
        ours: &[EMCP_MHD],
        peers: &[],
        target: Target::None,
    },
    Row {
        name: "libmicrohttpd, 2026-07-28, inline",
        exchange: Exchange::new(Way::Modern, Ask::Text),
        floor: Some(FLOOR_MHD),
        ours: &[EMCP_MHD],
        peers: &[],
        target: Target::None,
    },
];

impl Row {
    pub(crate) fn contenders(&self) -> impl Iterator<Item = &'static Contender> + use<> {
        let ours = self.ours.iter().copied();
        self.floor.into_iter().chain(ours).chain(self.peers.iter().copied())
    }
}
