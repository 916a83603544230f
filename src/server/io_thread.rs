//! The I/O thread: it runs the server's tasks, and sleeps until a socket is ready, a deadline has
//! passed or another thread has woken a task.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use nix::sys::eventfd::EventFd;
use smol::Executor;
use smol::channel::Receiver;

use crate::core::Core;
use crate::env::Env;
use crate::level::Level;
use crate::pool::adopt_thread;
use crate::readiness::{News, Readiness};
use crate::sync::Latch;

/// Stack of the I/O thread. It runs our own code, JSON parsers bounded in depth, and tools that
/// promise to be small.
const STACK_BYTES: usize = 512 * 1024;

/// Runs `executor` until `end` closes; `ended` opens then.
///
/// # Errors
/// The process has no descriptor or no thread left.
pub(super) fn start(
    core: &Arc<Core>,
    readiness: Arc<Readiness>,
    executor: Arc<Executor<'static>>,
    end: Receiver<Infallible>,
    ended: Arc<Latch>,
) -> io::Result<JoinHandle<()>> {
    let core = core.clone();
    let doorbell = Doorbell::new(&readiness)?;
    Builder::new().name("emcp-io".into()).stack_size(STACK_BYTES).spawn(move || {
        adopt_thread();
        // Dropped last, when everything else of this thread is gone.
        let _ended = ended.open_on_drop();
        let env = &core.env;
        let _announced = env.host.is_none().then(|| env.hooks.thread("emcp-io"));
        run(env, &readiness, &doorbell, || {
            executor.run(async {
                let _ = end.recv().await;
            })
        });
        // It has a descriptor of this thread's.
        env.clock.clear_sleeper();
    })
}

/// Polls the future that `tasks` makes until it is ready. A panic in it is caught, and another one
/// goes on.
fn run<F: Future<Output = ()>>(
    env: &Env,
    readiness: &Readiness,
    doorbell: &Arc<Doorbell>,
    tasks: impl Fn() -> F,
) {
    loop {
        let turns = AssertUnwindSafe(|| take_turns(env, readiness, doorbell, tasks()));
        if catch_unwind(turns).is_ok() {
            return;
        }
        env.counters.panics.up();
        env.log(Level::Error, "io", format_args!("a task panicked and was dropped"));
    }
}

fn take_turns(
    env: &Env,
    readiness: &Readiness,
    doorbell: &Arc<Doorbell>,
    tasks: impl Future<Output = ()>,
) {
    let waker = Waker::from(doorbell.clone());
    env.clock.set_sleeper(&waker);
    let mut cx = Context::from_waker(&waker);
    let mut tasks = pin!(tasks);
    let mut news = News::default();
    loop {
        doorbell.is_rung.store(false, SeqCst);
        if tasks.as_mut().poll(&mut cx).is_ready() {
            return;
        }
        // May wake tasks, so it comes before the question whether any is awake.
        let patience = env.clock.tick();
        doorbell.sleep(|is_rung| {
            readiness.wait(if is_rung { Some(Duration::ZERO) } else { patience }, &mut news);
        });
        readiness.wake(&news);
    }
}

/// Wakes the I/O thread: with a system call only while it sleeps.
struct Doorbell {
    /// Since the tasks were polled last.
    is_rung: AtomicBool,
    is_asleep: AtomicBool,
    bell: EventFd,
}

impl Doorbell {
    fn new(readiness: &Readiness) -> io::Result<Arc<Doorbell>> {
        Ok(Arc::new(Doorbell {
            is_rung: AtomicBool::new(false),
            is_asleep: AtomicBool::new(false),
            bell: readiness.bell()?,
        }))
    }

    /// Sleeps with `sleep`, which is told whether there is reason not to.
    fn sleep(&self, sleep: impl FnOnce(bool)) {
        self.is_asleep.store(true, SeqCst);
        // Behind the store: whoever rings from here on wakes us.
        sleep(self.is_rung.load(SeqCst));
        self.is_asleep.store(false, SeqCst);
    }
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_rung.swap(true, SeqCst) && self.is_asleep.load(SeqCst) {
            // Full only when nobody has slept since very long.
            let _ = self.bell.write(1);
        }
    }
}
