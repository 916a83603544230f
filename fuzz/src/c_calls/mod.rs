//! Sequences of calls of the C API, as a program on one thread would make them: any order, any
//! arguments that are what the header demands, each handle used only while it may be.

mod call;
mod handles;
mod input;
mod server;

use std::cell::RefCell;
use std::ptr;
use std::sync::Once;

use emcp_ffi_rlib::server::emcp_server;
use emcp_ffi_rlib::status::EMCP_E_PANIC;

use handles::Handles;
use input::Input;

thread_local! {
    /// What the functions of the program, which have no other way to it, take their bytes from.
    static WORLD: RefCell<World> = const { RefCell::new(World::new()) };
}

/// The program.
struct World {
    input: Input,
    server: *mut emcp_server,
    handles: Handles,
    /// `user` pointers that emcp has taken and not freed.
    users: usize,
}

impl World {
    const fn new() -> World {
        World { input: Input::new(), server: ptr::null_mut(), handles: Handles::new(), users: 0 }
    }
}

/// Never holds the borrow while emcp runs: functions of the program come back here.
fn world<T>(look: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(look)
}

fn byte() -> u8 {
    world(|world| world.input.byte())
}

/// A status, or a count, that is not a bug of emcp.
#[track_caller]
fn checked(status: i32) -> i32 {
    assert_ne!(status, EMCP_E_PANIC, "a panic came to the border");
    status
}

/// No sequence crashes, panics or leaves anything behind.
pub(crate) fn run(data: &[u8]) {
    keep_panics_loud();
    world(|world| *world = World { input: Input::of(data), ..World::new() });
    server::create();
    if world(|world| world.server.is_null()) {
        return;
    }
    // Enough to begin with: most of what is interesting needs a server that runs.
    server::add_basics();
    server::start();
    let mut steps = 0;
    while steps < STEPS_MAX && !world(|world| world.input.is_empty()) {
        step();
        server::assert_sound();
        steps += 1;
    }
    finish();
}

/// Steps of one sequence; each may run many functions.
const STEPS_MAX: usize = 200;

fn step() {
    match byte() % 10 {
        0..=4 => handles::step(),
        5 => call::step_on_held(),
        6 | 7 => server::step(),
        8 => server::settle(),
        _ => server::life(),
    }
}

/// Some programs close their handles before the server ends, some later.
fn finish() {
    if byte().is_multiple_of(2) {
        handles::close_all();
        // A function that still waits for its turn may keep its call.
        server::settle();
        call::unref_all();
        server::settle();
        server::assert_quiet();
    }
    server::destroy();
    handles::close_all();
    call::unref_all();
    assert_eq!(world(|world| world.users), 0, "free_user runs once for each user");
}

/// The C layer silences panics, and a fuzzer must hear them.
fn keep_panics_loud() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        world(|world| *world = World::new());
        server::create();
        server::destroy();
        std::panic::set_hook(hook);
    });
}
