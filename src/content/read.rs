//! What was read from a resource, as each revision reads it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::content::Content;
use crate::content::block::BLOCK_BYTES;
use crate::content::result::{Extra, write_meta};
use crate::error::{Error, Result};
use crate::json::{push_key, push_raw_member, push_text_member};
use crate::protocol::Revision;
use crate::uri;

/// What one `resources/read` answers: the contents of the resource, and of others that belong to
/// it, for example the files of a folder.
///
/// ```
/// let mut result = emcp::ReadResult::text("up 3 days");
/// result.push_blob(Some("proc://self/icon"), Some("image/png"), &[0; 8]).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReadResult {
    contents: Vec<Contents>,
}

/// The contents of one resource.
#[derive(Clone, Debug)]
struct Contents {
    /// `None`: the URI that was asked for.
    uri: Option<String>,
    /// `None`: what the resource was registered with.
    mime: Option<String>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Text(String),
    /// Base64 with padding.
    Blob(String),
}

/// What contents say that say nothing themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadDefaults<'a> {
    pub(crate) uri: &'a str,
    pub(crate) mime: Option<&'a str>,
    /// A compact JSON object.
    pub(crate) meta: Option<&'a str>,
}

impl ReadResult {
    /// The text of the resource that was asked for.
    pub fn text(text: impl Into<String>) -> ReadResult {
        let contents = Contents { uri: None, mime: None, body: Body::Text(text.into()) };
        ReadResult { contents: vec![contents] }
    }

    /// The bytes of the resource that was asked for.
    pub fn blob(bytes: &[u8]) -> ReadResult {
        let contents = Contents { uri: None, mime: None, body: Body::Blob(STANDARD.encode(bytes)) };
        ReadResult { contents: vec![contents] }
    }

    /// Appends text of the resource at `uri`; `None` is the one that was asked for. Without `mime`
    /// it has the type of the registration.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) when `uri` has no scheme.
    pub fn push_text(
        &mut self,
        uri: Option<&str>,
        mime: Option<&str>,
        text: impl Into<String>,
    ) -> Result<()> {
        self.push(uri, mime, || Body::Text(text.into()))
    }

    /// As [`ReadResult::push_text`] for bytes.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn push_blob(&mut self, uri: Option<&str>, mime: Option<&str>, bytes: &[u8]) -> Result<()> {
        self.push(uri, mime, || Body::Blob(STANDARD.encode(bytes)))
    }

    /// Appends what a content block holds: text and bytes alone are those of the resource that was
    /// asked for, an embedded resource is one of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) for a block that holds neither.
    pub fn push_content(&mut self, content: Content) -> Result<()> {
        let (uri, mime, body) = match content {
            Content::Text { text } => (None, None, Body::Text(text)),
            Content::Image { data, mime } | Content::Audio { data, mime } => {
                (None, Some(mime), Body::Blob(data))
            }
            Content::ResourceText { uri, mime, text } => (Some(uri), mime, Body::Text(text)),
            Content::ResourceBlob { uri, mime, blob } => (Some(uri), mime, Body::Blob(blob)),
            Content::Link { .. } | Content::Raw(_) => {
                return Err(Error::Config("a resource holds text or bytes".into()));
            }
        };
        self.contents.push(Contents { uri, mime, body });
        Ok(())
    }

    fn push(
        &mut self,
        uri: Option<&str>,
        mime: Option<&str>,
        body: impl FnOnce() -> Body,
    ) -> Result<()> {
        let uri = uri.map(uri::parse).transpose()?;
        self.contents.push(Contents { uri, mime: mime.map(String::from), body: body() });
        Ok(())
    }

    /// Tells whether nothing was put into the result.
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    /// About how many bytes the result takes on the wire; escaping can add to it.
    pub(crate) fn bytes(&self) -> usize {
        let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let bytes = |contents: &Contents| {
            let (Body::Text(body) | Body::Blob(body)) = &contents.body;
            BLOCK_BYTES + len(&contents.uri) + len(&contents.mime) + body.len()
        };
        BLOCK_BYTES + self.contents.iter().map(bytes).sum::<usize>()
    }

    /// Appends the `ReadResourceResult` object as a client of `shape` can read it.
    pub(crate) fn write(
        &self,
        shape: Revision,
        defaults: ReadDefaults<'_>,
        extra: Extra<'_>,
        out: &mut String,
    ) {
        extra.open(out);
        push_key(out, "contents");
        out.push('[');
        for (index, contents) in self.contents.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            contents.write(shape, defaults, out);
        }
        out.push(']');
        extra.close(shape, None, out);
    }
}

impl Contents {
    fn write(&self, shape: Revision, defaults: ReadDefaults<'_>, out: &mut String) {
        out.push('{');
        push_text_member(out, "uri", self.uri.as_deref().unwrap_or(defaults.uri));
        if let Some(mime) = self.mime.as_deref().or(defaults.mime) {
            push_text_member(out, "mimeType", mime);
        }
        match &self.body {
            Body::Text(text) => push_text_member(out, "text", text),
            // Base64 needs no escaping.
            Body::Blob(blob) => push_raw_member(out, "blob", &format!("\"{blob}\"")),
        }
        if shape.shows_meta() {
            write_meta(defaults.meta, None, out);
        }
        out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Revision::{V2025_03_26, V2026_07_28};

    #[test]
    fn contents_take_what_they_do_not_say_from_the_registration() {
        let mut result = ReadResult::text("a");
        result.push_blob(Some("x:other"), Some("image/png"), &[0, 255]).unwrap();
        assert!(result.push_text(Some("nowhere"), None, "").is_err());
        let defaults =
            ReadDefaults { uri: "x:a", mime: Some("text/plain"), meta: Some(r#"{"k":1}"#) };
        let mut out = String::new();
        result.write(V2025_03_26, defaults, Extra::default(), &mut out);
        let own = r#"{"contents":[{"uri":"x:a","mimeType":"text/plain","text":"a""#;
        let other = r#"},{"uri":"x:other","mimeType":"image/png","blob":"AP8="}]}"#;
        assert_eq!(out, format!("{own}{other}"));
        out.clear();
        result.write(V2026_07_28, defaults, Extra::default(), &mut out);
        assert!(out.starts_with(&format!("{own},\"_meta\":{{\"k\":1}}}},")), "{out}");
    }
}
