//! Asking the user and the model: questions, answers, and what is remembered between rounds.
//!
//! Comes between a method and the host's function. One dialogue for both eras: to a modern client
//! the questions are a result, and everything that was said comes back with its next request; a
//! legacy client gets requests, and the call waits. Knows no transports and does no I/O.

mod asking;
mod digest;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod question;
mod state;

pub use asking::Need;
pub(crate) use asking::{Asking, Open, Took};
pub(crate) use digest::params_digest;
pub use question::Question;
pub(crate) use state::{Binding, Keys, StateError};
