//! The params object of a message, with the places of its members: found once, read by many.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::Members;

/// Params as the client wrote them; absent ones read as `{}`.
#[derive(Default)]
pub(crate) struct Params {
    text: Option<Box<str>>,
    members: Index,
}

/// Parts of one text: no allocation, for a handful of members.
#[derive(Default)]
enum Index {
    Places([(Place, Place); MEMBERS_MAX], usize),
    /// They stand twice, have escapes in their names, or are many.
    Unclear,
    #[default]
    None,
}

#[derive(Clone, Copy, Default)]
struct Place {
    start: u32,
    end: u32,
}

/// Params of MCP have hardly more.
const MEMBERS_MAX: usize = 6;

impl Params {
    /// `raw` is an object.
    pub(crate) fn new(raw: &RawValue) -> Params {
        let found = serde_json::from_str::<Found<'_>>(raw.get());
        Params {
            members: found.ok().and_then(|found| found.places(raw.get())).unwrap_or(Index::Unclear),
            text: Some(raw.get().into()),
        }
    }

    /// All of them.
    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or("{}")
    }

    /// The JSON text of the member `key`; `None` when it is missing or stands twice.
    pub(crate) fn member(&self, key: &str) -> Option<&str> {
        let text = self.text();
        match &self.members {
            Index::None => None,
            Index::Places(places, count) => {
                let part = |place: &Place| &text[place.start as usize..place.end as usize];
                // Lengths first: most names are others, and a cut through a string is checked.
                let is_it = |name: &Place| {
                    (name.end - name.start) as usize == key.len() && part(name) == key
                };
                let found = places[..*count].iter().find(|(name, _)| is_it(name));
                found.map(|(_, value)| part(value))
            }
            Index::Unclear => {
                let mut found = serde_json::from_str::<Members<'_>>(text).ok()?.0.into_iter();
                let (_, value) = found.find(|(name, _)| name == key)?;
                found.all(|(name, _)| name != key).then_some(value.get())
            }
        }
    }

    /// Tells whether each member stands once, so that whoever takes one takes the only one.
    pub(crate) fn is_clear(&self) -> bool {
        !matches!(self.members, Index::Unclear)
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The text of the JSON string `json`; `None` for any other value.
pub(crate) fn string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    match inner.contains('\\') {
        false => Some(Cow::Borrowed(inner)),
        true => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// Names and values as they stand in the text, of no more than a handful of members.
pub(super) struct Found<'a> {
    members: [(&'a str, &'a str); MEMBERS_MAX],
    count: usize,
}

impl Found<'_> {
    /// The params that lie in `message`; `None` when a member stands twice.
    pub(super) fn params(&self, message: &str) -> Option<Params> {
        let (Some((first, _)), Some((_, last))) =
            (self.members[..self.count].first(), self.members[..self.count].last())
        else {
            return Some(Params { text: None, members: Index::Places(Default::default(), 0) });
        };
        // Between the brace and the first name there are blanks and a quote, behind the last value
        // blanks alone.
        let start = offset(first, message);
        let start = message[..start].rfind('{')?;
        let end = offset(last, message) + last.len();
        let end = end + message[end..].find('}')? + 1;
        let text = &message[start..end];
        Some(Params { members: self.places(text)?, text: Some(text.into()) })
    }

    /// `None` when one stands twice, or for gigabytes of text.
    fn places(&self, text: &str) -> Option<Index> {
        let place = |part: &str| {
            let start = offset(part, text);
            let end = u32::try_from(start + part.len()).ok()?;
            Some(Place { start: u32::try_from(start).ok()?, end })
        };
        let mut places = [(Place::default(), Place::default()); MEMBERS_MAX];
        let found = &self.members[..self.count];
        for (at, (name, value)) in found.iter().enumerate() {
            if found[..at].iter().any(|(known, _)| known == name) {
                return None;
            }
            places[at] = (place(name)?, place(value)?);
        }
        Some(Index::Places(places, self.count))
    }
}

/// Where `part` begins in `text`, from which it is borrowed.
fn offset(part: &str, text: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

impl<'de> Deserialize<'de> for Found<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Found<'de>, D::Error> {
        struct Finder;

        impl<'de> Visitor<'de> for Finder {
            type Value = Found<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
                let mut found = Found { members: [("", ""); MEMBERS_MAX], count: 0 };
                // A name with an escape is not borrowed, and so an error.
                while let Some((name, value)) = map.next_entry::<&str, &RawValue>()? {
                    let free = found.members.get_mut(found.count);
                    *free.ok_or_else(|| A::Error::custom("many members"))? = (name, value.get());
                    found.count += 1;
                }
                Ok(found)
            }
        }

        from.deserialize_map(Finder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::new(&RawValue::from_string(text.into()).unwrap())
    }

    #[test]
    fn members_are_found_in_place() {
        let params = params(r#"{ "name" : "x", "arguments":{"name":"y"}, "n":null }"#);
        assert_eq!(params.member("name"), Some(r#""x""#));
        assert_eq!(params.member("arguments"), Some(r#"{"name":"y"}"#));
        assert_eq!(params.member("n"), Some("null"));
        assert_eq!(params.member("absent"), None);
        assert_eq!(Params::default().member("name"), None);
        assert_eq!(Params::default().text(), "{}");
    }

    #[test]
    fn unusual_params_are_read_too() {
        let many = r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}"#;
        for (unusual, expected) in
            [(r#"{"a":1,"a":2}"#, None), (r#"{"\u0061":1}"#, Some("1")), (many, Some("1"))]
        {
            let params = params(unusual);
            assert_eq!(params.member("a"), expected, "{unusual}");
            assert!(!params.is_clear() && params.member("z").is_none());
        }
    }

    #[test]
    fn strings() {
        assert_eq!(string(r#""x""#).as_deref(), Some("x"));
        assert_eq!(string(r#""\u0078""#).as_deref(), Some("x"));
        for other in ["7", "null", "{}", "\"", r#""\ud800""#] {
            assert_eq!(string(other), None, "{other}");
        }
    }
}
