//! The program's own thread.
//!
//! For programs whose data may be touched from one thread only. A server that was created with
//! EMCP_F_HOST calls nothing of the program, neither tools nor hooks nor any other function, but
//! from inside emcp_dispatch(); thread_start and thread_stop are not called at all. EMCP_T_INLINE
//! has no effect. With EMCP_F_NO_IO_THREAD emcp_dispatch() also reads and writes the sockets;
//! without it the functions of an emcp_io are the exception: they run on the I/O thread.
//!
//! Four functions of the server run what waits on the calling thread, as nobody else would:
//! emcp_stop() and emcp_destroy() what is left in the end, though no tool functions any more;
//! emcp_drain() on the thread that dispatches; emcp_start() log lines when it fails. While the
//! server does not run, what becomes due is called at once by the thread that makes it so.
//!
//! Calls that wait are bounded by emcp_config.max_queue, log lines and audit records by
//! emcp_config.max_records and 8 MiB: a program that stays away for long loses some, which
//! emcp_stats.records_dropped counts.

use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::callback::refuse_inside;
use crate::guard::guard_status;
use crate::server::{emcp_server, server};

/// Gives the descriptor that is readable while something waits for emcp_dispatch().
///
/// For poll() and its kin, level-triggered, with CLOEXEC. It is valid from emcp_start() to
/// emcp_stop(), which closes it: take it out of the event loop before. Do not read, write or close
/// it.
///
/// Returns the descriptor; EMCP_E_STATE unless the server runs with EMCP_F_HOST.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_event_fd(server: *mut emcp_server) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        Ok(server.core.event_fd()?.as_raw_fd())
    })
}

/// Runs the callbacks that wait: tools, hooks, on_cancel, ready, released and free_user functions,
/// in the order in which they became due.
///
/// Runs up to `max` of them, or with 0 all that wait at this moment. Once `budget_us` microseconds
/// are over no further one starts, but one always does; 0: no bound. What is left keeps the
/// descriptor readable. Never blocks by itself. Any thread may call it, one at a time; the last one
/// that did is the program's own thread for emcp_tool_remove() and emcp_drain(), before that the
/// one that called emcp_start().
///
///     struct pollfd wait[2] = {{emcp_event_fd(server), POLLIN, 0}, {own_fd, POLLIN, 0}};
///     while (!quit) {
///         poll(wait, 2, emcp_next_timeout_ms(server));
///         emcp_dispatch(server, 0, 0);
///         if (wait[1].revents)
///             own_work();
///     }
///
/// Returns how many have run; EMCP_E_BUSY from a callback of any server, or while another thread is
/// inside; EMCP_E_STATE unless the server runs with EMCP_F_HOST.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_dispatch(server: *mut emcp_server, max: u32, budget_us: u32) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        refuse_inside()?;
        let budget = Duration::from_micros(budget_us.into());
        let ran = server.core.dispatch(max as usize, budget)?;
        Ok(i32::try_from(ran).unwrap_or(i32::MAX))
    })
}

/// Tells how many milliseconds the program may sleep before it calls emcp_dispatch() although the
/// descriptor is silent: the timeout for poll().
///
/// Returns 0 when something waits already; INT32_MAX when nothing is due; EMCP_E_STATE unless the
/// server runs with EMCP_F_HOST.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_next_timeout_ms(server: *mut emcp_server) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let rest = unsafe { self::server(server)? }.core.next_timeout()?;
        Ok(rest.map_or(i32::MAX, |rest| i32::try_from(rest.as_millis()).unwrap_or(i32::MAX)))
    })
}
