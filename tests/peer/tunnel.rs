//! TLS on the way to a server, for clients that know nothing of it: what they send is encrypted,
//! and how either side ends is passed on.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::ClientConfig;
use rustls::client::ClientConnection;
use socket2::SockRef;

/// Opens a port that leads to `server`; it stays until the process ends.
pub(crate) fn open(server: &str, config: Arc<ClientConfig>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = server.to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, config, server) = (client.unwrap(), config.clone(), server.clone());
            thread::spawn(move || {
                // Nobody listens there any more: the client sees a connection that ends at once.
                let Ok(server) = TcpStream::connect(&server) else { return };
                Pipe::new(client, server, config).run();
            });
        }
    });
    address
}

/// One connection.
struct Pipe {
    client: TcpStream,
    server: TcpStream,
    tls: ClientConnection,
    /// Decrypted, and not yet taken by the client.
    out: Vec<u8>,
    client_ended: bool,
    server_ended: bool,
}

/// The connection is over, and not politely.
struct Broken;

impl Pipe {
    fn new(client: TcpStream, server: TcpStream, config: Arc<ClientConfig>) -> Pipe {
        for socket in [&client, &server] {
            socket.set_nonblocking(true).unwrap();
            socket.set_nodelay(true).unwrap();
        }
        let tls = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
        Pipe { client, server, tls, out: Vec::new(), client_ended: false, server_ended: false }
    }

    fn run(mut self) {
        while !(self.client_ended && self.server_ended) {
            if self.turn().is_err() {
                // Whoever is left is to see that something was lost.
                for socket in [&self.client, &self.server] {
                    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
                }
                return;
            }
            self.wait();
        }
    }

    fn turn(&mut self) -> Result<(), Broken> {
        if self.out.is_empty() && !self.server_ended {
            self.read_server()?;
        }
        self.write_client()?;
        if !self.tls.wants_write() && !self.client_ended && !self.tls.is_handshaking() {
            self.read_client()?;
        }
        while self.tls.wants_write() {
            if moved(self.tls.write_tls(&mut self.server))?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn read_server(&mut self) -> Result<(), Broken> {
        if moved(self.tls.read_tls(&mut self.server))?.is_some() {
            let processed = self.tls.process_new_packets();
            // The alert that says why is for the server.
            let _ = self.tls.write_tls(&mut self.server);
            processed.map_err(|_| Broken)?;
        }
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.tls.reader().read(&mut bytes) {
                Ok(0) => {
                    self.server_ended = true;
                    return Ok(());
                }
                Ok(count) => self.out.extend(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // No close_notify.
                Err(_) => return Err(Broken),
            }
        }
    }

    fn write_client(&mut self) -> Result<(), Broken> {
        while !self.out.is_empty() {
            match moved(self.client.write(&self.out))? {
                Some(count) => drop(self.out.drain(..count)),
                None => return Ok(()),
            }
        }
        if self.server_ended {
            let _ = self.client.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn read_client(&mut self) -> Result<(), Broken> {
        let mut bytes = [0; 8 * 1024];
        match moved(self.client.read(&mut bytes))? {
            Some(0) => {
                self.client_ended = true;
                self.tls.send_close_notify();
            }
            Some(count) => self.tls.writer().write_all(&bytes[..count]).unwrap(),
            None => {}
        }
        Ok(())
    }

    /// Waits until one of the two can go on.
    fn wait(&self) {
        let flag = |is_wanted: bool, flag| if is_wanted { flag } else { PollFlags::empty() };
        let is_open = !self.client_ended && !self.tls.is_handshaking();
        let client = flag(!self.out.is_empty(), PollFlags::POLLOUT)
            | flag(is_open && !self.tls.wants_write(), PollFlags::POLLIN);
        let server = flag(self.tls.wants_write(), PollFlags::POLLOUT)
            | flag(self.out.is_empty() && !self.server_ended, PollFlags::POLLIN);
        let mut both =
            [PollFd::new(self.client.as_fd(), client), PollFd::new(self.server.as_fd(), server)];
        let _ = poll(&mut both, PollTimeout::from(100u8));
    }
}

/// `None` when it has to wait.
fn moved(result: io::Result<usize>) -> Result<Option<usize>, Broken> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(_) => Err(Broken),
    }
}
