//! Calls: what a function of the program does with one, at once or later.

use std::ffi::c_void;
use std::os::raw::c_char;

use emcp_ffi_rlib::argument::{
    emcp_arg_i64, emcp_arg_item, emcp_arg_json, emcp_arg_str, emcp_call_arguments,
};
use emcp_ffi_rlib::call::{
    emcp_call_cancelled, emcp_call_deadline_ms, emcp_call_disconnect, emcp_call_kind,
    emcp_call_name, emcp_call_on_cancel, emcp_call_progress, emcp_call_ref, emcp_call_require,
    emcp_call_unref, emcp_call_who, emcp_who,
};
use emcp_ffi_rlib::call_state::emcp_call;
use emcp_ffi_rlib::input::{
    emcp_answer_action, emcp_keep, emcp_kept, emcp_need_form, emcp_need_input, emcp_need_roots,
    emcp_need_sampling, emcp_need_url,
};
use emcp_ffi_rlib::json::{
    emcp_json, emcp_json_arr, emcp_json_begin, emcp_json_commit, emcp_json_end, emcp_json_f64,
    emcp_json_free, emcp_json_key, emcp_json_obj, emcp_json_str, emcp_json_text,
};
use emcp_ffi_rlib::log::emcp_call_log;
use emcp_ffi_rlib::result::{
    emcp_fail, emcp_fail_not_found, emcp_fail_rpc, emcp_finish, emcp_put_blob, emcp_put_content,
    emcp_put_image, emcp_put_json, emcp_put_link, emcp_put_meta, emcp_put_role, emcp_put_text,
    emcp_put_truncated, emcp_put_value,
};
use emcp_ffi_rlib::status::{EMCP_NEED_INPUT, EMCP_OK, EMCP_PENDING};
use emcp_ffi_rlib::task::{emcp_task_begin, emcp_task_status};
use emcp_ffi_rlib::text::emcp_str;
use emcp_ffi_rlib::tool::emcp_call_fn;

use super::server::init;
use super::{byte, checked, server, world};

const TEXTS: [&str; 5] = ["k", "n", "text", r#"{"a":[1,"x"]}"#, "https://a.example/"];
const FORM: &std::ffi::CStr =
    c"{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}}";

/// The function of all tools, resources, prompts and completions.
pub(super) const SERVE: emcp_call_fn = Some(serve);

unsafe extern "C" fn serve(call: *mut emcp_call, _: *mut c_void) -> i32 {
    for _ in 0..byte() % 8 {
        // SAFETY: the call is valid until this returns.
        unsafe { step(call) };
        if byte().is_multiple_of(16) {
            server::step();
        }
    }
    match byte() % 8 {
        0 | 1 => EMCP_PENDING,
        2 => EMCP_NEED_INPUT,
        3 => -i32::from(byte() % 20),
        4 => 1000,
        _ => EMCP_OK,
    }
}

/// Does something with a call that the program has kept.
pub(super) fn step_on_held() {
    let number = usize::from(byte());
    let calls = world(|world| world.handles.calls.clone());
    let Some(call) = number.checked_rem(calls.len()).map(|place| calls[place]) else { return };
    // SAFETY: the program has a reference.
    unsafe { step(call) };
    if byte().is_multiple_of(4) {
        world(|world| {
            let place = world.handles.calls.iter().position(|held| *held == call);
            place.map(|place| world.handles.calls.swap_remove(place))
        });
        // SAFETY: it was taken out of the list, so it is given back once.
        unsafe { emcp_call_unref(call) };
    }
}

/// Gives every reference back.
pub(super) fn unref_all() {
    while let Some(call) = world(|world| world.handles.calls.pop()) {
        // SAFETY: as in `step_on_held`.
        unsafe { emcp_call_unref(call) };
    }
}

/// Looks around, as such functions do. Without a reference of its own: a call that only its
/// `on_cancel` function keeps goes on until its time is over.
unsafe extern "C" fn cancelled(_: *mut c_void) {
    if byte().is_multiple_of(4) {
        server::step();
    }
}

/// One thing that can be done with a call.
///
/// # Safety
/// The call must be valid.
unsafe fn step(call: *mut emcp_call) {
    let (kind, number) = (byte() % 34, byte());
    let (a, b) = world(|world| (world.input.text(&TEXTS), world.input.text(&TEXTS)));
    let (text, other) = (a.ptr(), b.ptr());
    let data = world(|world| world.input.bytes());
    let (bytes, len) = (data.as_ptr().cast::<c_void>(), data.len());
    let mut out = emcp_str { p: c"".as_ptr(), n: 0 };
    const NUL: usize = usize::MAX;
    // SAFETY: the call is valid, the texts and bytes outlive the calls, and the rest are places.
    unsafe {
        checked(match kind {
            0 => emcp_put_text(call, text, NUL),
            1 => emcp_put_text(call, bytes.cast::<c_char>(), len),
            2 => emcp_put_json(call, text, NUL),
            3 => emcp_put_image(call, text, bytes, len),
            4 => emcp_put_blob(call, bytes, len),
            5 => emcp_put_role(call, i32::from(number % 4)),
            6 => emcp_put_value(call, text),
            7 => emcp_put_link(call, text, other, text, other),
            8 => emcp_put_content(call, text, NUL),
            9 => emcp_put_meta(call, text, NUL),
            10 => emcp_put_truncated(call, number.into(), 300, text),
            11 => emcp_finish(call),
            12 => emcp_fail(call, text),
            13 => emcp_fail_not_found(call),
            14 => emcp_fail_rpc(call, -i32::from(number), text, other),
            15 => emcp_need_form(call, text, other, FORM.as_ptr(), &mut out),
            16 => emcp_need_url(call, text, other, TEXT_URL.as_ptr(), &mut out),
            17 => emcp_need_sampling(call, text, other, &mut out),
            18 => emcp_need_roots(call, text, &mut out),
            19 => emcp_need_input(call),
            20 => emcp_answer_action(call, text),
            21 => emcp_keep(call, bytes, len),
            22 => read(emcp_kept(call)),
            23 => emcp_task_begin(call),
            24 => emcp_task_status(call, text),
            25 => emcp_call_progress(call, number.into(), 100.0, text),
            26 => emcp_call_log(call, i32::from(number % 9), text, other, NUL),
            27 => look(call, text, number),
            28 => emcp_call_require(call, text),
            29 => emcp_call_disconnect(call, number.into()),
            30 => emcp_call_on_cancel(call, Some(cancelled), std::ptr::null_mut()),
            31 | 32 => hold(call),
            _ => write_json(call, number),
        });
        read(out);
    }
}

const TEXT_URL: &std::ffi::CStr = c"https://a.example/";

/// Reads every byte of a view: it must still be there.
unsafe fn read(view: emcp_str) -> i32 {
    // SAFETY: emcp hands out no NULL, and the view is as long as it says.
    let bytes = unsafe { std::slice::from_raw_parts(view.p.cast::<u8>(), view.n) };
    std::hint::black_box(bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
    EMCP_OK
}

unsafe fn look(call: *mut emcp_call, key: *const c_char, number: u8) -> i32 {
    let mut who: emcp_who = init();
    let (mut text, mut integer) = (emcp_str { p: c"".as_ptr(), n: 0 }, 0);
    // SAFETY: as in `step`.
    unsafe {
        read(emcp_call_arguments(call));
        read(emcp_call_name(call));
        checked(emcp_call_who(call, &mut who));
        checked(emcp_call_kind(call));
        checked(emcp_call_cancelled(call));
        let _ = emcp_call_deadline_ms(call);
        checked(emcp_arg_str(call, key, &mut text));
        read(text);
        checked(emcp_arg_item(call, key, number.into(), &mut text));
        read(text);
        checked(emcp_arg_i64(call, key, &mut integer));
        checked(emcp_arg_json(call, key, &mut text));
        read(text)
    }
}

unsafe fn hold(call: *mut emcp_call) -> i32 {
    // SAFETY: as in `step`.
    let held = unsafe { emcp_call_ref(call) };
    if !held.is_null() {
        world(|world| world.handles.calls.push(held));
    }
    EMCP_OK
}

unsafe fn write_json(call: *mut emcp_call, number: u8) -> i32 {
    let key = world(|world| world.input.text(&TEXTS));
    // SAFETY: as in `step`; the writer is used by this function alone and ended once.
    unsafe {
        let json: *mut emcp_json = emcp_json_begin(call);
        for bit in 0..8 {
            match (number >> bit) & 1 | (byte() & 6) {
                0 => emcp_json_obj(json),
                1 => emcp_json_arr(json),
                2 | 3 => emcp_json_end(json),
                4 => emcp_json_key(json, key.ptr()),
                5 => emcp_json_str(json, key.ptr(), usize::MAX),
                6 => emcp_json_f64(json, f64::from(number) / 0.0),
                _ => emcp_json_f64(json, f64::from_bits(u64::from(number) << 52)),
            }
        }
        let mut text = emcp_str { p: c"".as_ptr(), n: 0 };
        match number % 4 {
            0 => emcp_json_free(json),
            1 => drop(checked(emcp_json_text(json, &mut text))),
            // Left to the end of the call.
            2 => {}
            _ => drop(checked(emcp_json_commit(json))),
        }
        read(text)
    }
}
