//! What the host answers: content blocks, results of each kind, and how each revision sees them.
//!
//! Turns results into the JSON of `CallToolResult` and its sisters. Does not know the envelope
//! around it; the caller hands over what its era adds.

mod block;
mod completion;
mod prompt;
mod read;
mod result;
mod role;

pub use block::Content;
pub use completion::CompletionResult;
pub use prompt::PromptResult;
pub(crate) use read::ReadDefaults;
pub use read::ReadResult;
pub(crate) use result::Extra;
pub use result::ToolResult;
pub use role::Role;

/// What a call is answered with; which one depends on what was called.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallResult {
    /// Of `tools/call`.
    Tool(ToolResult),
    /// Of `resources/read`.
    Read(ReadResult),
    /// Of `prompts/get`.
    Prompt(PromptResult),
    /// Of `completion/complete`.
    Completion(CompletionResult),
}

impl CallResult {
    /// About how many bytes the result takes on the wire; escaping can add to it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            CallResult::Tool(result) => result.bytes(),
            CallResult::Read(result) => result.bytes(),
            CallResult::Prompt(result) => result.bytes(),
            CallResult::Completion(result) => result.bytes(),
        }
    }
}

impl From<ToolResult> for CallResult {
    fn from(result: ToolResult) -> CallResult {
        CallResult::Tool(result)
    }
}

impl From<ReadResult> for CallResult {
    fn from(result: ReadResult) -> CallResult {
        CallResult::Read(result)
    }
}

impl From<PromptResult> for CallResult {
    fn from(result: PromptResult) -> CallResult {
        CallResult::Prompt(result)
    }
}

impl From<CompletionResult> for CallResult {
    fn from(result: CompletionResult) -> CallResult {
        CallResult::Completion(result)
    }
}
