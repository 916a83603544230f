//! Who takes part: the floor, emcp and its peers, each a program in one folder that
//! `benches/bench.mk` fills. A program that is not there could not be built here; it is left out.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pin::Cores;
use crate::server::Server;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Floor,
    Emcp,
    Peer,
}

/// One server as it is started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    program: &'static str,
    option: Option<&'static str>,
    /// Takes more than 100 us for an exchange: makes fewer of them.
    pub(crate) is_slow: bool,
}

const fn contender(
    name: &'static str,
    role: Role,
    program: &'static str,
    option: Option<&'static str>,
) -> Contender {
    Contender { name, role, program, option, is_slow: false }
}

const fn slow(
    name: &'static str,
    program: &'static str,
    option: Option<&'static str>,
) -> Contender {
    Contender { name, role: Role::Peer, program, option, is_slow: true }
}

const JSON: Option<&str> = Some("--json");
const WEBSOCKET: Option<&str> = Some("--websocket");

pub(crate) const FLOOR: &Contender = &contender("floor", Role::Floor, "floor", None);
pub(crate) const FLOOR_SERIES: &Contender =
    &contender("floor, 4 KB", Role::Floor, "floor", Some("--series"));
pub(crate) const FLOOR_MHD: &Contender =
    &contender("libmicrohttpd", Role::Floor, "floor_mhd", None);
pub(crate) const EMCP: &Contender = &contender("emcp", Role::Emcp, "bench_host", None);
pub(crate) const EMCP_C: &Contender = &contender("emcp in C", Role::Emcp, "listener", None);
pub(crate) const EMCP_MHD: &Contender =
    &contender("emcp in libmicrohttpd", Role::Emcp, "microhttpd", None);

const RMCP_JSON: &Contender = &contender("rmcp, JSON", Role::Peer, "rmcp", JSON);
const RMCP_SSE: &Contender = &contender("rmcp, SSE", Role::Peer, "rmcp", None);
const RMCP_WEBSOCKET: &Contender = &contender("rmcp", Role::Peer, "rmcp", WEBSOCKET);
const TURBOMCP: &Contender = &contender("turbomcp 4", Role::Peer, "turbomcp", None);
const TURBOMCP_WEBSOCKET: &Contender = &contender("turbomcp 4", Role::Peer, "turbomcp", WEBSOCKET);
const TURBOMCP3: &Contender = &contender("turbomcp 3", Role::Peer, "turbomcp3", None);
const TURBOMCP3_WEBSOCKET: &Contender =
    &contender("turbomcp 3", Role::Peer, "turbomcp3", WEBSOCKET);
const TS1_JSON: &Contender = &slow("TypeScript 1, JSON", "ts1", JSON);
const TS1_SSE: &Contender = &slow("TypeScript 1, SSE", "ts1", None);
const TS2_JSON: &Contender = &slow("TypeScript 2, JSON", "ts2", JSON);
const TS2_SSE: &Contender = &slow("TypeScript 2, SSE", "ts2", None);
const PY1_JSON: &Contender = &slow("Python 1, JSON", "py1", JSON);
const PY1_SSE: &Contender = &slow("Python 1, SSE", "py1", None);
const PY2_JSON: &Contender = &slow("Python 2, JSON", "py2", JSON);
const PY2_SSE: &Contender = &slow("Python 2, SSE", "py2", None);

/// Peers by what they are good at.
pub(crate) const LEGACY_JSON: &[&Contender] =
    &[RMCP_JSON, TURBOMCP3, TURBOMCP, TS1_JSON, TS2_JSON, PY1_JSON, PY2_JSON];
pub(crate) const MODERN_JSON: &[&Contender] = &[RMCP_JSON, TURBOMCP, TS2_JSON, PY2_JSON];
pub(crate) const LEGACY_SSE: &[&Contender] = &[RMCP_SSE, TS1_SSE, TS2_SSE, PY1_SSE, PY2_SSE];
pub(crate) const MODERN_SSE: &[&Contender] = &[RMCP_SSE, TS2_SSE, PY2_SSE];
pub(crate) const BY_WEBSOCKET: &[&Contender] =
    &[RMCP_WEBSOCKET, TURBOMCP3_WEBSOCKET, TURBOMCP_WEBSOCKET];
pub(crate) const SESSION_STREAMS: &[&Contender] = &[RMCP_SSE, TURBOMCP3, TS1_SSE, PY1_SSE, PY2_SSE];
pub(crate) const LISTEN_STREAMS: &[&Contender] = &[RMCP_SSE, TURBOMCP, TS2_SSE, PY2_SSE];

/// The folder of the programs, and where they run.
pub(crate) struct Hall {
    folder: PathBuf,
    cores: Cores,
    /// Peers are left out.
    is_alone: bool,
}

impl Hall {
    pub(crate) fn new(folder: PathBuf, cores: Cores, is_alone: bool) -> Hall {
        Hall { folder, cores, is_alone }
    }

    /// Starts a server, if it takes part.
    ///
    /// # Errors
    ///
    /// The server ends, or does not say where it listens. A peer that does is left out instead.
    pub(crate) fn start(&self, contender: &Contender) -> io::Result<Option<Server>> {
        if !self.takes_part(contender) {
            return Ok(None);
        }
        let start = || Server::start(self.command(contender));
        match self.cores.on_server(start)? {
            Err(error) if contender.role == Role::Peer => {
                eprintln!("{} is left out: {error}", contender.name);
                Ok(None)
            }
            started => started.map(Some),
        }
    }

    /// Starts a server that takes part anyway under a `tool` like valgrind.
    pub(crate) fn start_under(
        &self,
        mut tool: Command,
        contender: &Contender,
    ) -> io::Result<Server> {
        tool.arg(self.folder.join(contender.program)).args(contender.option);
        self.cores.on_server(|| Server::start(tool))?
    }

    /// The size of a file of the folder, if it is there.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        self.folder.join(name).metadata().ok().map(|file| file.len())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn takes_part(&self, contender: &Contender) -> bool {
        let is_wanted = !self.is_alone || contender.role != Role::Peer;
        is_wanted && self.folder.join(contender.program).exists()
    }

    fn command(&self, contender: &Contender) -> Command {
        let mut command = Command::new(self.folder.join(contender.program));
        command.args(contender.option);
        command
    }
}
