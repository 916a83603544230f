//! How far one exchange has come.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http_types::{Method, Response, StatusCode};

use crate::env::Env;
use crate::http::response::{STOPPING, text};
use crate::http::{
    BoxFuture, Final, Gathering, HalfClose, Outcome, Takeover, Unframed, poll_reply,
};

/// What an exchange waits for.
pub(super) enum Stage {
    /// Pieces of the body.
    Gathering(Box<Gathering>),
    /// Those who are asked whether the whole request may come in.
    Asking(Box<Gathering>),
    /// The reply. Dropping it tells the layers above that the client has gone.
    Waiting { reply: BoxFuture<Final>, half_close: HalfClose },
    /// The host, which has not taken everything yet, or has.
    Answered(Unframed, Option<Takeover>),
    /// The thread of the host that is at work with it.
    Busy,
    /// The thread that stops the server and is at work with it.
    Settling,
    /// Nothing: it is closed or its client has gone.
    Over,
}

impl Stage {
    pub(super) fn of(outcome: Outcome, method: Option<Method>, env: &Env) -> Stage {
        match outcome {
            Outcome::Respond(answer) => Stage::Answered(Unframed::of(answer, method, env), None),
            Outcome::Wait { reply, half_close } => Stage::Waiting { reply, half_close },
            Outcome::Upgrade { headers, run } => {
                Stage::Answered(Unframed::upgrade(&headers, env), Some(run))
            }
        }
    }

    pub(super) fn answered(response: Response, method: Option<Method>, env: &Env) -> Stage {
        Stage::Answered(Unframed::new(response, method, env), None)
    }

    /// The answer of a server that stops or drains.
    pub(super) fn stopping(env: &Env) -> Stage {
        let response = text(StatusCode::ServiceUnavailable, STOPPING);
        Stage::answered(response, None, env)
    }

    /// Tells whether the host still has something to take, now or later.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Stage::Answered(unframed, _) => !unframed.is_read(),
            Stage::Over => false,
            _ => true,
        }
    }

    /// Tells whether it goes on for a client that has ended its side: the rules of the listener.
    pub(super) fn outlives_half_close(&self) -> bool {
        match self {
            Stage::Waiting { half_close, .. } => *half_close == HalfClose::Tolerate,
            Stage::Answered(unframed, _) => !unframed.streams(),
            _ => true,
        }
    }

    /// Looks whether the reply is there.
    pub(super) fn progress(
        self,
        method: Option<Method>,
        env: &Arc<Env>,
        cx: &mut Context<'_>,
    ) -> Stage {
        match self {
            Stage::Asking(mut gathering) => match gathering.poll_admitted(cx) {
                Poll::Ready(Ok(())) => {
                    Stage::of(gathering.finish(), method, env).progress(method, env, cx)
                }
                Poll::Ready(Err(response)) => Stage::answered(response, method, env),
                Poll::Pending => Stage::Asking(gathering),
            },
            Stage::Waiting { mut reply, half_close } => match poll_reply(&mut reply, env, cx) {
                Poll::Ready(answer) => {
                    drop(reply);
                    Stage::Answered(Unframed::of(answer, method, env), None)
                }
                Poll::Pending => Stage::Waiting { reply, half_close },
            },
            stage => stage,
        }
    }

    /// Tells whether `settled` has nothing left to do.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Stage::Gathering(_) | Stage::Asking(_) | Stage::Waiting { .. } => false,
            Stage::Answered(unframed, upgrade) => unframed.is_detached() && upgrade.is_none(),
            _ => true,
        }
    }

    /// The same after the server has stopped: what was said can still be taken, nothing is added,
    /// and nothing in it belongs to the server any more.
    pub(super) fn settled(self, method: Option<Method>, env: &Arc<Env>) -> Stage {
        let mut cx = Context::from_waker(Waker::noop());
        // Not asked any more: what came in now would find a server that has ended.
        if matches!(self, Stage::Asking(_)) {
            return Stage::stopping(env);
        }
        match self.progress(method, env, &mut cx) {
            Stage::Gathering(_) | Stage::Asking(_) | Stage::Waiting { .. } => Stage::stopping(env),
            Stage::Answered(mut unframed, _) => {
                unframed.cut_off(env);
                Stage::Answered(unframed, None)
            }
            stage => stage,
        }
    }
}
