//! The usual form of a request or notification, read in one pass with the places of its params.
//!
//! Whatever is unusual about a text, and whatever is wrong with it, is for the general way to find
//! and to name. Tests hold both to the same meaning.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::params::Found;
use super::{Id, Message, Params};

/// `None` for what the general way is to read.
pub(super) fn parse(text: &str) -> Option<Message> {
    let Usual { version, id, method, params } = serde_json::from_str(text).ok()?;
    if version != Some("2.0") {
        return None;
    }
    let method = method?.to_owned();
    let params = params.map_or_else(|| Some(Params::default()), |found| found.params(text))?;
    Some(match id {
        Some(id) => Message::Request { id: Id::parse(id)?, method, params },
        None => Message::Notification { method, params },
    })
}

/// Each at most once, and nothing else.
#[derive(Default)]
struct Usual<'a> {
    version: Option<&'a str>,
    id: Option<&'a RawValue>,
    method: Option<&'a str>,
    params: Option<Found<'a>>,
}

impl<'de> Deserialize<'de> for Usual<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Usual<'de>, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Usual<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Usual<'de>, A::Error> {
                let mut read = Usual::default();
                // A name or a text with an escape is not borrowed, and so an error.
                while let Some(name) = map.next_key::<&str>()? {
                    let is_new = match name {
                        "jsonrpc" => read.version.replace(map.next_value()?).is_none(),
                        "id" => read.id.replace(map.next_value()?).is_none(),
                        "method" => read.method.replace(map.next_value()?).is_none(),
                        "params" => read.params.replace(map.next_value()?).is_none(),
                        _ => false,
                    };
                    if !is_new {
                        return Err(A::Error::custom("unusual"));
                    }
                }
                Ok(read)
            }
        }

        from.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::parse_any;
    use super::*;

    /// Both ways, which must come to the same; tells whether the short one took it.
    #[track_caller]
    fn check(text: &str) -> bool {
        let Some(usual) = parse(text) else { return false };
        let general = parse_any(text).unwrap_or_else(|why| panic!("{why:?}: {text}"));
        let members = ["name", "arguments", "_meta", "x", "a b"];
        let show = |message: Message| match message {
            Message::Request { id, method, params } => {
                let found = members.map(|name| params.member(name).map(str::to_owned));
                let is_clear = params.is_clear();
                (Some(id), method, params.text().to_owned(), found, is_clear)
            }
            Message::Notification { method, params } => {
                let found = members.map(|name| params.member(name).map(str::to_owned));
                let is_clear = params.is_clear();
                (None, method, params.text().to_owned(), found, is_clear)
            }
            Message::Response { .. } => panic!("a response is not usual: {text}"),
        };
        let (usual, general) = (show(usual), show(general));
        // An empty object may have blanks inside, which nobody sees.
        let is_empty = |text: &str| text.bytes().all(|byte| b"{} \t\r\n".contains(&byte));
        match is_empty(&usual.2) && is_empty(&general.2) {
            true => assert_eq!((usual.0, usual.1, usual.3), (general.0, general.1, general.3)),
            false => assert_eq!(usual, general, "{text}"),
        }
        true
    }

    #[test]
    fn the_usual_is_read_in_both_ways_alike() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","method":"n"}"#,
            r#" { "method" : "tools/call" , "params" : { "name" : "x" , "arguments" : {"name":1} } , "id" : "a" , "jsonrpc" : "2.0" } "#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{ }}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"}{","x":[{}]}}"#,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\n\t\"x\":1 \r\n}}",
        ] {
            assert!(check(text), "{text}");
        }
    }

    #[test]
    fn the_rest_goes_the_general_way() {
        for text in [
            r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
            r#"{"id":1,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"x":1,"x":2}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"\u0078":1}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"\u006d"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","extra":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m"}x"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","#,
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_usual_is_so_to_the_general_way_too() {
        let seeds = [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{}}}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"x":[1,{"name":"}"}],"_meta":{}}}"#,
        ];
        let mut random = crate::random::sequence(1);
        let mut taken = 0;
        for round in 0..40_000 {
            let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
            for _ in 0..=random(2) {
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes.insert(at, b"{}[]\":, \\x1"[random(11)]),
                    1 => drop(bytes.remove(at)),
                    _ => bytes[at] = b"{}[]\":, \\x1"[random(11)],
                }
            }
            taken += usize::from(std::str::from_utf8(&bytes).is_ok_and(check));
        }
        assert!(taken > 1000, "only {taken} texts were usual");
    }
}
