//! Whom a server asks during a call: the person, the model and the roots.

use std::sync::{Arc, Mutex};

use rmcp::ClientHandler;
use rmcp::model::{
    ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams,
    ElicitResult, ErrorData, Implementation, InputRequest, InputRequests, InputResponses,
    ListRootsResult, ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

pub const ANSWER: &str = "Ada";
pub const EMAIL: &str = "ada@example.com";
pub const SAMPLE: &str = "Ada counts to three.";

/// Answers every question and keeps what was asked.
pub struct Asked {
    pub forms: Vec<Value>,
    pub samples: Vec<Value>,
    pub roots_count: usize,
    /// What the person does with the next forms.
    pub action: &'static str,
}

impl Default for Asked {
    fn default() -> Self {
        Self { forms: Vec::new(), samples: Vec::new(), roots_count: 0, action: "accept" }
    }
}

impl Asked {
    fn form(&mut self, params: Value) -> Value {
        let fields = params["requestedSchema"]["properties"].as_object().cloned();
        self.forms.push(params);
        if self.action != "accept" {
            return json!({"action": self.action});
        }
        let fields = fields.into_iter().flatten();
        let content: Map<_, _> = fields
            .map(|(name, schema)| {
                let value = fill(&name, &schema);
                (name, value)
            })
            .collect();
        json!({"action": "accept", "content": content})
    }

    fn sample(&mut self, params: Value) -> Value {
        self.samples.push(params);
        json!({
            "role": "assistant",
            "content": {"type": "text", "text": SAMPLE},
            "model": "test-model",
            "stopReason": "endTurn",
        })
    }

    fn roots(&mut self) -> Value {
        self.roots_count += 1;
        json!({"roots": [{"uri": "file:///srv/ada", "name": "ada"}]})
    }

    /// Answers the questions of a call or task that the client drives by hand.
    pub fn answer_all(&mut self, requests: InputRequests) -> InputResponses {
        let requests = requests.into_iter();
        requests.map(|(key, request)| (key, self.answer(request))).collect()
    }

    fn answer(&mut self, request: InputRequest) -> Value {
        match request {
            InputRequest::Elicitation(request) => self.form(plain(&request.params)),
            InputRequest::CreateMessage(request) => self.sample(plain(&request.params)),
            InputRequest::ListRoots(_) => self.roots(),
            other => panic!("unknown question: {other:?}"),
        }
    }
}

/// What the SDK calls for the server's questions and notifications.
pub struct Handler {
    pub asked: Arc<Mutex<Asked>>,
    /// URIs of resources that the server called updated outside of a listen stream.
    pub updated: mpsc::UnboundedSender<String>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let capabilities = json!({
            "elicitation": {"form": {}},
            "sampling": {},
            "roots": {},
            "extensions": {"io.modelcontextprotocol/tasks": {}},
        });
        ClientConfig::new(typed(capabilities), Implementation::new("emcp-tests", "1"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(typed(self.asked.lock().unwrap().form(plain(&request))))
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        Ok(typed(self.asked.lock().unwrap().sample(plain(&params))))
    }

    async fn list_roots(
        &self,
        _context: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        Ok(typed(self.asked.lock().unwrap().roots()))
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        // Fails only when the test is over.
        let _ = self.updated.send(params.uri);
    }
}

/// Picks a value for one field of a form: its default, else the first that it allows.
fn fill(name: &str, schema: &Value) -> Value {
    if let Some(default) = schema.get("default") {
        return default.clone();
    }
    if let Some(choice) = first_choice(schema) {
        return choice;
    }
    match schema["type"].as_str() {
        Some("array") => json!([first_choice(&schema["items"])]),
        Some("boolean") => json!(true),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        _ => json!(if name == "email" { EMAIL } else { ANSWER }),
    }
}

fn first_choice(schema: &Value) -> Option<Value> {
    let titled = schema.get("oneOf").or(schema.get("anyOf"));
    let plain = schema.get("enum").map(|values| values[0].clone());
    plain.or(titled.map(|choices| choices[0]["const"].clone()))
}

pub fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("what the SDK parsed can be written")
}

fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the answer has the SDK's shape")
}
