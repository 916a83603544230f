//! What is behind the `emcp_call` of C: the call, its answer so far, and whether it was given.

use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use emcp_core::{Call, CallHandle};

use crate::argument::Arguments;
use crate::draft::Draft;
use crate::failure::{Failure, Result};
use crate::fork::Process;
use crate::guard::{lock, report};
use crate::json::Writers;
use crate::status::{
    EMCP_E_CANCELED, EMCP_E_CAPABILITY, EMCP_E_LIMIT, EMCP_E_STATE, EMCP_NEED_INPUT, EMCP_OK,
    EMCP_PENDING, message,
};
use crate::text::emcp_str;

/// A call.
pub struct emcp_call {
    pub(crate) handle: CallHandle,
    pub(crate) arguments: Arguments,
    /// What the client has answered, by key, since the function was called.
    pub(crate) answers: Mutex<BTreeMap<String, Arc<str>>>,
    /// What was kept in the round before.
    pub(crate) kept: Arc<[u8]>,
    /// Texts that C has views of. Never removed: they live as long as the call.
    texts: Mutex<BTreeMap<String, Box<[u8]>>>,
    /// The same for texts without a name.
    own_texts: Mutex<Vec<Box<[u8]>>>,
    pub(crate) writers: Writers,
    process: Process,
    stage: Mutex<Stage>,
    pub(crate) has_on_cancel: AtomicBool,
}

enum Stage {
    /// The answer is being put together. The call itself may have been cancelled meanwhile.
    Open(Box<(Call, Draft)>),
    /// The host has answered.
    Answered,
    /// The host wanted to answer, too late.
    Ended,
}

// The header allows every thread to use a call.
const _: fn() = || {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<emcp_call>();
};

impl emcp_call {
    pub(crate) fn new(call: Call) -> Arc<emcp_call> {
        let handle = call.handle();
        let draft = Draft::new(handle.kind(), handle.result_limit());
        let kept = handle.kept();
        Arc::new(emcp_call {
            handle,
            arguments: Arguments::default(),
            answers: Mutex::default(),
            kept,
            texts: Mutex::default(),
            own_texts: Mutex::default(),
            writers: Writers::default(),
            process: Process::current(),
            stage: Mutex::new(Stage::Open(Box::new((call, draft)))),
            has_on_cancel: AtomicBool::new(false),
        })
    }

    /// The pointer that C knows the call by.
    pub(crate) fn pointer(self: &Arc<Self>) -> *mut emcp_call {
        Arc::as_ptr(self).cast_mut()
    }

    /// A view of the text that `make` gives for `name`, with a NUL behind it; made once.
    pub(crate) fn text(
        &self,
        name: String,
        make: impl FnOnce() -> Result<String>,
    ) -> Result<emcp_str> {
        let mut texts = lock(&self.texts);
        if !texts.contains_key(&name) {
            let text = make()?;
            texts.insert(name.clone(), [text.as_bytes(), b"\0"].concat().into());
        }
        // The lines above have put it in.
        let text = &texts[&name];
        Ok(emcp_str { p: text.as_ptr().cast(), n: text.len() - 1 })
    }

    /// A view of `text`, which has no name by which it is asked for again.
    ///
    /// # Errors
    /// `EMCP_E_LIMIT` when there is no memory for it.
    pub(crate) fn own_text(&self, text: String) -> Result<emcp_str> {
        let mut text = text.into_bytes();
        text.try_reserve_exact(1)
            .map_err(|_| Failure::new(EMCP_E_LIMIT, "no memory for the text"))?;
        text.push(0);
        let text = text.into_boxed_slice();
        // Boxed: it stays where it is when the list grows.
        let view = emcp_str { p: text.as_ptr().cast(), n: text.len() - 1 };
        lock(&self.own_texts).push(text);
        Ok(view)
    }

    /// Does what the return value of a call function asks for.
    pub(crate) fn settle(&self, status: i32) {
        // A call that has been answered already stays so.
        let _ = match status {
            EMCP_PENDING => return,
            EMCP_NEED_INPUT => self.answer(|call, _| call.ask()),
            EMCP_E_CAPABILITY => self.answer(|call, _| call.fail_unanswerable()),
            0.. => self.answer(|call, draft| call.reply(draft.into_result())),
            _ => self.answer(|call, _| call.fail(message(status).to_string_lossy())),
        };
    }

    /// Changes the result while the call can still be answered.
    pub(crate) fn put(&self, change: impl FnOnce(&mut Draft) -> Result<()>) -> Result<i32> {
        match &mut *lock(&self.stage) {
            Stage::Open(open) if !open.0.is_ended() => change(&mut open.1).map(|()| EMCP_OK),
            Stage::Open(_) | Stage::Ended => Err(ended()),
            Stage::Answered => Err(answered()),
        }
    }

    /// Answers the call; `end` tells whether anybody still waited.
    pub(crate) fn answer(&self, end: impl FnOnce(Call, Draft) -> bool) -> Result<i32> {
        let open = {
            let mut stage = lock(&self.stage);
            match mem::replace(&mut *stage, Stage::Answered) {
                Stage::Open(open) => open,
                Stage::Answered => return Err(answered()),
                Stage::Ended => {
                    *stage = Stage::Ended;
                    return Err(ended());
                }
            }
        };
        // Outside the lock: the audit hook runs in here.
        let (call, draft) = *open;
        if end(call, draft) {
            return Ok(EMCP_OK);
        }
        *lock(&self.stage) = Stage::Ended;
        Err(ended())
    }

    /// # Errors
    /// `EMCP_E_STATE` once the host has answered, `EMCP_E_CANCELED` once the call has ended.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.put(|_| Ok(())).map(|_| ())
    }

    pub(crate) fn is_answered(&self) -> bool {
        matches!(*lock(&self.stage), Stage::Answered)
    }
}

pub(crate) fn answered() -> Failure {
    Failure::new(EMCP_E_STATE, "the call has been answered")
}

pub(crate) fn ended() -> Failure {
    Failure::new(EMCP_E_CANCELED, "the call has ended")
}

/// The call behind a pointer of C.
///
/// # Errors
/// `EMCP_E_INVALID` for NULL, `EMCP_E_FORK` in a child of the process that runs the server.
///
/// # Safety
/// `call` is NULL or a call to which the caller holds a reference until `'a` ends.
pub(crate) unsafe fn call<'a>(call: *const emcp_call) -> Result<&'a emcp_call> {
    // SAFETY: passed on to our caller.
    let call = unsafe { call.as_ref() }.ok_or_else(|| Failure::invalid("call is NULL"))?;
    call.process.check()?;
    Ok(call)
}

/// A view of something that lives as long as the call; empty for NULL.
///
/// # Safety
/// As for [`call`]; C must not use the view for longer than the call.
pub(crate) unsafe fn view(
    call: *const emcp_call,
    text: impl FnOnce(&'static emcp_call) -> &'static str,
) -> emcp_str {
    // SAFETY: passed on to our caller.
    match unsafe { self::call(call) } {
        Ok(call) => emcp_str::view(text(call)),
        Err(failure) => {
            report(&failure);
            emcp_str::view("")
        }
    }
}
