//! A digest of what a call asks for, that two spellings of the same question share.

use sha2::{Digest as _, Sha256};

use crate::json::push_string;

/// The SHA-256 of `name` and the canonical form of `arguments`.
///
/// The order of members, whitespace and the way a string is escaped do not change it; numbers count
/// as they are written, since `1` and `1.0` may differ to the host. A client may therefore build
/// the repeated call anew. Absent arguments differ from empty ones.
pub(crate) fn params_digest(name: &str, arguments: Option<&str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(u64::to_be_bytes(name.len() as u64));
    hash.update(name);
    // No JSON text is empty, so nothing else looks like absent arguments.
    hash.update(arguments.map(canonical).unwrap_or_default());
    hash.finalize().into()
}

/// Writes `json` with sorted members, without whitespace and with every string escaped one way.
///
/// Members of the same name all stay, in their order: whichever of them a reader takes, it is one
/// that the digest covers. Needs no stack for nesting, and time that grows with the text times its
/// depth, which rpc has bounded.
fn canonical(json: &str) -> String {
    let mut rest = json;
    let mut out = String::with_capacity(rest.len());
    let mut open: Vec<Open> = Vec::new();
    while let Some(byte) = rest.bytes().next() {
        let (token, tail) = rest.split_at(token_len(rest, byte));
        rest = tail;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'"' => push_spelled(&mut out, token),
            b'{' | b'[' => {
                out.push_str(token);
                open.push(Open { is_object: byte == b'{', at: out.len(), members: Vec::new() });
            }
            b':' => {
                if let Some(object) = open.last_mut() {
                    object.name_ends(out.len());
                }
                out.push(':');
            }
            b',' => {
                if let Some(object) = open.last_mut() {
                    object.member_ends(out.len());
                }
                out.push(',');
            }
            b'}' | b']' => {
                if let Some(object) = open.pop() {
                    object.sort(&mut out);
                }
                out.push_str(token);
            }
            _ => out.push_str(token),
        }
    }
    out
}

/// An array or object whose end has not come yet; places are those in the output.
struct Open {
    is_object: bool,
    /// Where the next member starts.
    at: usize,
    /// Empty for an array.
    members: Vec<Member>,
}

struct Member {
    start: usize,
    name_end: usize,
    end: usize,
}

impl Open {
    fn name_ends(&mut self, place: usize) {
        self.members.push(Member { start: self.at, name_end: place, end: place });
    }

    fn member_ends(&mut self, place: usize) {
        if let Some(member) = self.members.last_mut() {
            member.end = place;
        }
        self.at = place + 1;
    }

    /// Puts the members in the order of their names, all of which end at the end of `out`.
    fn sort(mut self, out: &mut String) {
        self.member_ends(out.len());
        let name = |member: &Member| &out[member.start..member.name_end];
        if !self.is_object || self.members.is_sorted_by_key(name) {
            return;
        }
        let start = self.members.first().map_or(out.len(), |member| member.start);
        // A stable sort: members of the same name keep their order.
        self.members.sort_by(|a, b| name(a).cmp(name(b)));
        let sorted: Vec<&str> =
            self.members.iter().map(|member| &out[member.start..member.end]).collect();
        let sorted = sorted.join(",");
        out.truncate(start);
        out.push_str(&sorted);
    }
}

/// How long the token is that `rest`, a part of valid JSON, starts with.
fn token_len(rest: &str, first: u8) -> usize {
    let until = |ends: fn(u8) -> bool| rest.bytes().position(ends).unwrap_or(rest.len());
    match first {
        b'"' => string_len(rest),
        b'-' | b'0'..=b'9' | b'a'..=b'z' => {
            until(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'))
        }
        _ => 1,
    }
}

fn string_len(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(rest.len(), |end| end + 2)
}

fn push_spelled(out: &mut String, token: &str) {
    if !token.contains('\\') {
        return out.push_str(token);
    }
    match serde_json::from_str::<String>(token) {
        Ok(text) => push_string(out, &text),
        // A lone surrogate has no string form; its spelling then is its identity.
        Err(_) => out.push_str(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        assert_eq!(canonical(json), expected, "{json}");
    }

    #[test]
    fn one_form_for_many_spellings() {
        check(r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#);
        check(" { \"b\" : [ 1 , { } ] ,\n\"a\"\t:[ ] } ", r#"{"a":[],"b":[1,{}]}"#);
        check(r#"{"\u0062":"\u0041\/","a":"x"}"#, r#"{"a":"x","b":"A/"}"#);
        check(
            r#"{"z":{"y":1,"x":{"b":[{"d":1,"c":2}],"a":0}}}"#,
            r#"{"z":{"x":{"a":0,"b":[{"c":2,"d":1}]},"y":1}}"#,
        );
        check(r#"{"b":"a\"}],{","a":"\\"}"#, r#"{"a":"\\","b":"a\"}],{"}"#);
        check(r#"["b","a",null,true]"#, r#"["b","a",null,true]"#);
        check("\"\\u00e4\u{e4}\\n\"", "\"\u{e4}\u{e4}\\n\"");
        for same in ["{}", "[]", "7", "-1.50e3", "true", r#""""#, r#""\ud800""#, "[[],[[]]]"] {
            check(same, same);
        }
    }

    #[test]
    fn numbers_and_members_of_one_name_stay_as_written() {
        check("[1,1.0,1e0,9007199254740993]", "[1,1.0,1e0,9007199254740993]");
        check(r#"{"b":0,"a":2,"a":1}"#, r#"{"a":2,"a":1,"b":0}"#);
        check(r#"{"a":2,"\u0061":1}"#, r#"{"a":2,"a":1}"#);
    }

    #[test]
    fn the_form_is_json_of_the_same_meaning() {
        let json = r#" {"k": [1, {"b": "\ud83d\ude00", "a": [[], {"z": 1, "y": null}]}], "c": ""}"#;
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect(text);
        assert_eq!(value(&canonical(json)), value(json));
    }

    #[test]
    fn the_digest_tells_calls_apart() {
        let digest = |name, json: Option<&str>| params_digest(name, json);
        assert_eq!(digest("t", Some(r#"{"a":1,"b":2}"#)), digest("t", Some(r#"{"b":2, "a":1}"#)));
        let all = [
            digest("t", None),
            digest("t{}", None),
            digest("t", Some("{}")),
            digest("u", Some("{}")),
            digest("t", Some(r#"{"a":1}"#)),
            digest("t", Some(r#"{"a":"1"}"#)),
            digest("t", Some(r#"{"a":1.0}"#)),
            digest("t", Some(r#"{"a":[1,2]}"#)),
            digest("t", Some(r#"{"a":[2,1]}"#)),
            digest("t", Some(r#"{"a":1,"a":2}"#)),
            digest("t", Some(r#"{"a":2,"a":1}"#)),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
    }
}
