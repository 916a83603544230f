//! Which process a server runs in. A forked child has none of its threads, and its locks may be
//! held by threads that do not exist there.

use std::ptr;
use std::sync::atomic::{
    AtomicI32, AtomicPtr,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use crate::failure::{Failure, Result};
use crate::status::EMCP_E_FORK;

/// The process in which a server of this library was started first; 0 means none was. The reactor
/// belongs to the whole process, so a child can start no other server either.
static REACTOR: Process = Process(AtomicI32::new(0));

/// The process that something belongs to, once it belongs to one.
#[derive(Default)]
pub(crate) struct Process(AtomicI32);

impl Process {
    /// The calling process.
    pub(crate) fn current() -> Process {
        Process(AtomicI32::new(pid()))
    }

    /// Ties this, and the reactor, to the calling process.
    ///
    /// # Errors
    /// `EMCP_E_FORK` when the reactor belongs to a parent.
    pub(crate) fn claim(&self) -> Result<()> {
        REACTOR.check()?;
        REACTOR.0.store(pid(), Relaxed);
        self.0.store(pid(), Relaxed);
        Ok(())
    }

    /// # Errors
    /// `EMCP_E_FORK` in a child of the process that this belongs to.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.is_foreign() {
            return Ok(());
        }
        Err(Failure::new(EMCP_E_FORK, "this process was forked from the one that runs the server"))
    }

    pub(crate) fn is_foreign(&self) -> bool {
        let owner = self.0.load(Relaxed);
        owner != 0 && owner != pid()
    }
}

/// Remembered, because every function of the API asks and a system call costs more than most of
/// them. A child that shares its parent's memory, as that of vfork() does, is not told apart: it may
/// only execute another program.
fn pid() -> i32 {
    let remembered = remembered();
    match remembered.load(Relaxed) {
        0 => {
            // SAFETY: getpid has no preconditions and cannot fail.
            let pid = unsafe { libc::getpid() };
            if !ptr::eq(remembered, &NOWHERE) {
                remembered.store(pid, Relaxed);
            }
            pid
        }
        pid => pid,
    }
}

/// Where the calling process remembers its id: 0 in each process until it does.
fn remembered() -> &'static AtomicI32 {
    /// Not a `OnceLock`: another thread may be at work with it while the process forks.
    static PLACE: AtomicPtr<AtomicI32> = AtomicPtr::new(ptr::null_mut());
    let place = PLACE.load(Acquire);
    if !place.is_null() {
        // SAFETY: it is `NOWHERE` or a page of `wiped_page` that is never unmapped.
        return unsafe { &*place };
    }
    let page = wiped_page();
    let new = page.unwrap_or(&raw const NOWHERE as *mut AtomicI32);
    match PLACE.compare_exchange(ptr::null_mut(), new, AcqRel, Acquire) {
        // SAFETY: as above.
        Ok(_) => unsafe { &*new },
        Err(first) => {
            if let Some(page) = page {
                // SAFETY: nobody else has seen the page, which is `PAGE_BYTES` long.
                unsafe { libc::munmap(page.cast(), PAGE_BYTES) };
            }
            // SAFETY: as above.
            unsafe { &*first }
        }
    }
}

/// A page of zeroes that is zeroes again in every child, however it was forked. `None` where the
/// system has no such pages (Linux before 4.14).
fn wiped_page() -> Option<*mut AtomicI32> {
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a mapping of its own, wherever the system likes.
    let page = unsafe { libc::mmap(ptr::null_mut(), PAGE_BYTES, access, kind, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: it is the mapping of the lines above, which nobody uses yet.
    let advise = |advice| unsafe { libc::madvise(page, PAGE_BYTES, advice) } == 0;
    // Some emulators of processors agree with every advice and do nothing.
    if !advise(-1) && advise(libc::MADV_WIPEONFORK) {
        return Some(page.cast());
    }
    // SAFETY: as above; nobody has a pointer into it.
    unsafe { libc::munmap(page, PAGE_BYTES) };
    None
}

/// In place of a page that the system does not have: nothing is remembered in it.
static NOWHERE: AtomicI32 = AtomicI32::new(0);

/// The system rounds it up to a page of its own.
const PAGE_BYTES: usize = 4096;
