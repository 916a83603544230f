//! The server under test: a child process, its CPU time and its memory.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a host may take to end before it is killed.
const STOP_TIME: Duration = Duration::from_secs(5);

/// A running host. Dropping it kills it.
pub(crate) struct Host {
    child: Child,
    pub(crate) port: u16,
    /// Some hosts end with their standard input.
    _stdin: Option<ChildStdin>,
}

impl Host {
    /// Starts `program` and waits until it says where it listens.
    pub(crate) fn start(program: &str) -> io::Result<Host> {
        let mut child = Command::new(program)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let _stdin = child.stdin.take();
        let port = port(&line);
        let mut host = Host { child, port: port.unwrap_or_default(), _stdin };
        if port.is_none() {
            host.child.kill()?;
            return Err(io::Error::other(format!("{program} said {line:?} and no address")));
        }
        Ok(host)
    }

    /// User and system time of all threads so far. Threads that have ended are not in it; a
    /// server ends none while it serves.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        let mut total = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // Nanoseconds on a CPU come first. The ticks of `stat` are 10 ms, too coarse here.
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let nanos = text.split(' ').next().and_then(|word| word.parse().ok());
            total += Duration::from_nanos(nanos.ok_or_else(|| io::Error::other("no schedstat"))?);
        }
        Ok(total)
    }

    /// Resident memory once it has stopped changing, for two seconds at most.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        let mut last = self.present_bytes()?;
        for _ in 0..20 {
            sleep(Duration::from_millis(100));
            let present = self.present_bytes()?;
            if present == last {
                break;
            }
            last = present;
        }
        Ok(last)
    }

    /// Asks the host to end, and makes it.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        // The process is ours and not waited for, so its id cannot name another one.
        if let Ok(id) = i32::try_from(self.child.id()) {
            kill(Pid::from_raw(id), Signal::SIGTERM)?;
        }
        let deadline = Instant::now() + STOP_TIME;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                return Err(io::Error::other("the host did not end on SIGTERM"));
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn present_bytes(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("no VmRSS"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port in `listening on http://127.0.0.1:PORT/mcp`.
fn port(line: &str) -> Option<u16> {
    let address = line.trim().strip_prefix("listening on http://")?;
    address.strip_suffix("/mcp")?.rsplit_once(':')?.1.parse().ok()
}
