//! Content blocks, and what stands in for one that an older revision does not know.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::json::{compact_object, push_text_member};
use crate::protocol::Revision;
use crate::uri;

/// Bytes that a block takes besides its own text: names of members, quotes, braces.
pub(super) const BLOCK_BYTES: usize = 64;

/// One block of a result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content {
    /// Text for the model.
    Text {
        /// Any text; control characters are escaped on the wire.
        text: String,
    },
    /// A picture.
    Image {
        /// Base64 with padding, as [`Content::image`] makes it.
        data: String,
        /// For example `image/png`.
        mime: String,
    },
    /// A sound. Clients of revision 2024-11-05 get a note in its place.
    Audio {
        /// Base64 with padding, as [`Content::audio`] makes it.
        data: String,
        /// For example `audio/wav`.
        mime: String,
    },
    /// A pointer to a resource. Clients before revision 2025-06-18 get text that names it.
    Link {
        /// Where the resource is.
        uri: String,
        /// What people call it.
        name: String,
        /// Its type, if known.
        mime: Option<String>,
        /// What it holds, for the model.
        description: Option<String>,
    },
    /// A resource with its text in the result.
    ResourceText {
        /// The name of the resource.
        uri: String,
        /// Its type, if known.
        mime: Option<String>,
        /// The whole text.
        text: String,
    },
    /// A resource with its bytes in the result.
    ResourceBlob {
        /// The name of the resource.
        uri: String,
        /// Its type, if known.
        mime: Option<String>,
        /// Base64 with padding, as [`Content::resource_blob`] makes it.
        blob: String,
    },
    /// A block that the host wrote itself; sent as it is wherever its type is known.
    Raw(Box<RawValue>),
}

impl Content {
    /// A text block.
    pub fn text(text: impl Into<String>) -> Content {
        Content::Text { text: text.into() }
    }

    /// An image block from plain bytes.
    pub fn image(mime: impl Into<String>, bytes: &[u8]) -> Content {
        Content::Image { data: STANDARD.encode(bytes), mime: mime.into() }
    }

    /// An audio block from plain bytes.
    pub fn audio(mime: impl Into<String>, bytes: &[u8]) -> Content {
        Content::Audio { data: STANDARD.encode(bytes), mime: mime.into() }
    }

    /// A link to a resource.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when `uri` has no scheme or `name` is empty.
    pub fn link(
        uri: &str,
        name: &str,
        mime: Option<&str>,
        description: Option<&str>,
    ) -> Result<Content> {
        if name.is_empty() {
            return Err(Error::Config(format!("name of the link to {uri:?} is empty")));
        }
        Ok(Content::Link {
            uri: uri::parse(uri)?,
            name: name.into(),
            mime: mime.map(String::from),
            description: description.map(String::from),
        })
    }

    /// A resource with its text.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when `uri` has no scheme.
    pub fn resource_text(
        uri: &str,
        mime: Option<&str>,
        text: impl Into<String>,
    ) -> Result<Content> {
        Ok(Content::ResourceText {
            uri: uri::parse(uri)?,
            mime: mime.map(String::from),
            text: text.into(),
        })
    }

    /// A resource with its bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when `uri` has no scheme.
    pub fn resource_blob(uri: &str, mime: Option<&str>, bytes: &[u8]) -> Result<Content> {
        Ok(Content::ResourceBlob {
            uri: uri::parse(uri)?,
            mime: mime.map(String::from),
            blob: STANDARD.encode(bytes),
        })
    }

    /// A block from JSON text: an object with a string `type`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is something else.
    pub fn raw(json: &str) -> Result<Content> {
        let json = compact_object("content block", json)?;
        serde_json::from_str::<Peek<'_>>(&json)
            .map_err(|error| Error::Config(format!("content block: {error}")))?;
        let raw = RawValue::from_string(json)
            .map_err(|error| Error::Config(format!("content block: {error}")))?;
        Ok(Content::Raw(raw))
    }

    /// About how many bytes the block takes on the wire; escaping can add to it.
    pub(super) fn bytes(&self) -> usize {
        let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        BLOCK_BYTES
            + match self {
                Content::Text { text } => text.len(),
                Content::Image { data, mime } | Content::Audio { data, mime } => {
                    data.len() + mime.len()
                }
                Content::Link { uri, name, mime, description } => {
                    uri.len() + name.len() + len(mime) + len(description)
                }
                Content::ResourceText { uri, mime, text: body }
                | Content::ResourceBlob { uri, mime, blob: body } => {
                    uri.len() + len(mime) + body.len()
                }
                Content::Raw(raw) => raw.get().len(),
            }
    }

    pub(super) fn is_text(&self) -> bool {
        match self {
            Content::Text { .. } => true,
            Content::Raw(raw) => peek(raw).is_some_and(|block| block.kind == "text"),
            _ => false,
        }
    }

    pub(super) fn write(&self, shape: Revision, out: &mut String) {
        match self {
            Content::Text { text } => write_text(text, out),
            Content::Image { data, mime } => write_media("image", data, mime, out),
            Content::Audio { mime, .. } if !shape.knows_audio() => write_text(&no_audio(mime), out),
            Content::Audio { data, mime } => write_media("audio", data, mime, out),
            Content::Link { uri, name, description, .. } if !shape.knows_links() => {
                write_text(&link_text(uri, name, description.as_deref()), out);
            }
            Content::Link { uri, name, mime, description } => {
                out.push_str(r#"{"type":"resource_link""#);
                push_text_member(out, "uri", uri);
                push_text_member(out, "name", name);
                push_optional(out, "mimeType", mime);
                push_optional(out, "description", description);
                out.push('}');
            }
            Content::ResourceText { uri, mime, text } => {
                write_resource(uri, mime, "text", text, out);
            }
            Content::ResourceBlob { uri, mime, blob } => {
                write_resource(uri, mime, "blob", blob, out);
            }
            Content::Raw(raw) => match raw_stand_in(raw, shape) {
                Some(text) => write_text(&text, out),
                None => out.push_str(raw.get()),
            },
        }
    }
}

/// The part of a raw block that decides who can read it.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "mimeType")]
    mime: Option<Cow<'a, str>>,
}

fn peek(raw: &RawValue) -> Option<Peek<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// The text in place of a raw block whose type a client of `shape` does not know.
fn raw_stand_in(raw: &RawValue, shape: Revision) -> Option<String> {
    if shape.knows_links() {
        return None;
    }
    let block = peek(raw)?;
    match block.kind.as_ref() {
        "audio" if !shape.knows_audio() => Some(no_audio(block.mime.as_deref().unwrap_or("audio"))),
        "resource_link" => {
            let uri = block.uri.as_deref().unwrap_or_default();
            Some(link_text(uri, block.name.as_deref().unwrap_or(uri), None))
        }
        _ => None,
    }
}

fn no_audio(mime: &str) -> String {
    format!("[{mime} content left out: this client's protocol revision has no audio]")
}

fn link_text(uri: &str, name: &str, description: Option<&str>) -> String {
    match description {
        Some(description) => format!("Resource {name}: {uri} ({description})"),
        None => format!("Resource {name}: {uri}"),
    }
}

pub(super) fn write_text(text: &str, out: &mut String) {
    out.push_str(r#"{"type":"text""#);
    push_text_member(out, "text", text);
    out.push('}');
}

fn write_media(kind: &str, data: &str, mime: &str, out: &mut String) {
    out.push('{');
    push_text_member(out, "type", kind);
    push_text_member(out, "data", data);
    push_text_member(out, "mimeType", mime);
    out.push('}');
}

fn write_resource(uri: &str, mime: &Option<String>, key: &str, body: &str, out: &mut String) {
    out.push_str(r#"{"type":"resource","resource":{"#);
    push_text_member(out, "uri", uri);
    push_optional(out, "mimeType", mime);
    push_text_member(out, key, body);
    out.push_str("}}");
}

fn push_optional(out: &mut String, key: &str, text: &Option<String>) {
    if let Some(text) = text {
        push_text_member(out, key, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Revision::{V2024_11_05, V2025_03_26, V2025_06_18, V2026_07_28};

    fn check(block: &Content, shape: Revision, expected: &str) {
        let mut out = String::new();
        block.write(shape, &mut out);
        assert_eq!(out, expected);
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
    }

    #[test]
    fn old_blocks_look_alike_everywhere() {
        for shape in Revision::ALL {
            check(&Content::text("a\n\"b\""), shape, r#"{"type":"text","text":"a\n\"b\""}"#);
            check(
                &Content::image("image/png", &[0, 255]),
                shape,
                r#"{"type":"image","data":"AP8=","mimeType":"image/png"}"#,
            );
            check(
                &Content::resource_text("log://a", Some("text/plain"), "x").unwrap(),
                shape,
                concat!(
                    r#"{"type":"resource","resource":{"uri":"log://a","#,
                    r#""mimeType":"text/plain","text":"x"}}"#
                ),
            );
            check(
                &Content::resource_blob("log://a", None, b"x").unwrap(),
                shape,
                r#"{"type":"resource","resource":{"uri":"log://a","blob":"eA=="}}"#,
            );
            check(&Content::raw(r#"{"type": "odd"}"#).unwrap(), shape, r#"{"type":"odd"}"#);
        }
    }

    #[test]
    fn audio_becomes_a_note_before_2025_03_26() {
        let note = concat!(
            r#"{"type":"text","text":"[audio/wav content left out: "#,
            r#"this client's protocol revision has no audio]"}"#
        );
        let json = r#"{"type":"audio","data":"eA==","mimeType":"audio/wav"}"#;
        for block in [Content::audio("audio/wav", b"x"), Content::raw(json).unwrap()] {
            check(&block, V2024_11_05, note);
            check(&block, V2025_03_26, json);
        }
    }

    #[test]
    fn links_become_text_before_2025_06_18() {
        let link = Content::link("log://a", "A", Some("text/plain"), Some("the log")).unwrap();
        let json = concat!(
            r#"{"type":"resource_link","uri":"log://a","name":"A","#,
            r#""mimeType":"text/plain","description":"the log"}"#
        );
        let text = r#"{"type":"text","text":"Resource A: log://a (the log)"}"#;
        check(&link, V2025_03_26, text);
        check(&link, V2025_06_18, json);
        let raw = Content::raw(r#"{"type":"resource_link","uri":"log://a","name":"A"}"#).unwrap();
        check(&raw, V2024_11_05, r#"{"type":"text","text":"Resource A: log://a"}"#);
        check(&raw, V2026_07_28, r#"{"type":"resource_link","uri":"log://a","name":"A"}"#);
    }

    #[test]
    fn impossible_blocks_are_refused() {
        for json in ["", "[]", "{}", r#"{"type":7}"#, r#"{"type":"text""#, "\"text\""] {
            assert!(Content::raw(json).is_err(), "{json}");
        }
        for uri in ["", "log", ":a", "1a:b", "a b:c", "log:a b", "log:a\nb", "/path:x"] {
            assert!(Content::resource_text(uri, None, "").is_err(), "{uri}");
        }
        assert!(Content::link("log:a", "", None, None).is_err());
    }
}
