//! What a client can ask the host for.

/// What a call is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CallKind {
    /// `tools/call`.
    Tool = 1,
    /// `resources/read`.
    Resource = 2,
    /// `prompts/get`.
    Prompt = 3,
    /// `completion/complete`.
    Completion = 4,
}

impl CallKind {
    pub(crate) fn method(self) -> &'static str {
        match self {
            CallKind::Tool => "tools/call",
            CallKind::Resource => "resources/read",
            CallKind::Prompt => "prompts/get",
            CallKind::Completion => "completion/complete",
        }
    }

    /// Tells whether the host may ask the user on the way (2026-07-28, multi round-trip requests).
    pub(crate) fn may_ask(self) -> bool {
        self != CallKind::Completion
    }
}
