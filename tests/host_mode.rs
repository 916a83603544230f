//! A host whose functions run on its own thread: inside `dispatch`, nowhere else, with an I/O
//! thread and without. Here the test is that thread; the other test files run with one of their own
//! when `EMCP_TEST_RUN` says so.

mod peer;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use emcp::{Error, Identity, Limits, Options, Run, Server, Tool};
use peer::hosted::*;
use peer::*;

#[test]
fn everything_of_the_host_runs_on_its_thread() {
    for io_threads in IO_THREADS {
        let threads = Threads::default();
        let server = fresh(options(io_threads), limits());
        server.set_hooks(hooks(&threads)).unwrap();
        let (noted, owned) = (threads.clone(), Dropped(threads.clone()));
        let inline = emcp::ToolFlags { inline: true, ..Default::default() };
        let tool = Tool::new("echo").unwrap().description("Echo.").flags(inline);
        server
            .add_tool(tool, move |call| {
                let _ = &owned;
                noted.note("tool");
                echo(call);
            })
            .unwrap();
        let (noted, kept) = (threads.clone(), Arc::new(Mutex::new(None)));
        let keep = kept.clone();
        add(&server, "wait", move |call| {
            let noted = noted.clone();
            call.on_cancel(move || noted.note("cancel"));
            *keep.lock().unwrap() = Some(call);
        });
        add(&server, "panic", |_| panic!("on purpose"));
        let host = host_of(server);
        let mut http = send(&host, "echo");
        let answer = beside(&host, || http.json().1);
        assert_eq!(text_of(&answer), "done");
        let mut http = send(&host, "panic");
        beside(&host, || http.json());
        run_until(&host, || threads.count("log") > 0);
        // A client that leaves cancels its call.
        let http = send(&host, "wait");
        run_until(&host, || kept.lock().unwrap().is_some());
        drop(http);
        run_until(&host, || threads.count("cancel") == 1 && threads.count("audit") == 3);
        // Another thread lets the last call of a removed tool go.
        host.server.remove_tool("echo").unwrap();
        run_until(&host, || threads.count("dropped") == 1);
        host.server.stop().unwrap();
        threads.assert_all_here();
        assert_eq!(threads.count("thread"), 0);
        drop(kept.lock().unwrap().take());
    }
}

#[test]
fn the_descriptor_is_readable_while_something_waits() {
    use nix::poll::{PollFd, PollFlags, poll};
    use std::os::fd::AsFd;
    let host = hosted(1, limits());
    add(&host.server, "echo", echo);
    let fd = host.server.event_fd().unwrap();
    let is_readable = |wait_ms: u16| {
        poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], wait_ms).unwrap() == 1
    };
    let mut calls = queue(&host, "echo", 3);
    assert!(is_readable(0));
    assert_eq!(host.server.next_timeout().unwrap(), Some(Duration::ZERO));
    assert_eq!(host.server.dispatch(2, Duration::ZERO).unwrap(), 2);
    assert!(is_readable(0), "one is left");
    assert_eq!(host.server.dispatch(0, Duration::ZERO).unwrap(), 1);
    assert!(!is_readable(0), "nothing is left");
    assert_eq!(host.server.next_timeout().unwrap(), None);
    assert_eq!(host.server.dispatch(0, Duration::ZERO).unwrap(), 0);
    assert_eq!(answers(&mut calls, 3).len(), 3);
}

#[test]
fn a_budget_lets_one_function_run_at_least() {
    for io_threads in IO_THREADS {
        let host = hosted(io_threads, limits());
        add(&host.server, "slow", |call| {
            let until = Instant::now() + Duration::from_millis(2);
            while Instant::now() < until {}
            echo(call);
        });
        let mut calls = queue(&host, "slow", 3);
        for left in [2, 1, 0] {
            assert_eq!(host.server.dispatch(0, Duration::from_millis(1)).unwrap(), 1);
            assert_eq!(host.server.stats().calls_queued, left);
        }
        assert_eq!(beside(&host, || answers(&mut calls, 3)).len(), 3);
    }
}

#[test]
fn a_call_too_many_hears_busy() {
    for io_threads in IO_THREADS {
        let host = hosted(io_threads, Limits { queue: 2, ..limits() });
        add(&host.server, "echo", echo);
        let mut calls = queue(&host, "echo", 4);
        let answers = beside(&host, || answers(&mut calls, 4));
        let busy = answers.iter().filter(|answer| text_of(answer).contains("busy")).count();
        // Two wait at most, and the first of all may be one of them.
        assert!((2..=3).contains(&busy), "{answers:?}");
        assert_eq!(refused(&host), busy as u64);
    }
}

#[test]
fn records_beyond_the_bound_are_dropped_and_counted() {
    let threads = Threads::default();
    let server = fresh(options(1), Limits { records: 4, ..limits() });
    server.set_hooks(hooks(&threads)).unwrap();
    let host = host_of(server);
    add(&host.server, "echo", echo);
    // Seven calls run in one go; their records come behind them.
    let calls = queue(&host, "echo", 6);
    run_until(&host, || host.server.next_timeout().unwrap().is_none());
    assert_eq!(threads.count("audit") as u64 + host.server.stats().records_dropped, 7);
    // One more when the record of the first call still waits.
    assert!((2..=3).contains(&host.server.stats().records_dropped));
    drop(calls);
}

#[test]
fn what_would_wait_for_itself_is_refused_inside() {
    for io_threads in IO_THREADS {
        let host = hosted(io_threads, limits());
        let server = Arc::downgrade(&host.server);
        add(&host.server, "try", move |call| {
            let server = server.upgrade().unwrap();
            assert!(matches!(server.stop(), Err(Error::Busy(_))));
            assert!(matches!(server.drain(PATIENCE), Err(Error::Busy(_))));
            assert!(matches!(server.dispatch(0, Duration::ZERO), Err(Error::Busy(_))));
            assert!(matches!(server.remove_tool("try"), Err(Error::Busy(_))));
            echo(call);
        });
        let mut http = send(&host, "try");
        assert_eq!(text_of(&beside(&host, || http.json().1)), "done");
    }
}

#[test]
fn only_a_running_host_mode_server_dispatches() {
    let pooled = fresh(Options::default(), limits());
    pooled.start().unwrap();
    assert!(matches!(pooled.event_fd(), Err(Error::State(_))));
    assert!(matches!(pooled.dispatch(0, Duration::ZERO), Err(Error::State(_))));
    assert!(matches!(pooled.next_timeout(), Err(Error::State(_))));
    let host = fresh(options(0), limits());
    assert!(matches!(host.event_fd(), Err(Error::State(_))));
    host.start().unwrap();
    assert_eq!(host.dispatch(0, Duration::ZERO).unwrap(), 0);
    host.stop().unwrap();
    assert!(matches!(host.dispatch(0, Duration::ZERO), Err(Error::State(_))));
    let identity = || Identity { name: "h".into(), version: "1".into(), ..Identity::default() };
    for (run, io_threads) in [(Run::Pool, 0), (Run::Pool, 2), (Run::Host, 2)] {
        let options = Options { run, io_threads, ..Options::default() };
        assert!(matches!(Server::new(identity(), options, limits()), Err(Error::Config(_))));
    }
}

#[test]
fn one_thread_is_inside_at_a_time() {
    let host = hosted(1, limits());
    let (told, tell) = channel::<Sender<()>>();
    let told = Mutex::new(told);
    add(&host.server, "hold", move |call| {
        let (release, wait) = channel();
        told.lock().unwrap().send(release).unwrap();
        let _ = wait.recv();
        echo(call);
    });
    let mut calls = queue(&host, "hold", 1);
    thread::scope(|scope| {
        scope.spawn(|| host.server.dispatch(0, Duration::ZERO).unwrap());
        let release = tell.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(host.server.dispatch(0, Duration::ZERO), Err(Error::Busy(_))));
        drop(release);
    });
    assert_eq!(answers(&mut calls, 1).len(), 1);
}

#[test]
fn timeouts_come_true_while_the_host_sleeps_in_poll() {
    for io_threads in IO_THREADS {
        let host = hosted(io_threads, Limits { tool_time: Duration::from_millis(50), ..limits() });
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = kept.clone();
        add(&host.server, "keep", move |call| keep.lock().unwrap().push(call));
        let mut http = send(&host, "keep");
        let answer = beside(&host, || http.json().1);
        assert!(text_of(&answer).contains("did not finish"), "{answer}");
        kept.lock().unwrap().clear();
    }
}
