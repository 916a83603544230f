//! The JSON writer of hosts that build structured content piece by piece.

use std::borrow::Cow;

use serde::Serialize;

use super::compact;
use super::escape::{escaped, is_plain_ascii};
use crate::error::{Error, Result};

/// Containers that may be open at once in a [`JsonWriter`]: a bit for each. Many readers stop near
/// 100.
const DEPTH_MAX: u32 = u64::BITS;

/// Writes one JSON value piece by piece, without a tree in memory.
///
/// Mistakes (a key outside an object, an `end` too many, text above the byte limit) are remembered
/// and reported once, by [`finish`](JsonWriter::finish): the calls in between need no checks.
///
/// ```
/// let mut json = emcp::JsonWriter::new(1024);
/// json.obj();
/// json.key(b"load");
/// json.f64(0.25);
/// json.end();
/// assert_eq!(json.finish().unwrap(), r#"{"load":0.25}"#);
/// ```
#[derive(Debug)]
pub struct JsonWriter {
    /// Of bytes, because a string would be checked for UTF-8 with each piece. Every piece is text.
    out: Vec<u8>,
    place: Place,
    /// How many containers are open.
    depth: u32,
    /// One bit for each of them, the innermost one's the lowest: set for objects.
    objects: u64,
    bytes_max: usize,
    /// The first mistake. Set once; from then on nothing is written.
    mistake: Option<Error>,
}

/// Where the next piece stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Start,
    FirstElement,
    NextElement,
    FirstKey,
    NextKey,
    /// Behind a key.
    Value,
    End,
    /// Behind a mistake.
    Nowhere,
}

/// A JSON text that a [`JsonWriter`] has written: valid and without whitespace between its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenJson(String);

impl AsRef<str> for WrittenJson {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<WrittenJson> for String {
    fn from(json: WrittenJson) -> String {
        json.0
    }
}

impl JsonWriter {
    /// Starts an empty text that may grow up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> JsonWriter {
        let (out, place) = (Vec::new(), Place::Start);
        JsonWriter { out, place, depth: 0, objects: 0, bytes_max, mistake: None }
    }

    /// Opens an object; [`end`](JsonWriter::end) closes it.
    pub fn obj(&mut self) {
        self.begin(true);
    }

    /// Opens an array; [`end`](JsonWriter::end) closes it.
    pub fn arr(&mut self) {
        self.begin(false);
    }

    /// Closes the innermost open object or array.
    pub fn end(&mut self) {
        let closing = match self.place {
            Place::FirstKey | Place::NextKey => b'}',
            Place::FirstElement | Place::NextElement => b']',
            Place::Value => return self.fail("json object ends after a key"),
            Place::Start | Place::End => return self.fail("json end without a begin"),
            Place::Nowhere => return,
        };
        self.depth -= 1;
        self.objects >>= 1;
        self.place = match (self.depth, self.objects & 1) {
            (0, _) => Place::End,
            (_, 0) => Place::NextElement,
            _ => Place::NextKey,
        };
        if self.fits(1) {
            self.out.push(closing);
        }
    }

    /// Names the next value of the innermost object. Invalid UTF-8 becomes U+FFFD.
    pub fn key(&mut self, name: &[u8]) {
        let comma = match self.place {
            Place::FirstKey => false,
            Place::NextKey => true,
            Place::Value => return self.fail("json key after a key"),
            Place::Nowhere => return,
            _ => return self.fail("json key outside an object"),
        };
        self.place = Place::Value;
        self.push_string(comma, name, b"\":");
    }

    /// Writes a string. Invalid UTF-8 becomes U+FFFD: text of a daemon is not always clean.
    pub fn str(&mut self, text: &[u8]) {
        if let Some(comma) = self.next_value() {
            self.push_string(comma, text, b"\"");
        }
    }

    /// Writes a signed integer with all its digits.
    pub fn i64(&mut self, value: i64) {
        self.plain(&value);
    }

    /// Writes an unsigned integer with all its digits.
    pub fn u64(&mut self, value: u64) {
        self.plain(&value);
    }

    /// Writes the shortest text that reads back as `value`; NaN and infinities become `null`.
    pub fn f64(&mut self, value: f64) {
        self.plain(&value);
    }

    /// Writes `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.plain(&value);
    }

    /// Writes `null`.
    pub fn null(&mut self) {
        self.plain(&());
    }

    /// Inserts a complete JSON value that somebody else wrote; invalid JSON is a mistake.
    pub fn raw(&mut self, json: &str) {
        if self.mistake.is_some() {
            return;
        }
        let json = match compact(json) {
            Ok(json) => json,
            Err(error) => return self.stop(error),
        };
        if let Some(comma) = self.next_value()
            && self.fits(usize::from(comma) + json.len())
        {
            self.push_comma(comma);
            self.out.extend_from_slice(json.as_bytes());
        }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Tells whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Returns the text.
    ///
    /// # Errors
    ///
    /// The first mistake of all the calls before: [`Error::State`] for a wrong order,
    /// [`Error::Limit`] for too many bytes or levels, [`Error::Config`] for invalid raw JSON.
    pub fn finish(self) -> Result<String> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if self.depth > 0 {
            return Err(Error::State(format!("json has {} open containers", self.depth)));
        }
        if self.out.is_empty() {
            return Err(Error::State("json is empty".into()));
        }
        // Every piece was text, so there is nothing to fail.
        String::from_utf8(self.out).map_err(|error| Error::State(error.to_string()))
    }

    /// Returns the text for [`ToolResult::set_written`](crate::ToolResult::set_written), which need
    /// not look at it again.
    ///
    /// # Errors
    ///
    /// As for [`finish`](JsonWriter::finish).
    pub fn written(self) -> Result<WrittenJson> {
        self.finish().map(WrittenJson)
    }

    fn begin(&mut self, object: bool) {
        let Some(comma) = self.next_value() else { return };
        if self.depth == DEPTH_MAX {
            let text = format!("json is nested deeper than {DEPTH_MAX} levels");
            return self.stop(Error::Limit(text));
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(object);
        self.place = if object { Place::FirstKey } else { Place::FirstElement };
        if self.fits(usize::from(comma) + 1) {
            self.push_comma(comma);
            self.out.push(if object { b'{' } else { b'[' });
        }
    }

    /// Goes on behind a value; tells whether a comma stands before it. `None` where there may be
    /// no value.
    #[inline]
    fn next_value(&mut self) -> Option<bool> {
        let (next, comma) = match self.place {
            Place::NextElement => return Some(true),
            Place::FirstElement => (Place::NextElement, false),
            Place::Value => (Place::NextKey, false),
            Place::Start => (Place::End, false),
            misplaced => {
                self.misplace(misplaced);
                return None;
            }
        };
        self.place = next;
        Some(comma)
    }

    #[cold]
    fn misplace(&mut self, place: Place) {
        match place {
            Place::End => self.fail("json has a second value after its end"),
            Place::FirstKey | Place::NextKey => self.fail("json value without a key in an object"),
            // There is a mistake already, or a value may stand here.
            _ => {}
        }
    }

    #[inline]
    fn plain(&mut self, value: &impl Serialize) {
        if let Some(comma) = self.next_value() {
            self.push_comma(comma);
            // A number, a truth value or null: they have no keys, and a `Vec` takes everything.
            let _ = serde_json::to_writer(&mut self.out, value);
            self.fits(0);
        }
    }

    #[inline]
    fn push_comma(&mut self, comma: bool) {
        if comma {
            self.out.push(b',');
        }
    }

    /// Writes a string; `end` is its last quote and what follows it.
    #[inline]
    fn push_string<const N: usize>(&mut self, comma: bool, text: &[u8], end: &[u8; N]) {
        // Checked before the work: a text far above the limit is neither repaired nor escaped.
        if !self.fits(usize::from(comma) + 1 + text.len() + N) {
            return;
        }
        self.push_comma(comma);
        self.out.push(b'"');
        if is_plain_ascii(text) {
            self.out.extend_from_slice(text);
            self.out.extend_from_slice(end);
        } else {
            self.push_repaired(text);
            self.out.extend_from_slice(end);
            self.fits(0);
        }
    }

    /// Apart from its caller, so that plain text does not pay for it.
    #[inline(never)]
    fn push_repaired(&mut self, text: &[u8]) {
        // Sound text is looked at a word at a time; what repairs it goes byte by byte.
        let sound = str::from_utf8(text).map(Cow::Borrowed);
        let text = sound.unwrap_or_else(|_| String::from_utf8_lossy(text));
        self.out.extend_from_slice(escaped(&text).as_bytes());
    }

    /// Tells whether so many bytes more may be written; it is a mistake when they may not.
    #[inline]
    fn fits(&mut self, more: usize) -> bool {
        let fits = self.out.len().saturating_add(more) <= self.bytes_max;
        if !fits {
            self.overflow();
        }
        fits
    }

    #[cold]
    fn overflow(&mut self) {
        self.stop(Error::Limit(format!("json is above {} bytes", self.bytes_max)));
    }

    #[cold]
    fn fail(&mut self, text: &str) {
        self.stop(Error::State(text.into()));
    }

    fn stop(&mut self, mistake: Error) {
        self.place = Place::Nowhere;
        self.mistake.get_or_insert(mistake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut JsonWriter), expected: &str) {
        let mut json = JsonWriter::new(200);
        write(&mut json);
        match json.finish() {
            Ok(text) => {
                assert_eq!(text, expected);
                assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    }

    #[test]
    fn values_nest_with_commas_in_the_right_places() {
        check(
            |json| {
                json.obj();
                json.key(b"a");
                json.arr();
                json.i64(i64::MIN);
                json.u64(u64::MAX);
                json.arr();
                json.end();
                json.end();
                json.key(b"b");
                json.obj();
                json.key(b"x");
                json.null();
                json.key(b"y");
                json.bool(true);
                json.end();
                json.end();
            },
            r#"{"a":[-9223372036854775808,18446744073709551615,[]],"b":{"x":null,"y":true}}"#,
        );
        check(|json| json.str(b"root"), r#""root""#);
    }

    #[test]
    fn numbers_are_short_and_never_invalid() {
        check(|json| json.f64(0.1), "0.1");
        check(|json| json.f64(1.0), "1.0");
        check(|json| json.f64(f64::NAN), "null");
        check(|json| json.f64(f64::NEG_INFINITY), "null");
    }

    #[test]
    fn strings_are_escaped_and_repaired() {
        check(|json| json.str(b"a\"\\\n\x01\xffz"), "\"a\\\"\\\\\\n\\u0001\u{fffd}z\"");
        check(|json| json.raw(" { \"a b\" : [ 1 ,\n2.50 ] } "), r#"{"a b":[1,2.50]}"#);
    }

    #[test]
    fn mistakes_are_reported_at_the_end() {
        check(|_| (), "json is empty");
        check(|json| json.end(), "json end without a begin");
        check(|json| json.key(b"a"), "json key outside an object");
        check(|json| json.arr(), "json has 1 open containers");
        let in_object = |write: fn(&mut JsonWriter), expected| {
            check(
                |json| {
                    json.obj();
                    write(json);
                    json.end();
                },
                expected,
            );
        };
        in_object(|json| json.null(), "json value without a key in an object");
        in_object(|json| json.key(b"a"), "json object ends after a key");
        in_object(
            |json| {
                json.key(b"a");
                json.key(b"b");
            },
            "json key after a key",
        );
        check(
            |json| {
                json.null();
                json.null();
            },
            "json has a second value after its end",
        );
        check(
            |json| {
                json.arr();
                json.key(b"a");
                json.end();
                json.end();
            },
            "json key outside an object",
        );
    }

    #[test]
    fn what_is_written_is_what_a_check_would_make_of_it() {
        let mut json = JsonWriter::new(1000);
        json.arr();
        json.str("é\u{1}".as_bytes());
        // A check goes as deep as raw JSON does.
        json.raw(&format!("{}1{}", "[ ".repeat(200), "] ".repeat(200)));
        json.end();
        let json = json.written().unwrap();
        assert_eq!(compact(json.as_ref()).unwrap(), json.as_ref());
        let mut result = crate::ToolResult::default();
        result.set_written(json.clone());
        assert_eq!(result.structured(), Some(json.as_ref()));
    }

    #[test]
    fn limits_hold() {
        check(|json| json.str(&[b'a'; 198]), &format!("\"{}\"", "a".repeat(198)));
        check(|json| json.str(&[b'a'; 199]), "json is above 200 bytes");
        check(|json| json.str(&[1; 40]), "json is above 200 bytes");
        check(|json| (0..65).for_each(|_| json.arr()), "json is nested deeper than 64 levels");
        let mut json = JsonWriter::new(1);
        json.raw("{");
        assert!(matches!(json.finish(), Err(Error::Config(_))));
    }
}
