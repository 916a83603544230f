//! Keeps a panic in one request or callback from ending the thread that serves all the others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::env::Env;
use crate::level::Level;

/// Runs `work`. A panic becomes `None`, is counted and goes to the log as one in `place`.
pub(crate) fn shielded<T>(env: &Env, place: &str, work: impl FnOnce() -> T) -> Option<T> {
    // Whatever panicked is dropped and not used again, so a broken invariant in it stays unseen.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(payload) => {
            env.counters.panics.up();
            let text = message(payload.as_ref());
            env.log(Level::Error, "panic", format_args!("in {place}: {text}"));
            None
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return text;
    }
    payload.downcast_ref::<String>().map_or("no message", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_panic_is_counted_and_a_value_passes() {
        let env = Env::new(Limits::default());
        assert_eq!(shielded(&env, "a test", || 7), Some(7));
        assert_eq!(shielded::<()>(&env, "a test", || panic!("on purpose")), None);
        assert_eq!(env.counters.panics.value(), 1);
    }

    #[test]
    fn both_kinds_of_message_are_read() {
        assert_eq!(message(&"plain"), "plain");
        assert_eq!(message(&String::from("formatted")), "formatted");
        assert_eq!(message(&7), "no message");
    }
}
