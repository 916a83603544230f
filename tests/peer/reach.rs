//! How servers under test listen, and where their clients connect to.

use emcp::Server;

/// Has clients reach the servers over TLS, although they know nothing of it.
const TLS: &str = "EMCP_TEST_TLS";

/// Has `server` listen on a free port.
pub(crate) fn listen(server: &Server) {
    match std::env::var_os(TLS) {
        None => server.listen("tcp:127.0.0.1:0").unwrap(),
        Some(_) => secure::listen(server),
    }
}

/// The address by which clients reach what [`listen`] has opened.
pub(crate) fn address(server: &Server) -> String {
    let address = server.addresses()[0].clone();
    match std::env::var_os(TLS) {
        None => address,
        Some(_) => secure::tunnel(&address),
    }
}

#[cfg(feature = "tls")]
mod secure {
    use std::sync::{Arc, Mutex, OnceLock};

    use emcp::Server;
    use rustls::ClientConfig;

    use super::super::pki::{BOTH, Pair, Pki};
    use super::super::tunnel;

    /// What all servers of a program have in common. The files are there while one of them reads
    /// them.
    struct Shared {
        pair: Pair,
        files: Mutex<Pki>,
        client: Arc<ClientConfig>,
    }

    fn shared() -> &'static Shared {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        SHARED.get_or_init(|| {
            let pki = Pki::new();
            let (pair, client) = (pki.good(1), pki.client(None, BOTH));
            Shared { pair, files: Mutex::new(pki), client }
        })
    }

    pub(super) fn listen(server: &Server) {
        let files = shared().files.lock().unwrap();
        files.put(&shared().pair);
        server.listen_tls("tcp:127.0.0.1:0", files.config()).unwrap();
        files.clear();
    }

    pub(super) fn tunnel(address: &str) -> String {
        tunnel::open(address, shared().client.clone())
    }
}

#[cfg(not(feature = "tls"))]
mod secure {
    pub(super) fn listen(_: &emcp::Server) {
        panic!("build the tests with --features tls");
    }

    pub(super) fn tunnel(_: &str) -> String {
        panic!("build the tests with --features tls");
    }
}
