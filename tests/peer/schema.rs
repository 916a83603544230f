//! The published JSON Schemas. They are not part of this repository; without them nothing is
//! checked and a message says so.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::{MODERN, parse};

/// The schema of one revision.
pub(crate) struct Schema {
    revision: String,
    document: Value,
    /// Where its definitions are: the key changed with the dialect.
    definitions: &'static str,
    /// By kind; compiling takes longer than all messages of a test.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// Loaded once for all tests of a program.
static LOADED: Mutex<Vec<(String, Option<Arc<Schema>>)>> = Mutex::new(Vec::new());

impl Schema {
    /// Loads the schema of `revision`; `None` when it is not there.
    pub(crate) fn load(revision: &str) -> Option<Arc<Schema>> {
        let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, schema)) = loaded.iter().find(|(known, _)| known == revision) {
            return schema.clone();
        }
        let schema = Schema::read(revision).map(Arc::new);
        loaded.push((revision.into(), schema.clone()));
        schema
    }

    fn read(revision: &str) -> Option<Schema> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/spec/schema");
        let path = folder.join(format!("{revision}.json"));
        let Ok(text) = std::fs::read(&path) else {
            eprintln!("skipped: {} is not there", path.display());
            return None;
        };
        let mut document = parse(text);
        let definitions = if document.get("$defs").is_some() { "$defs" } else { "definitions" };
        let kinds = document[definitions].as_object_mut().expect("definitions");
        let mut parts = Vec::new();
        kinds.values().for_each(|definition| parts_of_conjunctions(definition, &mut parts));
        for (kind, definition) in kinds.iter_mut() {
            if !is_open(kind) && !parts.contains(kind) {
                close(definition, kind.ends_with("Notification") || kind.ends_with("Request"));
            }
        }
        let validators = Mutex::default();
        Some(Schema { revision: revision.into(), document, definitions, validators })
    }

    /// Asserts that `value` is what the schema calls `kind`, and that it has no members there that
    /// the schema does not name.
    #[track_caller]
    pub(crate) fn check(&self, kind: &str, value: &Value) {
        let validator = self.validator(kind);
        let problems: Vec<String> = validator
            .iter_errors(value)
            .map(|problem| format!("{problem} at {}", problem.instance_path()))
            .collect();
        assert!(problems.is_empty(), "not a {kind}: {value:#}\n{problems:#?}");
    }

    pub(crate) fn accepts(&self, kind: &str, value: &Value) -> bool {
        self.validator(kind).is_valid(value)
    }

    fn validator(&self, kind: &str) -> Arc<Validator> {
        let mut validators =
            self.validators.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let compile = || {
            let validator = jsonschema::options().build(&self.excerpt(kind)).unwrap();
            // A reference that is not followed would let everything pass.
            assert!(!validator.is_valid(&Value::Null), "{kind} is not looked at");
            Arc::new(validator)
        };
        validators.entry(kind.into()).or_insert_with(compile).clone()
    }

    /// A document of `kind` and of what it refers to: the whole takes far longer to compile.
    fn excerpt(&self, kind: &str) -> Value {
        let mut needed = BTreeSet::new();
        let mut open = vec![kind.to_owned()];
        while let Some(kind) = open.pop() {
            let definition = self.definition(&kind);
            if needed.insert(kind) {
                references(definition, &mut open);
            }
        }
        let kept: Map<String, Value> =
            needed.into_iter().map(|kind| (kind.clone(), self.definition(&kind).clone())).collect();
        json!({
            "$schema": self.document["$schema"],
            "$ref": format!("#/{}/{kind}", self.definitions),
            self.definitions: kept,
        })
    }

    fn definition(&self, kind: &str) -> &Value {
        let definition = self.document[self.definitions].get(kind);
        definition.unwrap_or_else(|| panic!("the schema of {} has no {kind}", self.revision))
    }

    fn has(&self, kind: &str) -> bool {
        self.document[self.definitions].get(kind).is_some()
    }

    /// The name of an envelope that was split in two by 2025-11-25.
    fn either<'a>(&self, newer: &'a str, older: &'a str) -> &'a str {
        if self.has(newer) { newer } else { older }
    }

    #[track_caller]
    pub(crate) fn check_result(&self, kind: &str, message: &Value) {
        self.check(self.either("JSONRPCResultResponse", "JSONRPCResponse"), message);
        self.check(kind, &message["result"]);
    }

    #[track_caller]
    pub(crate) fn check_error(&self, message: &Value) {
        self.check(self.either("JSONRPCErrorResponse", "JSONRPCError"), message);
    }

    #[track_caller]
    pub(crate) fn check_notification(&self, kind: &str, message: &Value) {
        self.check("JSONRPCNotification", message);
        self.check("ServerNotification", message);
        self.check(kind, message);
    }

    /// Asserts that the revision knows `message` of the server; `method` is that of the request
    /// that it answers, if it answers one.
    #[track_caller]
    pub(crate) fn check_message(&self, message: &Value, method: Option<&str>) {
        self.check("JSONRPCMessage", message);
        if let Some(own) = message["method"].as_str() {
            match message.get("id") {
                Some(_) => self.check_request(own, message),
                None => self.check_any_notification(own, message),
            }
        } else if message.get("error").is_some() {
            self.check_any_error(message);
        } else {
            let method = method.unwrap_or_else(|| panic!("an answer to nothing: {message}"));
            self.check_any_result(method, message);
        }
    }

    #[track_caller]
    fn check_request(&self, method: &str, message: &Value) {
        let kind = match method {
            "ping" => "PingRequest",
            "sampling/createMessage" => "CreateMessageRequest",
            "roots/list" => "ListRootsRequest",
            "elicitation/create" => "ElicitRequest",
            _ => panic!("not a request of a server: {message}"),
        };
        // The modern schema has these kinds too, as parts of results.
        assert_ne!(self.revision, MODERN, "a modern server asks nothing: {message}");
        self.check("JSONRPCRequest", message);
        self.check("ServerRequest", message);
        self.check(kind, message);
    }

    #[track_caller]
    fn check_any_notification(&self, method: &str, message: &Value) {
        let kind = match method {
            "notifications/cancelled" => "CancelledNotification",
            "notifications/progress" => "ProgressNotification",
            "notifications/message" => "LoggingMessageNotification",
            "notifications/tools/list_changed" => "ToolListChangedNotification",
            "notifications/prompts/list_changed" => "PromptListChangedNotification",
            "notifications/resources/list_changed" => "ResourceListChangedNotification",
            "notifications/resources/updated" => "ResourceUpdatedNotification",
            "notifications/elicitation/complete" => "ElicitationCompleteNotification",
            "notifications/tasks/status" => "TaskStatusNotification",
            "notifications/subscriptions/acknowledged" => "SubscriptionsAcknowledgedNotification",
            // Of the tasks extension, which has no schema here.
            "notifications/tasks" if self.revision == MODERN => {
                return self.check("JSONRPCNotification", message);
            }
            _ => panic!("not a notification of a server: {message}"),
        };
        self.check_notification(kind, message);
    }

    #[track_caller]
    fn check_any_error(&self, message: &Value) {
        self.check_error(message);
        let kind = match message["error"]["code"].as_i64() {
            Some(-32020) => "HeaderMismatchError",
            Some(-32021) => "MissingRequiredClientCapabilityError",
            Some(-32022) => "UnsupportedProtocolVersionError",
            Some(-32042) => "URLElicitationRequiredError",
            _ => return,
        };
        if self.has(kind) {
            self.check(kind, message);
        }
    }

    #[track_caller]
    fn check_any_result(&self, method: &str, message: &Value) {
        let result = &message["result"];
        let kind = match (method, result["resultType"].as_str()) {
            (_, Some("input_required")) => "InputRequiredResult",
            // Of the tasks extension, which has no schema here.
            (_, Some("task")) => "Result",
            _ if self.revision == MODERN && method.starts_with("tasks/") => "Result",
            ("tools/call", None) if result.get("task").is_some() => "CreateTaskResult",
            ("initialize", _) => "InitializeResult",
            ("ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe", _) => {
                "EmptyResult"
            }
            ("server/discover", _) => "DiscoverResult",
            ("tools/list", _) => "ListToolsResult",
            ("tools/call", _) => "CallToolResult",
            ("resources/list", _) => "ListResourcesResult",
            ("resources/templates/list", _) => "ListResourceTemplatesResult",
            ("resources/read", _) => "ReadResourceResult",
            ("prompts/list", _) => "ListPromptsResult",
            ("prompts/get", _) => "GetPromptResult",
            ("completion/complete", _) => "CompleteResult",
            ("subscriptions/listen", _) => "SubscriptionsListenResult",
            ("tasks/get", _) => "GetTaskResult",
            ("tasks/result", _) => "GetTaskPayloadResult",
            ("tasks/list", _) => "ListTasksResult",
            ("tasks/cancel", _) => "CancelTaskResult",
            _ => panic!("no result is known for {method}: {message}"),
        };
        self.check_result(kind, message);
    }
}

/// Tells whether the definition `kind` is the base of others, which add members to it, or one to
/// which extensions add some.
fn is_open(kind: &str) -> bool {
    matches!(kind, "Result" | "Notification" | "Request" | "CacheableResult" | "PaginatedResult")
        || kind == "SubscriptionFilter"
        || kind.starts_with("JSONRPC")
        || kind.ends_with("MetaObject")
}

/// Forbids members that a schema does not name. Published schemas allow them for the sake of later
/// revisions, so that what a revision does not know would pass.
fn close(schema: &mut Value, is_envelope: bool) {
    match schema {
        Value::Object(members) => {
            let names = members.get("properties").and_then(Value::as_object);
            let has_names = names.is_some_and(|names| !names.is_empty());
            if has_names && !is_envelope && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".into(), false.into());
            }
            for (name, member) in members.iter_mut() {
                // A JSON Schema within has the keywords of its dialect; each part of a conjunction
                // names some members only.
                if !matches!(&**name, "inputSchema" | "outputSchema" | "allOf") {
                    close(member, false);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, false)),
        _ => {}
    }
}

/// Adds the kinds that stand beside others in a conjunction: each names a part of the members.
fn parts_of_conjunctions(schema: &Value, kinds: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            members.get("allOf").into_iter().for_each(|parts| references(parts, kinds));
            members.values().for_each(|member| parts_of_conjunctions(member, kinds));
        }
        Value::Array(items) => items.iter().for_each(|item| parts_of_conjunctions(item, kinds)),
        _ => {}
    }
}

/// Adds the kinds that `schema` refers to.
fn references(schema: &Value, kinds: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            kinds.extend(reference.and_then(|at| at.rsplit('/').next()).map(str::to_owned));
            members.values().for_each(|member| references(member, kinds));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, kinds)),
        _ => {}
    }
}
