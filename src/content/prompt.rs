//! The messages of a prompt as each revision reads them.

use crate::content::block::BLOCK_BYTES;
use crate::content::result::Extra;
use crate::content::{Content, Role};
use crate::json::{push_key, push_text_member};
use crate::protocol::Revision;

/// What one `prompts/get` answers: messages that the client puts into its conversation.
///
/// ```
/// use emcp::{Content, PromptResult, Role};
///
/// let mut result = PromptResult::default();
/// result.push(Role::User, Content::text("Why is this host slow?"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct PromptResult {
    description: Option<String>,
    messages: Vec<(Role, Content)>,
}

impl PromptResult {
    /// A prompt of one message of the user.
    pub fn text(text: impl Into<String>) -> PromptResult {
        PromptResult { description: None, messages: vec![(Role::User, Content::text(text))] }
    }

    /// Says what the messages are for.
    pub fn set_description(&mut self, text: impl Into<String>) {
        self.description = Some(text.into());
    }

    /// Appends a message.
    pub fn push(&mut self, role: Role, content: Content) {
        self.messages.push((role, content));
    }

    /// Tells whether nothing was put into the result.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.description.is_none()
    }

    /// About how many bytes the result takes on the wire; escaping can add to it.
    pub(crate) fn bytes(&self) -> usize {
        let messages = self.messages.iter().map(|(_, content)| content.bytes() + BLOCK_BYTES);
        BLOCK_BYTES + self.description.as_ref().map_or(0, String::len) + messages.sum::<usize>()
    }

    /// Appends the `GetPromptResult` object as a client of `shape` can read it.
    pub(crate) fn write(&self, shape: Revision, extra: Extra<'_>, out: &mut String) {
        extra.open(out);
        if let Some(description) = &self.description {
            push_text_member(out, "description", description);
        }
        push_key(out, "messages");
        out.push('[');
        for (index, (role, content)) in self.messages.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push('{');
            push_text_member(out, "role", role.as_str());
            push_key(out, "content");
            content.write(shape, out);
            out.push('}');
        }
        out.push(']');
        extra.close(shape, None, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_order_and_take_the_shape_of_the_client() {
        let mut result = PromptResult::text("hear");
        result.set_description("d");
        result.push(Role::Assistant, Content::audio("audio/wav", b"x"));
        let mut out = String::new();
        result.write(Revision::V2024_11_05, Extra::default(), &mut out);
        let expected = concat!(
            r#"{"description":"d","messages":[{"role":"user","content":{"type":"text","text":"hear"}},"#,
            r#"{"role":"assistant","content":{"type":"text","text":"[audio/wav content left out: "#,
            r#"this client's protocol revision has no audio]"}}]}"#
        );
        assert_eq!(out, expected);
    }
}
