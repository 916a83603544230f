//! The SDK's client behind calls that deal in plain JSON values.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, ErrorData, GetPromptRequestParams,
    GetTaskParams, JsonObject, ProtocolVersion, ReadResourceRequestParams, ServerNotification,
    SubscribeRequestParams, SubscriptionFilter, TaskPayload, TaskStatus, UnsubscribeRequestParams,
    UpdateTaskParams,
};
use rmcp::service::{RunningService, Subscription};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient, ServiceError};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::asked::{Asked, Handler, plain};

const UPDATE_SECONDS_MAX: u64 = 10;

/// For tasks that do not say how often to ask.
const POLL_MS: u64 = 100;

pub struct Client {
    pub modern: bool,
    pub revision: String,
    service: RunningService<RoleClient, Handler>,
    asked: Arc<Mutex<Asked>>,
    updated: mpsc::UnboundedReceiver<String>,
}

/// Where updates arrive: on a stream of their own, or in the legacy era at the handler.
pub enum Updates {
    Stream(Box<Subscription>),
    Session(String),
}

impl Client {
    pub async fn connect(url: &str, modern: bool) -> Self {
        let lifecycle = if modern {
            let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
            ClientLifecycleMode::Auto { preferred_versions, legacy_version: None }
        } else {
            ClientLifecycleMode::Initialize
        };
        let asked = Arc::new(Mutex::new(Asked::default()));
        let (sender, updated) = mpsc::unbounded_channel();
        let handler = Handler { asked: asked.clone(), updated: sender };
        let transport = StreamableHttpClientTransport::from_uri(url);
        let service = handler.serve_with_lifecycle(transport, lifecycle).await.expect("connects");
        let revision = service.peer_info().expect("a server").protocol_version.to_string();
        Self { modern, revision, service, asked, updated }
    }

    pub async fn close(self) {
        self.service.cancel().await.expect("closes");
    }

    pub fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap()
    }

    /// How many forms, samples and roots were asked for.
    pub fn seen(&self) -> (usize, usize, usize) {
        let asked = self.asked();
        (asked.forms.len(), asked.samples.len(), asked.roots_count)
    }

    pub fn forget(&self) {
        *self.asked() = Asked::default();
    }

    pub async fn list_resources(&self) -> Value {
        plain(&self.service.list_all_resources().await.expect("resources are listed"))
    }

    pub async fn list_templates(&self) -> Value {
        plain(&self.service.list_all_resource_templates().await.expect("templates are listed"))
    }

    pub async fn list_prompts(&self) -> Value {
        plain(&self.service.list_all_prompts().await.expect("prompts are listed"))
    }

    pub async fn read(&self, uri: &str) -> Result<Value, ErrorData> {
        let params = ReadResourceRequestParams::new(uri);
        protocol_error(self.service.read_resource(params).await.map(|result| plain(&result)))
    }

    pub async fn get_prompt(&self, name: &str, arguments: Value) -> Result<Value, ErrorData> {
        let params = GetPromptRequestParams::new(name).with_arguments(object(arguments));
        protocol_error(self.service.get_prompt(params).await.map(|result| plain(&result)))
    }

    pub async fn complete_prompt(&self, prompt: &str, name: &str, value: &str) -> Vec<String> {
        let done = self.service.complete_prompt_argument(prompt, name, value, None).await;
        done.expect("is completed").values
    }

    pub async fn complete_template(&self, template: &str, name: &str, value: &str) -> Vec<String> {
        let done = self.service.complete_resource_argument(template, name, value, None).await;
        done.expect("is completed").values
    }

    pub async fn call(&self, name: &str, arguments: Value) -> Value {
        plain(&self.service.call_tool(call_params(name, arguments)).await.expect("is called"))
    }

    pub async fn subscribe(&self, uri: &str) -> Updates {
        if self.modern {
            let filter = SubscriptionFilter::builder().resource_subscription(uri).build();
            return Updates::Stream(Box::new(self.service.listen(filter).await.expect("listens")));
        }
        let params = SubscribeRequestParams::new(uri);
        self.service.subscribe(params).await.expect("subscribes");
        Updates::Session(uri.to_owned())
    }

    /// The URI of the next update.
    pub async fn next(&mut self, updates: &mut Updates) -> String {
        let next = async {
            match updates {
                Updates::Stream(stream) => match stream.next().await.expect("the stream lives") {
                    Some(ServerNotification::ResourceUpdatedNotification(note)) => note.params.uri,
                    other => panic!("not an update: {other:?}"),
                },
                Updates::Session(_) => self.updated.recv().await.expect("the handler lives"),
            }
        };
        timeout(Duration::from_secs(UPDATE_SECONDS_MAX), next).await.expect("an update comes")
    }

    pub async fn unsubscribe(&self, updates: Updates) {
        match updates {
            Updates::Stream(mut stream) => stream.cancel().await.expect("stops to listen"),
            Updates::Session(uri) => {
                let params = UnsubscribeRequestParams::new(uri);
                self.service.unsubscribe(params).await.expect("unsubscribes");
            }
        }
    }

    /// Follows a task to its end and answers what it asks; its statuses come with its end.
    pub async fn run_task(&self, name: &str, arguments: Value) -> (TaskPayload, Vec<TaskStatus>) {
        let (id, status) = self.begin_task(name, arguments).await;
        let mut statuses = vec![status];
        loop {
            let (payload, poll) = self.task(&id).await;
            statuses.push(payload.status());
            match payload {
                TaskPayload::Working => sleep(poll).await,
                TaskPayload::InputRequired { input_requests } => {
                    let answers = self.asked().answer_all(input_requests);
                    let params = UpdateTaskParams::new(&id, answers);
                    self.service.update_task(params).await.expect("is answered");
                }
                end => return (end, statuses),
            }
        }
    }

    /// Cancels a task as soon as it has begun; returns its last status.
    pub async fn cancel_task(&self, name: &str, arguments: Value) -> TaskStatus {
        let (id, _) = self.begin_task(name, arguments).await;
        self.service.cancel_task(CancelTaskParams::new(&id)).await.expect("is cancelled");
        loop {
            let (payload, poll) = self.task(&id).await;
            if payload.status().is_terminal() {
                return payload.status();
            }
            sleep(poll).await;
        }
    }

    /// Answers questions until the call becomes a task.
    async fn begin_task(&self, name: &str, arguments: Value) -> (String, TaskStatus) {
        let mut params = call_params(name, arguments);
        loop {
            match self.service.call_tool_once(params.clone()).await.expect("is called") {
                CallToolResponse::Task(begun) => return (begun.task.task_id, begun.task.status),
                CallToolResponse::InputRequired(asked) => {
                    let requests = asked.input_requests.unwrap_or_default();
                    params.input_responses = Some(self.asked().answer_all(requests));
                    params.request_state = asked.request_state;
                }
                other => panic!("{name} is no task: {other:?}"),
            }
        }
    }

    async fn task(&self, id: &str) -> (TaskPayload, Duration) {
        let seen = self.service.get_task(GetTaskParams::new(id)).await.expect("is known").task;
        let poll = seen.task.poll_interval_ms.unwrap_or(POLL_MS);
        (seen.payload, Duration::from_millis(poll))
    }
}

fn call_params(name: &str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name.to_owned()).with_arguments(object(arguments))
}

fn object(value: Value) -> JsonObject {
    serde_json::from_value(value).expect("arguments are an object")
}

/// Lets through only what the server answered as an error.
fn protocol_error<T>(outcome: Result<T, ServiceError>) -> Result<T, ErrorData> {
    outcome.map_err(|error| match error {
        ServiceError::McpError(error) => error,
        other => panic!("not an error of the protocol: {other}"),
    })
}
