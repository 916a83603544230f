//! The revisions of the protocol. Revisions are compared in this file and nowhere else.

use crate::rpc::code;

/// One published revision, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Revision {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

use Revision::*;

impl Revision {
    pub(crate) const ALL: [Revision; 5] =
        [V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28];

    /// What a client without `MCP-Protocol-Version` is taken to speak (2025-06-18 and later,
    /// Streamable HTTP, protocol version header).
    pub(crate) const ASSUMED: Revision = V2025_03_26;

    /// What an `initialize` for a revision we do not know is answered with.
    pub(crate) const NEWEST_LEGACY: Revision = V2025_11_25;

    /// The revisions with per-request metadata, as JSON. Legacy ones are not listed: they have no
    /// claim, so a client that picked one from this list would only be refused.
    pub(crate) const MODERN_JSON: &str = r#"["2026-07-28"]"#;

    pub(crate) fn parse(text: &str) -> Option<Revision> {
        Revision::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            V2024_11_05 => "2024-11-05",
            V2025_03_26 => "2025-03-26",
            V2025_06_18 => "2025-06-18",
            V2025_11_25 => "2025-11-25",
            V2026_07_28 => "2026-07-28",
        }
    }

    /// What `initialize` with `requested` is answered with; never a modern revision.
    pub(crate) fn negotiate(requested: &str) -> Revision {
        match Revision::parse(requested) {
            Some(revision) if !revision.is_modern() => revision,
            _ => Revision::NEWEST_LEGACY,
        }
    }

    /// Metadata in every request, no handshake, no session.
    pub(crate) fn is_modern(self) -> bool {
        self >= V2026_07_28
    }

    /// JSON-RPC batches: added by 2025-03-26, removed by the next one.
    pub(crate) fn allows_batch(self) -> bool {
        self == V2025_03_26
    }

    /// An SSE reply starts with an event that has an id and empty data. Older clients fail on it.
    pub(crate) fn primes_streams(self) -> bool {
        self == V2025_11_25
    }

    /// `notifications/progress` may carry a `message`.
    pub(crate) fn has_progress_message(self) -> bool {
        self >= V2025_03_26
    }

    /// Whatever has a name may carry a `title` too.
    pub(crate) fn has_title(self) -> bool {
        self >= V2025_06_18
    }

    /// `serverInfo` may carry `icons`, `description` and `websiteUrl`.
    pub(crate) fn has_server_details(self) -> bool {
        self >= V2025_11_25
    }

    /// A place in arrays with one element per revision, [`Revision::ALL`] long.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Tools carry `annotations`.
    pub(crate) fn shows_annotations(self) -> bool {
        self >= V2025_03_26
    }

    /// Content may be `audio`.
    pub(crate) fn knows_audio(self) -> bool {
        self >= V2025_03_26
    }

    /// Tools carry `outputSchema` and results `structuredContent`.
    pub(crate) fn knows_structured(self) -> bool {
        self >= V2025_06_18
    }

    /// Structured content may be any JSON value, not only an object.
    pub(crate) fn knows_any_output(self) -> bool {
        self >= V2026_07_28
    }

    /// Content may be a `resource_link`.
    pub(crate) fn knows_links(self) -> bool {
        self >= V2025_06_18
    }

    /// Annotations carry `lastModified`.
    pub(crate) fn shows_last_modified(self) -> bool {
        self >= V2025_06_18
    }

    /// `completion/complete` has a capability of its own.
    pub(crate) fn announces_completions(self) -> bool {
        self >= V2025_03_26
    }

    /// The server may ask the user with a form.
    pub(crate) fn knows_elicitation(self) -> bool {
        self >= V2025_06_18
    }

    /// Questions to the user say whether they are a form or a page, and may be a page.
    pub(crate) fn knows_elicitation_modes(self) -> bool {
        self >= V2025_11_25
    }

    /// Questions that are a page have an id of their own.
    pub(crate) fn names_elicitations(self) -> bool {
        self == V2025_11_25
    }

    /// Tasks are part of the protocol, with `tasks/result` and a word in each tool's listing. From
    /// the next revision on they are an extension.
    pub(crate) fn has_task_methods(self) -> bool {
        self == V2025_11_25
    }

    /// The error code for a resource that is not there.
    pub(crate) fn resource_not_found(self) -> i32 {
        if self.is_modern() { code::INVALID_PARAMS } else { code::RESOURCE_NOT_FOUND }
    }

    /// Tools, resources and prompts carry `icons`.
    pub(crate) fn shows_icons(self) -> bool {
        self >= V2025_11_25
    }

    /// Everything that is listed and all content carry `_meta`.
    pub(crate) fn shows_meta(self) -> bool {
        self >= V2025_06_18
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialize_never_negotiates_a_modern_revision() {
        assert_eq!(Revision::negotiate("2024-11-05"), V2024_11_05);
        assert_eq!(Revision::negotiate("2026-07-28"), V2025_11_25);
        assert_eq!(Revision::negotiate("1999-01-01"), V2025_11_25);
    }

    #[test]
    fn names_round_trip() {
        for revision in Revision::ALL {
            assert_eq!(Revision::parse(revision.as_str()), Some(revision));
        }
    }
}
