//! The description of one resource, or of a family of them with a template for a URI.
//!
//! Says what it is called and what clients should know of it. What is in it is the business of the
//! function that the registry keeps beside it.

use std::sync::Mutex;
use std::time::Duration;

use crate::content::Role;
use crate::error::{Error, Result};
use crate::json::{push_key, push_raw_member, push_string, push_text_member};
use crate::protocol::Revision;
use crate::registry::about::{About, describe};
use crate::registry::uri_template::UriTemplate;
use crate::registry::{Listed, wrong};
use crate::sync::lock;
use crate::uri;

/// One resource, or a template for many, before it is added to a server.
///
/// ```
/// use emcp::Resource;
///
/// let config = Resource::new("config://daemon", "config").unwrap().mime("application/json");
/// let metric = Resource::template("metrics://{chart}/{dimension}", "metric").unwrap();
/// ```
#[derive(Debug)]
pub struct Resource {
    pub(crate) place: Place,
    name: String,
    pub(crate) about: About,
    pub(crate) mime: Option<String>,
    audience: Vec<Role>,
    priority: Option<f64>,
    /// What may change while the resource is there.
    stat: Mutex<Stat>,
    /// How long modern clients may keep what they read; `None`: as the server says.
    pub(crate) ttl: Option<Duration>,
}

/// Where a resource is.
#[derive(Debug)]
pub(crate) enum Place {
    /// At one URI.
    Uri(String),
    /// At every URI that fits the template.
    Template(UriTemplate),
}

/// Size and age as the list shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stat {
    bytes: Option<u64>,
    /// ISO 8601.
    last_modified: Option<String>,
}

impl Resource {
    /// A resource at one URI. `name` is short and for programs; people read the title.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when `uri` has no scheme or `name` is empty.
    pub fn new(uri: &str, name: impl Into<String>) -> Result<Resource> {
        Resource::at(Place::Uri(uri::parse(uri)?), name.into())
    }

    /// Resources at all URIs that fit `template` (RFC 6570). Its variables are arguments of each
    /// call; see [`CallHandle::arguments`](crate::CallHandle::arguments).
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when `template` cannot be matched against a URI or `name` is empty.
    pub fn template(template: &str, name: impl Into<String>) -> Result<Resource> {
        Resource::at(Place::Template(UriTemplate::parse(template)?), name.into())
    }

    fn at(place: Place, name: String) -> Result<Resource> {
        if name.is_empty() {
            return Err(Error::Config(format!("name of resource {:?} is empty", place.text())));
        }
        Ok(Resource {
            place,
            name,
            about: About::default(),
            mime: None,
            audience: Vec::new(),
            priority: None,
            stat: Mutex::default(),
            ttl: None,
        })
    }

    /// The type of what is read, unless the function says another.
    pub fn mime(mut self, mime: impl Into<String>) -> Resource {
        self.mime = Some(mime.into());
        self
    }

    /// Who it is meant for. Default: not said.
    pub fn audience(mut self, roles: &[Role]) -> Resource {
        self.audience = roles.to_vec();
        self
    }

    /// How much it matters, from 0 to 1, which means needed. Default: not said.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for any other number.
    pub fn priority(mut self, priority: f64) -> Result<Resource> {
        if !(0.0..=1.0).contains(&priority) {
            return Err(wrong(&self, &Error::Config(format!("priority {priority} is not 0 to 1"))));
        }
        self.priority = Some(priority);
        Ok(self)
    }

    /// Size in bytes, and when it was last changed as ISO 8601 text, `2026-07-28T12:00:00Z`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is no date and time.
    pub fn stat(self, bytes: Option<u64>, last_modified: Option<&str>) -> Result<Resource> {
        self.set_stat(bytes, last_modified)?;
        Ok(self)
    }

    /// How long modern clients may keep what they read (`ttlMs`). Zero means as the server says,
    /// which is the default.
    pub fn ttl(mut self, ttl: Duration) -> Resource {
        self.ttl = (!ttl.is_zero()).then_some(ttl);
        self
    }

    /// The variables of `uri` if it fits the template; none for a resource at one URI.
    pub(crate) fn match_uri(&self, uri: &str) -> Option<Vec<(String, String)>> {
        match &self.place {
            Place::Uri(_) => None,
            Place::Template(template) => template.match_uri(uri),
        }
    }

    pub(crate) fn is_template(&self) -> bool {
        matches!(self.place, Place::Template(_))
    }

    /// Tells whether the template has the variable `name`.
    pub(crate) fn has_variable(&self, name: &str) -> bool {
        match &self.place {
            Place::Uri(_) => false,
            Place::Template(template) => template.variables().any(|variable| variable == name),
        }
    }

    /// Changes size and age; tells whether that is a change.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the text is no date and time.
    pub(crate) fn set_stat(&self, bytes: Option<u64>, modified: Option<&str>) -> Result<bool> {
        if let Some(text) = modified.filter(|text| !is_date_time(text)) {
            let problem = format!("{text:?} is not a time like 2026-07-28T12:00:00Z");
            return Err(wrong(self, &Error::Config(problem)));
        }
        let new = Stat { bytes, last_modified: modified.map(String::from) };
        let mut stat = lock(&self.stat);
        let is_change = *stat != new;
        *stat = new;
        Ok(is_change)
    }

    fn annotations(&self, shape: Revision, stat: &Stat) -> Option<String> {
        let mut out = String::from("{");
        if !self.audience.is_empty() {
            push_key(&mut out, "audience");
            out.push('[');
            for (index, role) in self.audience.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_string(&mut out, role.as_str());
            }
            out.push(']');
        }
        if let Some(priority) = self.priority {
            push_raw_member(&mut out, "priority", &priority.to_string());
        }
        if let Some(time) = stat.last_modified.as_ref().filter(|_| shape.shows_last_modified()) {
            push_text_member(&mut out, "lastModified", time);
        }
        out.push('}');
        (out != "{}").then_some(out)
    }
}

describe!(Resource);

impl Listed for Resource {
    const KIND: &'static str = "resource";

    fn key(&self) -> &str {
        self.place.text()
    }

    fn listing(&self, shape: Revision) -> String {
        let stat = lock(&self.stat).clone();
        let mut out = String::from("{");
        let key = if self.is_template() { "uriTemplate" } else { "uri" };
        push_text_member(&mut out, key, self.key());
        push_text_member(&mut out, "name", &self.name);
        self.about.push_texts(shape, &mut out);
        if let Some(mime) = &self.mime {
            push_text_member(&mut out, "mimeType", mime);
        }
        if let Some(annotations) = self.annotations(shape, &stat) {
            push_raw_member(&mut out, "annotations", &annotations);
        }
        // A template stands for many resources, which have no size together.
        if let Some(bytes) = stat.bytes.filter(|_| !self.is_template()) {
            push_raw_member(&mut out, "size", &bytes.to_string());
        }
        self.about.push_icons(shape, &mut out);
        self.about.push_meta(shape, &mut out);
        out.push('}');
        out
    }

    fn about(&self) -> &About {
        &self.about
    }
}

impl Place {
    fn text(&self) -> &str {
        match self {
            Place::Uri(uri) => uri,
            Place::Template(template) => template.as_str(),
        }
    }
}

/// Looks at the form only: `YYYY-MM-DDThh:mm:ss`, perhaps a fraction, and `Z` or an offset
/// (RFC 3339 section 5.6).
fn is_date_time(text: &str) -> bool {
    let form = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
    };
    let Some((start, rest)) = text.split_at_checked(19) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|ch: char| ch.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    form(start, "0000-00-00T00:00:00")
        && (zone == "Z" || form(zone, "+00:00") || form(zone, "-00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Revision::{V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28};

    fn config() -> Resource {
        Resource::new("config://a", "config").unwrap()
    }

    #[test]
    fn each_revision_gets_the_members_that_it_knows() {
        let resource = config()
            .title("T")
            .description("D")
            .mime("text/plain")
            .audience(&[Role::User, Role::Assistant])
            .priority(0.5)
            .unwrap()
            .stat(Some(7), Some("2026-07-28T12:00:00Z"))
            .unwrap()
            .icons(r#"[{"src":"data:,"}]"#)
            .unwrap()
            .meta(r#"{"k": 1}"#)
            .unwrap();
        let start = r#"{"uri":"config://a","name":"config","#;
        let text = r#""description":"D","mimeType":"text/plain","#;
        let notes = r#""annotations":{"audience":["user","assistant"],"priority":0.5"#;
        let (old, new) = ("},", r#","lastModified":"2026-07-28T12:00:00Z"},"#);
        let (title, size) = (r#""title":"T","#, r#""size":7"#);
        let (icons, meta) = (r#","icons":[{"src":"data:,"}]"#, r#","_meta":{"k":1}"#);
        let check =
            |shape, expected: &[&str]| assert_eq!(resource.listing(shape), expected.concat());
        check(V2024_11_05, &[start, text, notes, old, size, "}"]);
        check(V2025_03_26, &[start, text, notes, old, size, "}"]);
        check(V2025_06_18, &[start, title, text, notes, new, size, meta, "}"]);
        check(V2025_11_25, &[start, title, text, notes, new, size, icons, meta, "}"]);
        check(V2026_07_28, &[start, title, text, notes, new, size, icons, meta, "}"]);
    }

    #[test]
    fn a_template_lists_its_template() {
        let template = Resource::template("metrics://{chart}", "metric").unwrap();
        assert_eq!(
            template.listing(V2026_07_28),
            r#"{"uriTemplate":"metrics://{chart}","name":"metric"}"#
        );
        assert!(template.has_variable("chart") && !template.has_variable("other"));
    }

    #[test]
    fn what_changed_is_known() {
        let resource = config();
        assert!(resource.set_stat(Some(1), None).unwrap());
        assert!(!resource.set_stat(Some(1), None).unwrap());
        assert!(resource.set_stat(Some(1), Some("yesterday")).is_err());
    }

    #[test]
    fn impossible_resources_are_refused() {
        assert!(Resource::new("nowhere", "n").is_err());
        assert!(Resource::new("a:b", "").is_err());
        assert!(Resource::template("a:{", "n").is_err());
        assert!(config().priority(1.5).is_err());
        assert!(config().priority(f64::NAN).is_err());
        assert!(config().meta("[]").is_err());
    }

    #[test]
    fn times_have_the_form_of_rfc_3339() {
        for text in ["2026-07-28T12:00:00Z", "2026-07-28T12:00:00.5Z", "2026-07-28T12:00:00+02:00"]
        {
            assert!(is_date_time(text), "{text}");
        }
        for text in [
            "",
            "2026-07-28",
            "2026-07-28T12:00:00",
            "2026-07-28T12:00:00.Z",
            "ä".repeat(10).as_str(),
        ] {
            assert!(!is_date_time(text), "{text}");
        }
    }
}
