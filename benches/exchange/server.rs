//! A server under test: a child process, its CPU time, its memory and its wake-ups.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::client::PATIENCE;

/// How long a server may take to end before it is killed.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Where a server listens.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) port: u16,
    pub(crate) path: String,
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: Address,
    /// Some servers end with their standard input.
    stdin: Option<ChildStdin>,
}

impl Server {
    /// Runs `command` and waits until it says where it listens.
    pub(crate) fn start(mut command: Command) -> io::Result<Server> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let stdin = child.stdin.take();
        match Address::parse(&line) {
            Some(address) => Ok(Server { child, address, stdin }),
            None => {
                child.kill()?;
                child.wait()?;
                Err(io::Error::other(format!("{name} said {line:?} and no address")))
            }
        }
    }

    /// User and system time of all threads so far, also of those that have ended.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        let clock: ClockId = clock_getcpuclockid(self.pid())?;
        Ok(Duration::from(clock.now()?))
    }

    /// Resident memory once it has stopped changing, for two seconds at most.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        let mut last = self.status_bytes("VmRSS:")?;
        for _ in 0..20 {
            sleep(Duration::from_millis(100));
            let present = self.status_bytes("VmRSS:")?;
            if present == last {
                break;
            }
            last = present;
        }
        Ok(last)
    }

    /// The most memory that was ever resident.
    pub(crate) fn peak_bytes(&self) -> io::Result<u64> {
        self.status_bytes("VmHWM:")
    }

    /// How often its threads have gone to sleep so far. Each time something has woken them.
    pub(crate) fn sleeps(&self) -> io::Result<u64> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            total += number(&status, "voluntary_ctxt_switches:")?;
        }
        Ok(total)
    }

    /// Waits until all of its threads sleep, so that what comes next meets it always in the same
    /// state.
    pub(crate) fn wait_until_asleep(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // Twice: a thread may be on its way from one sleep to the next.
        let mut seen = 0;
        while seen < 2 {
            if Instant::now() >= deadline {
                return Err(io::Error::other("the server does not come to rest"));
            }
            seen = if self.is_asleep()? { seen + 1 } else { 0 };
        }
        Ok(())
    }

    /// Closes its standard input and waits until it has ended by itself.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.stdin.take();
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended: {status}"))) }
    }

    /// Asks the server to end, and makes it.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        kill(self.pid(), Signal::SIGTERM)?;
        let deadline = Instant::now() + STOP_TIME;
        while self.child.try_wait()?.is_none() && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn is_asleep(&self) -> io::Result<bool> {
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(task?.path().join("stat"))?;
            // The name before it is in parentheses and may hold anything.
            let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
            if !state.is_some_and(|state| state.starts_with('S')) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The process is ours and not waited for, so its id cannot name another one.
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    fn status_bytes(&self, name: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        Ok(number(&status, name)? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Address {
    /// Reads `listening on http://127.0.0.1:PORT/PATH`.
    fn parse(line: &str) -> Option<Address> {
        let url = line.trim().strip_prefix("listening on http://")?;
        let (host, path) = url.split_once('/')?;
        let port = host.rsplit_once(':')?.1.parse().ok()?;
        Some(Address { port, path: format!("/{path}") })
    }
}

/// The number behind `name` in a status file of `/proc`.
fn number(status: &str, name: &str) -> io::Result<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name));
    let number = rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("no {name} in /proc")))
}
