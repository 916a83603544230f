//! A server that the test itself dispatches, and what tells on which thread things happen.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use emcp::{Call, Hooks, Identity, Limits, Options, Run, Server, Tool, ToolResult};
use serde_json::{Value, json};

use super::{Host, Http, NEWEST, PATIENCE, Ws, call, host_of, turn};

pub(crate) const IO_THREADS: [usize; 2] = [0, 1];

pub(crate) fn options(io_threads: usize) -> Options {
    Options { run: Run::Host, io_threads, ..Options::default() }
}

pub(crate) fn fresh(options: Options, limits: Limits) -> Server {
    let identity = Identity { name: "h".into(), version: "1".into(), ..Identity::default() };
    let server = Server::new(identity, options, limits).unwrap();
    server.listen("tcp:127.0.0.1:0").unwrap();
    server
}

pub(crate) fn hosted(io_threads: usize, limits: Limits) -> Host {
    host_of(fresh(options(io_threads), limits))
}

pub(crate) fn add(server: &Server, name: &str, run: impl Fn(Call) + Send + Sync + 'static) {
    server.add_tool(Tool::new(name).unwrap().description("For tests."), run).unwrap();
}

pub(crate) fn echo(call: Call) {
    call.reply(ToolResult::text("done"));
}

/// Runs the event loop until `is_done`.
#[track_caller]
pub(crate) fn run_until(host: &Host, is_done: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < give_up, "it did not happen");
        assert!(turn(&host.server));
    }
}

/// Sends `count` calls of `tool`, with ids from 0, and returns once all of them wait for the host
/// and none has run.
pub(crate) fn queue(host: &Host, tool: &str, count: u64) -> Ws {
    let ran = Arc::new(AtomicBool::new(false));
    let first = ran.clone();
    add(&host.server, "first", move |call| {
        first.store(true, SeqCst);
        echo(call);
    });
    let mut ws = beside(host, || Ws::open(host, NEWEST));
    // In one write, so that they are read together where reading and running is one function.
    let mut frames = vec![call("\"first\"", "first", None)];
    frames.extend((0..count).map(|id| call(&id.to_string(), tool, None)));
    ws.send_all(&frames);
    let give_up = Instant::now() + PATIENCE;
    while !ran.load(SeqCst) || host.server.stats().calls_queued + refused(host) < count {
        assert!(Instant::now() < give_up, "the calls do not arrive");
        if !ran.load(SeqCst) {
            host.server.dispatch(1, Duration::ZERO).unwrap();
        }
        thread::yield_now();
    }
    ws
}

pub(crate) fn refused(host: &Host) -> u64 {
    host.server.stats().calls_refused
}

/// The answers to the calls of [`queue`], in the order of their ids.
pub(crate) fn answers(ws: &mut Ws, count: usize) -> Vec<Value> {
    let mut answers: Vec<Value> = (0..=count).map(|_| ws.json()).collect();
    answers.retain(|answer| answer["id"] != "first");
    answers.sort_by_key(|answer| answer["id"].as_u64());
    answers
}

pub(crate) fn send(host: &Host, tool: &str) -> Http {
    host.modern("1", "tools/call", json!({ "name": tool }))
}

/// Runs `client` on a thread of its own while this one dispatches; returns what it returns.
#[track_caller]
pub(crate) fn beside<T: Send>(host: &Host, client: impl FnOnce() -> T + Send) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let result = client();
            done.store(true, SeqCst);
            result
        });
        run_until(host, || done.load(SeqCst) || thread.is_finished());
        thread.join().unwrap()
    })
}

/// Notes on which threads functions of the host run.
#[derive(Clone, Default)]
pub(crate) struct Threads(pub(crate) Arc<Mutex<Vec<(&'static str, ThreadId)>>>);

impl Threads {
    pub(crate) fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push((what, thread::current().id()));
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(known, _)| *known == what).count()
    }

    #[track_caller]
    pub(crate) fn assert_all_here(&self) {
        let here = thread::current().id();
        for (what, thread) in self.0.lock().unwrap().iter() {
            assert_eq!(*thread, here, "{what}");
        }
    }
}

/// Notes when it is dropped.
pub(crate) struct Dropped(pub(crate) Threads);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

pub(crate) fn hooks(threads: &Threads) -> Hooks {
    let (audits, logs, starts) = (threads.clone(), threads.clone(), threads.clone());
    Hooks {
        audit: Some(Box::new(move |record| {
            assert!(!record.name.is_empty());
            audits.note("audit");
        })),
        log: Some(Box::new(move |_, _, _| logs.note("log"))),
        thread_start: Some(Box::new(move |_| starts.note("thread"))),
        ..Hooks::default()
    }
}
