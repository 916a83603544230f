//! What the server says of itself: name, version, instructions.

use crate::content::Extra;
use crate::error::{Error, Result};
use crate::json::{compact, push_raw_member, push_text_member};
use crate::protocol::Revision;

/// `_meta` key under which a modern result names its server.
const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// How a server introduces itself. Only `name` and `version` are needed.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The program, for example `sysmond`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// A name for people.
    pub title: Option<String>,
    /// One sentence on what it is.
    pub description: Option<String>,
    /// Where to read more.
    pub website_url: Option<String>,
    /// JSON array of icon objects.
    pub icons: Option<String>,
    /// What a model should know before it uses the tools. Clients put it into the prompt, so it
    /// pays to be short.
    pub instructions: Option<String>,
}

/// An [`Identity`] with everything prepared that is sent often.
pub(crate) struct Introduction {
    identity: Identity,
    /// The newest shape of `serverInfo`; it stands in every modern result.
    modern_info: String,
}

impl Introduction {
    /// # Errors
    /// [`Error::Config`] for an empty name or version and for icons that are not a JSON array.
    pub(crate) fn new(mut identity: Identity) -> Result<Introduction> {
        for (what, text) in [("name", &identity.name), ("version", &identity.version)] {
            if text.is_empty() {
                return Err(Error::Config(format!("server {what} is empty")));
            }
        }
        if let Some(icons) = &mut identity.icons {
            *icons = compact(icons)?;
            if !icons.starts_with('[') {
                return Err(Error::Config("server icons are not a JSON array".into()));
            }
        }
        let modern_info = info(&identity, Revision::V2026_07_28);
        Ok(Introduction { identity, modern_info })
    }

    /// The program.
    pub(crate) fn name(&self) -> &str {
        &self.identity.name
    }

    /// `serverInfo` in the shape of `revision`.
    pub(crate) fn info(&self, revision: Revision) -> String {
        info(&self.identity, revision)
    }

    /// What a result of `revision` carries besides its own members.
    pub(crate) fn result_extra(&self, revision: Revision) -> Extra<'_> {
        match revision.is_modern() {
            true => Extra {
                result_type: Some("complete"),
                meta: Some((SERVER_INFO_KEY, &self.modern_info)),
                caching: None,
            },
            false => Extra::default(),
        }
    }

    /// A modern result of the type `kind`: `members`, which may be empty, between `resultType` and
    /// `_meta`.
    pub(crate) fn modern_result(
        &self,
        kind: &str,
        members: &str,
        own_meta: Option<(&str, &str)>,
    ) -> String {
        let mut out = String::with_capacity(members.len() + self.modern_info.len() + 128);
        for part in [r#"{"resultType":""#, kind, "\""] {
            out.push_str(part);
        }
        if !members.is_empty() {
            out.push(',');
            out.push_str(members);
        }
        out.push_str(r#","_meta":{"#);
        if let Some((key, json)) = own_meta {
            for part in ["\"", key, "\":", json, ","] {
                out.push_str(part);
            }
        }
        for part in ["\"", SERVER_INFO_KEY, "\":", &self.modern_info, "}}"] {
            out.push_str(part);
        }
        out
    }

    /// The `instructions` member, or nothing.
    pub(crate) fn push_instructions(&self, out: &mut String) {
        if let Some(text) = &self.identity.instructions {
            push_text_member(out, "instructions", text);
        }
    }
}

fn info(identity: &Identity, revision: Revision) -> String {
    let mut out = String::from("{");
    push_text_member(&mut out, "name", &identity.name);
    push_text_member(&mut out, "version", &identity.version);
    if let Some(title) = identity.title.as_ref().filter(|_| revision.has_title()) {
        push_text_member(&mut out, "title", title);
    }
    if revision.has_server_details() {
        if let Some(text) = &identity.description {
            push_text_member(&mut out, "description", text);
        }
        if let Some(url) = &identity.website_url {
            push_text_member(&mut out, "websiteUrl", url);
        }
        if let Some(icons) = &identity.icons {
            push_raw_member(&mut out, "icons", icons);
        }
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_clients_see_no_new_members() {
        let identity = Identity {
            name: "n".into(),
            version: "1".into(),
            title: Some("T".into()),
            icons: Some("[ ]".into()),
            ..Identity::default()
        };
        let introduction = Introduction::new(identity).unwrap();
        assert_eq!(introduction.info(Revision::V2024_11_05), r#"{"name":"n","version":"1"}"#);
        assert_eq!(
            introduction.info(Revision::V2025_11_25),
            r#"{"name":"n","version":"1","title":"T","icons":[]}"#
        );
    }

    #[test]
    fn a_server_has_a_name_and_icons_are_an_array() {
        assert!(Introduction::new(Identity::default()).is_err());
        let identity = Identity {
            name: "n".into(),
            version: "1".into(),
            icons: Some("{}".into()),
            ..Identity::default()
        };
        assert!(Introduction::new(identity).is_err());
    }
}
