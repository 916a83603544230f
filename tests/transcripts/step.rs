//! The steps of dialogues as their files have them. `play.rs` tells what they mean.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dialogue {
    pub(super) title: String,
    #[serde(default = "empty")]
    pub(super) capabilities: Value,
    pub(super) page: Option<usize>,
    #[serde(default)]
    pub(super) offers: Vec<String>,
    pub(super) introduction: Option<Value>,
    #[serde(default)]
    pub(super) steps: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    pub(super) ask: String,
    #[serde(default = "empty")]
    pub(super) params: Value,
    pub(super) meta: Option<Value>,
    #[serde(default)]
    pub(super) progress: bool,
    #[serde(default)]
    pub(super) headers: HashMap<String, String>,
    #[serde(rename = "as")]
    pub(super) label: Option<String>,
    pub(super) result: Option<Value>,
    pub(super) error: Option<Value>,
    pub(super) until: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    pub(super) answered: String,
    pub(super) result: Option<Value>,
    pub(super) error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tell {
    pub(super) tell: String,
    #[serde(default = "empty")]
    pub(super) params: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listen {
    pub(super) listen: Value,
    #[serde(rename = "as")]
    pub(super) label: String,
    pub(super) honoured: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hear {
    pub(super) hear: String,
    pub(super) of: Option<String>,
    #[serde(default = "empty")]
    pub(super) with: Value,
    pub(super) until: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) asked: Vec<Question>,
    pub(super) of: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub(super) method: String,
    pub(super) key: String,
    #[serde(default = "empty")]
    pub(super) with: Value,
    pub(super) reply: Option<Value>,
    pub(super) refusal: Option<Value>,
}

pub(super) fn read<T: for<'a> Deserialize<'a>>(step: &Value) -> T {
    serde_json::from_value(step.clone()).unwrap_or_else(|error| panic!("{error}: {step}"))
}

fn empty() -> Value {
    json!({})
}
