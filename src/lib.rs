//! An MCP server that lives inside a daemon.
//!
//! One [`Server`] speaks all five revisions of the Model Context Protocol over Streamable HTTP,
//! HTTP+SSE and WebSocket on one path. The host registers [`Tool`]s; a [`Call`] is the right to
//! answer one call of them, at once or later, from any thread.
//!
//! Every bound is in [`Limits`], every counter in [`Stats`], and what the server has to say goes to
//! the host's [`Hooks`]: the library prints nothing, handles no signal, reads no environment, and
//! starts no thread before [`Server::start`]. ARCHITECTURE.md draws how the parts hang together;
//! the C face of all this is `include/emcp.h`.
#![forbid(unsafe_code)]

mod allow_list;
mod auth;
mod caching;
mod call;
mod callbacks;
mod caller;
mod cancel;
mod changes;
mod clock;
mod content;
mod core;
#[cfg_attr(not(feature = "deflate"), path = "deflate/off.rs")]
mod deflate;
mod dispatch;
mod door;
mod env;
mod error;
mod file;
mod frame_head;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod held;
mod hooks;
mod host_queue;
mod http;
mod identity;
mod input;
mod json;
mod kind;
mod level;
mod limits;
mod listener;
mod logging;
mod peer;
mod places;
mod policy;
mod pool;
mod protocol;
mod random;
mod rate;
mod readiness;
mod registry;
mod reply;
mod rpc;
mod secret;
mod server;
mod session;
mod shield;
mod stats;
mod sync;
mod task;
#[cfg_attr(not(feature = "tls"), path = "tls/off.rs")]
mod tls;
mod transport;
mod uri;

pub use auth::{JwksReport, Key, KeyCheck, KeyGrant, OAuth};
pub use caching::CacheTimes;
pub use call::{Call, CallHandle};
pub use caller::Caller;
pub use cancel::CancelReason;
pub use content::{
    CallResult, CompletionResult, Content, PromptResult, ReadResult, Role, ToolResult,
};
pub use core::{Options, Run};
pub use door::{Adoption, HttpExchange, MessagePeer, Pulled, Pump, ReadyFn, StreamIo, Want};
pub use error::{Error, Result};
pub use hooks::{Audit, Hooks, Item, Outcome};
pub use http::{ParsedRequest, ResponseHead};
pub use identity::Identity;
pub use input::{Need, Question};
pub use json::{JsonWriter, WrittenJson};
pub use kind::CallKind;
pub use level::Level;
pub use limits::Limits;
pub use registry::{
    Param, ParamKind, Prompt, PromptArgument, Resource, TaskSupport, Tool, ToolFlags,
};
pub use secret::Secret;
pub use server::Server;
pub use stats::Stats;
#[cfg(feature = "tls")]
pub use tls::TlsConfig;
pub use transport::Closing;
