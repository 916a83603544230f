//! Says on WebSockets what it hears, for suites that test the frames: prints its address and runs
//! until its standard input ends.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::{process, thread};

use emcp::Limits;

/// The suite sends messages of 16 MiB.
const MESSAGE_BYTES: usize = 64 << 20;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    let limits = Limits {
        body_bytes: MESSAGE_BYTES,
        held_bytes: 4 * MESSAGE_BYTES,
        outbox_bytes: MESSAGE_BYTES,
        ..Limits::default()
    };
    emcp::fuzzing::echo(listener, limits)
}
