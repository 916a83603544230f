//! What the server says it can do, to a client of one revision.

use crate::call::TASKS_EXTENSION;
use crate::core::{Core, Feature};
use crate::json::push_raw_member;
use crate::protocol::Revision;

/// The extension of tools that point to a resource which shows their result.
const UI_EXTENSION: &str = "io.modelcontextprotocol/ui";

/// `ServerCapabilities` as JSON. `listChanged` is true because registrations may change at any
/// time; `logging` because any tool may log.
pub(super) fn of(core: &Core, shape: Revision, is_known: bool) -> String {
    let mut out = String::from(r#"{"logging":{},"tools":{"listChanged":true}"#);
    if core.has(Feature::Resources) {
        push_raw_member(&mut out, "resources", r#"{"subscribe":true,"listChanged":true}"#);
    }
    if core.has(Feature::Prompts) {
        push_raw_member(&mut out, "prompts", r#"{"listChanged":true}"#);
    }
    if core.has(Feature::Completions) && shape.announces_completions() {
        push_raw_member(&mut out, "completions", "{}");
    }
    if core.has(Feature::Tasks) && shape.has_task_methods() {
        // Without identity everybody's tasks would be in one list.
        let list = if is_known { r#""list":{},"# } else { "" };
        let tasks = format!(r#"{{{list}"cancel":{{}},"requests":{{"tools":{{"call":{{}}}}}}}}"#);
        push_raw_member(&mut out, "tasks", &tasks);
    }
    if shape.is_modern() {
        push_extensions(core, &mut out);
    }
    out.push('}');
    out
}

fn push_extensions(core: &Core, out: &mut String) {
    let mut extensions = String::from("{");
    for (feature, id) in [(Feature::Tasks, TASKS_EXTENSION), (Feature::Ui, UI_EXTENSION)] {
        if core.has(feature) {
            push_raw_member(&mut extensions, id, "{}");
        }
    }
    extensions.push('}');
    if extensions != "{}" {
        push_raw_member(out, "extensions", &extensions);
    }
}
