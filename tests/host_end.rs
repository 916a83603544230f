//! How tools go and how a server ends when its functions run on the host's own thread: nobody waits
//! for what only they could bring about.

mod peer;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use emcp::{Error, Limits};
use peer::hosted::*;
use peer::*;
use serde_json::json;

#[test]
fn a_tool_goes_from_the_hosts_thread_while_calls_of_it_wait() {
    for io_threads in IO_THREADS {
        let threads = Threads::default();
        let host = hosted(io_threads, limits());
        let owned = Dropped(threads.clone());
        add(&host.server, "gone", move |_| {
            let _ = &owned;
            panic!("a removed tool runs");
        });
        let mut calls = queue(&host, "gone", 2);
        host.server.remove_tool("gone").unwrap();
        assert_eq!(threads.count("dropped"), 0, "two calls have it yet");
        let answers = beside(&host, || answers(&mut calls, 2));
        for (id, answer) in answers.iter().enumerate() {
            assert_error(answer, json!(id), -32602);
        }
        run_until(&host, || threads.count("dropped") == 1);
        threads.assert_all_here();
        assert_eq!(host.server.stats().panics, 0);
    }
}

#[test]
fn another_thread_waits_until_the_tool_is_gone() {
    for io_threads in IO_THREADS {
        let threads = Threads::default();
        let host = hosted(io_threads, limits());
        let owned = Dropped(threads.clone());
        add(&host.server, "gone", move |_| drop(owned.0.clone()));
        let calls = queue(&host, "gone", 2);
        let noted = threads.clone();
        let server = host.server.clone();
        beside(&host, move || {
            server.remove_tool("gone").unwrap();
            assert_eq!(noted.count("dropped"), 1);
        });
        threads.assert_all_here();
        drop(calls);
    }
}

#[test]
fn drain_on_the_hosts_thread_runs_what_it_waits_for() {
    for io_threads in IO_THREADS {
        let host = hosted(io_threads, limits());
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        add(&host.server, "echo", move |call| {
            count.fetch_add(1, SeqCst);
            echo(call);
        });
        let mut calls = queue(&host, "echo", 3);
        assert!(host.server.drain(PATIENCE).unwrap());
        assert_eq!(ran.load(SeqCst), 3);
        for answer in answers(&mut calls, 3) {
            assert_eq!(text_of(&answer), "done");
        }
        host.server.stop().unwrap();
    }
}

#[test]
fn drain_on_another_thread_leaves_the_work_to_the_host() {
    for io_threads in IO_THREADS {
        let host = hosted(io_threads, limits());
        let threads = Threads::default();
        let noted = threads.clone();
        add(&host.server, "echo", move |call| {
            noted.note("tool");
            echo(call);
        });
        let calls = queue(&host, "echo", 3);
        let server = host.server.clone();
        assert!(beside(&host, move || server.drain(PATIENCE).unwrap()));
        threads.assert_all_here();
        assert_eq!(threads.count("tool"), 3);
        drop(calls);
    }
}

#[test]
fn drain_gives_up_in_its_time() {
    let host = hosted(0, limits());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = kept.clone();
    add(&host.server, "keep", move |call| keep.lock().unwrap().push(call));
    let calls = queue(&host, "keep", 1);
    assert!(!host.server.drain(Duration::from_millis(50)).unwrap());
    host.server.stop().unwrap();
    drop((calls, kept));
}

#[test]
fn stop_answers_the_calls_that_wait_and_runs_their_hooks_here() {
    for io_threads in IO_THREADS {
        let threads = Threads::default();
        let server = fresh(options(io_threads), limits());
        server.set_hooks(hooks(&threads)).unwrap();
        add(&server, "never", |_| panic!("a cancelled call runs"));
        let host = host_of(server);
        let mut calls = queue(&host, "never", 3);
        host.server.stop().unwrap();
        for (id, answer) in answers(&mut calls, 3).iter().enumerate() {
            assert_error(answer, json!(id), -32603);
        }
        assert_eq!(threads.count("audit"), 4);
        threads.assert_all_here();
        assert_eq!(host.server.stats().panics, 0);
    }
}

#[test]
fn stop_does_not_wait_for_ever_for_the_thread_inside() {
    for io_threads in IO_THREADS {
        let threads = Threads::default();
        let limits = Limits { stop_time: Duration::from_millis(100), ..limits() };
        let server = fresh(options(io_threads), limits);
        server.set_hooks(hooks(&threads)).unwrap();
        let (told, tell) = channel::<Sender<()>>();
        let told = Mutex::new(told);
        add(&server, "hold", move |call| {
            let (release, wait) = channel();
            told.lock().unwrap().send(release).unwrap();
            let _ = wait.recv();
            echo(call);
        });
        let host = host_of(server);
        let mut calls = queue(&host, "hold", 2);
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                host.server.dispatch(1, Duration::ZERO).unwrap();
                thread::current().id()
            });
            let release = tell.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(host.server.stop(), Err(Error::TimedOut(_))));
            assert!(matches!(host.server.dispatch(0, Duration::ZERO), Err(Error::State(_))));
            for (id, answer) in answers(&mut calls, 2).iter().enumerate() {
                assert_error(answer, json!(id), -32603);
            }
            drop(release);
            let inside = inside.join().unwrap();
            // What was left when the server stopped has run over there.
            let noted = threads.0.lock().unwrap().clone();
            let there = noted.iter().filter(|(what, thread)| (*what, *thread) == ("audit", inside));
            assert_eq!(there.count(), noted.len(), "{noted:?}");
            assert!(noted.len() >= 2, "{noted:?}");
        });
        // The way is free again.
        host.server.start().unwrap();
        assert_eq!(host.server.dispatch(0, Duration::ZERO).unwrap(), 0);
        host.server.stop().unwrap();
    }
}

#[test]
fn the_server_starts_and_stops_many_times() {
    for io_threads in IO_THREADS {
        let server = fresh(options(io_threads), limits());
        add(&server, "echo", echo);
        let mut host = host_of(server);
        for round in 0..50 {
            let mut http = send(&host, "echo");
            let answer = beside(&host, || http.json().1);
            assert_eq!(text_of(&answer), "done", "round {round}");
            host.server.stop().unwrap();
            host.server.start().unwrap();
            host.addr = host.server.addresses()[0].clone();
        }
    }
}
