//! One request head that passed the guard, as the layers above see it.
//!
//! Everything that decides about a request is read from here, and not from the decoded request:
//! this is what the client sent, byte for byte, with no URL library in between.

use std::ops::Range;

use http_types::Method;

use super::Version;
use super::guard::parse_length;

/// The head of one request. [`guard::parse`](super::guard::parse) alone makes it.
#[derive(PartialEq)]
pub(crate) struct Head {
    pub(crate) method: Method,
    /// As sent, without the query: nothing is unescaped and `..` stays. `*` for `OPTIONS *`.
    pub(crate) path: String,
    /// As sent, without the question mark.
    pub(crate) query: Option<String>,
    pub(crate) version: Version,
    /// `host[:port]` as sent; only HTTP/1.0 may go without.
    pub(crate) host: Option<String>,
    pub(super) framing: Framing,
    /// What the client allows. The server may still close.
    pub(super) persist: bool,
    pub(super) expectation: Expectation,
    pub(super) fields: Fields,
    /// See [`direct::is_plain`](super::direct::is_plain).
    pub(super) is_plain: bool,
}

/// How the end of the body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Neither length nor coding: there is no body.
    Absent,
    Length(u64),
    Chunked,
}

impl Framing {
    /// Tells whether bytes of a body follow the head.
    pub(super) fn has_body(self) -> bool {
        !matches!(self, Framing::Absent | Framing::Length(0))
    }
}

/// What the client waits for before it sends the body (RFC 9110 section 10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    Nothing,
    Continue,
    Unknown,
}

impl Head {
    /// First value of a field, blanks stripped.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.fields.values(name).next()
    }

    /// Every value of a field, in the order sent.
    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.values(name)
    }

    /// Every field: name as sent, value with blanks stripped.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter()
    }

    /// Tells whether `token` is in the comma lists of field `name`, whatever its case.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.fields.has_token(name, token)
    }

    /// First query parameter of that name, unescaped as a form is (a plus is a blank).
    ///
    /// A value that is not UTF-8 counts as absent.
    pub(crate) fn query_parameter(&self, name: &str) -> Option<String> {
        self.values_in_query(name).next().flatten()
    }

    /// Every query parameter of that name whose value is UTF-8, likewise.
    pub(crate) fn query_parameters(&self, name: &str) -> impl Iterator<Item = String> {
        self.values_in_query(name).flatten()
    }

    fn values_in_query(&self, name: &str) -> impl Iterator<Item = Option<String>> {
        let pairs = self.query.iter().flat_map(|query| query.split('&'));
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let named = pairs.filter(move |(key, _)| unescape(key).as_deref() == Some(name));
        named.map(|(_, value)| unescape(value))
    }

    /// The promised length of the body; `None` for a chunked one and for none at all.
    pub(crate) fn content_length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            Framing::Absent | Framing::Chunked => None,
        }
    }

    /// Tells whether a client that sends more requests may be expected to begin them like this.
    pub(super) fn is_repeatable(&self) -> bool {
        self.is_plain && self.fields.is_verbatim && matches!(self.framing, Framing::Length(_))
    }

    /// Makes this the head that `buffer` begins with, if both are the same or differ in the digits
    /// of their Content-Length alone, and returns its length. It is what the guard would read there.
    ///
    /// Clients begin all they send on one connection alike, and comparing costs a fiftieth of
    /// reading.
    pub(super) fn repeat(&mut self, buffer: &[u8]) -> Option<usize> {
        let bytes = self.fields.text.len();
        let sent = buffer.get(..bytes).filter(|_| self.is_repeatable())?;
        if sent != self.fields.text.as_bytes() {
            let digits = self.fields.place("content-length")?;
            let old = self.fields.text.as_bytes();
            if sent[..digits.start] != old[..digits.start]
                || sent[digits.end..] != old[digits.end..]
            {
                return None;
            }
            let length = std::str::from_utf8(&sent[digits.clone()]).ok()?;
            self.framing = Framing::Length(parse_length(length).ok()?);
            self.fields.text.replace_range(digits, length);
        }
        Some(bytes)
    }

    /// The head of a request in tests of the layers above; `text` has no final empty line.
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Head {
        let text =
            format!("{}\r\n\r\n", text.trim_end().replace("\r\n", "\n").replace('\n', "\r\n"));
        match super::guard::parse(text.as_bytes(), &crate::limits::Limits::default()) {
            Ok(head) => head,
            Err(reject) => panic!("{reject:?}"),
        }
    }
}

/// Header fields in one allocation for the text and one for the places in it.
#[derive(Default, PartialEq)]
pub(super) struct Fields {
    text: String,
    places: Vec<Field>,
    /// The bits of all names: most look-ups are for fields that are not there.
    names: u64,
    /// The text is the whole head as it was sent.
    is_verbatim: bool,
}

/// Where the name of a field is and where its value.
#[derive(PartialEq)]
struct Field {
    name: Range<u32>,
    value: Range<u32>,
}

impl Fields {
    /// Keeps `fields`. Bytes that are not UTF-8 become replacement characters.
    ///
    /// Of the blanks that are trimmed here a value can only have those that it should: the guard has
    /// seen to the others.
    pub(super) fn of<'a>(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Fields {
        let mut text = String::with_capacity(TYPICAL_BYTES);
        let mut places = Vec::with_capacity(fields.size_hint().0);
        let mut names = 0;
        for (name, value) in fields {
            let start = text.len();
            text.push_str(name);
            let split = text.len();
            names |= bit(&text.as_bytes()[start..]);
            text.push_str(&String::from_utf8_lossy(value.trim_ascii()));
            // The guard and the readers of parsed heads bound them far below that.
            let range = |start: usize, end: usize| start as u32..end as u32;
            places.push(Field { name: range(start, split), value: range(split, text.len()) });
        }
        Fields { text, places, names, is_verbatim: false }
    }

    /// As [`of`](Self::of), for fields that lie in `head`, of which one copy is made.
    pub(super) fn within<'a>(
        head: &'a [u8],
        fields: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Fields {
        // One look at all of it; hardly any request has such bytes.
        let Ok(text) = std::str::from_utf8(head) else { return Fields::of(fields) };
        let mut places = Vec::with_capacity(fields.size_hint().0);
        let mut names = 0;
        let range = |part: &[u8]| {
            // Parts are borrowed from the head.
            let start = part.as_ptr() as usize - head.as_ptr() as usize;
            start..start + part.len()
        };
        let short = |range: Range<usize>| range.start as u32..range.end as u32;
        for (name, value) in fields {
            names |= bit(name.as_bytes());
            let (name, value) = (range(name.as_bytes()), range(value.trim_ascii()));
            places.push(Field { name: short(name), value: short(value) });
        }
        Fields { text: text.to_owned(), places, names, is_verbatim: true }
    }

    /// Bytes of the text in which the fields are.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.places.iter().map(|field| (self.part(&field.name), self.part(&field.value)))
    }

    pub(super) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.named(name).map(|field| self.part(&field.value))
    }

    /// Where in the text the first value of a field is.
    fn place(&self, name: &str) -> Option<Range<usize>> {
        let value = &self.named(name).next()?.value;
        Some(value.start as usize..value.end as usize)
    }

    fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Field> {
        let is_absent = self.names & bit(name.as_bytes()) == 0;
        let places = if is_absent { &[] } else { &self.places[..] };
        // Bytes are compared because a cut through a string is checked.
        let text = self.text.as_bytes();
        places.iter().filter(move |field| {
            let (start, end) = (field.name.start as usize, field.name.end as usize);
            end - start == name.len() && text[start..end].eq_ignore_ascii_case(name.as_bytes())
        })
    }

    fn part(&self, range: &Range<u32>) -> &str {
        &self.text[range.start as usize..range.end as usize]
    }

    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        let mut tokens = self.values(name).flat_map(|value| value.split(','));
        tokens.any(|word| word.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
    }
}

/// One bit for each name, whatever its case; some names share one.
fn bit(name: &[u8]) -> u64 {
    let last = name.last().copied().unwrap_or_default().to_ascii_lowercase();
    1 << ((name.len() * 5 + usize::from(last)) % 64)
}

/// Room for the fields of most requests.
const TYPICAL_BYTES: usize = 384;

/// Undoes form escaping. An escape that is not one stays as it is.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    rest = tail;
                }
                _ => bytes.push(b'%'),
            },
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Tells whether `byte` may be part of a method or a field name (RFC 9110 section 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The value of one hexadecimal digit.
pub(super) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_case_of_their_names() {
        let head = Head::of("GET / HTTP/1.1\nHost: h\nX-A:  one \nx-a: two\nEmpty:");
        assert_eq!(head.header("x-a"), Some("one"));
        assert_eq!(head.headers("x-a").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(head.header("empty"), Some(""));
        assert_eq!(head.header("absent"), None);
        assert_eq!(head.fields().count(), 4);
    }

    #[test]
    fn tokens_are_words_of_a_list() {
        let head = Head::of("GET / HTTP/1.1\nHost: h\nConnection: foo , Close\nConnection: bar");
        assert!(head.has_token("connection", "close"));
        assert!(head.has_token("connection", "BAR"));
        assert!(!head.has_token("connection", "clos"));
    }

    const FIRST: &str = "POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length:  120 \r\nA: 1\r\n\r\n";

    /// What follows a request with the head `first` is taken for one with such a head, or is not.
    #[track_caller]
    fn check_repeat(first: &str, next: &str, expected: bool) {
        let mut head = Head::of(first);
        let repeated = head.repeat(format!("{next}and the body").as_bytes());
        assert_eq!(repeated, expected.then_some(first.len()), "{next:?}");
        assert!(!expected || Head::of(next) == head, "{next:?}");
    }

    #[test]
    fn a_head_is_repeated_when_all_but_its_length_is_the_same() {
        check_repeat(FIRST, FIRST, true);
        for length in ["999", "000", "007"] {
            check_repeat(FIRST, &FIRST.replace("120", length), true);
        }
        for length in ["12", "1200", "+20", "1 0", "12,", "1\r\n", ""] {
            check_repeat(FIRST, &FIRST.replace("120", length), false);
        }
        for (old, new) in [("A", "a"), ("1.1", "1.0"), ("h", "i"), ("A: 1", "A: 2"), ("mcp", "sse")]
        {
            check_repeat(FIRST, &FIRST.replacen(old, new, 1), false);
            check_repeat(FIRST, &FIRST.replace("120", "121").replacen(old, new, 1), false);
        }
        check_repeat(FIRST, &FIRST[..FIRST.len() - 14], false);
    }

    #[test]
    fn an_unusual_head_is_read_each_time() {
        for (old, new) in [
            ("POST", "GET"),
            ("Content-Length:  120 ", "Transfer-Encoding: chunked"),
            ("A: 1", "Expect: 100-continue"),
            ("Host: h", "Host: xn--a"),
        ] {
            let head = FIRST.replace(old, new);
            check_repeat(&head, &head, false);
        }
        let limits = crate::limits::Limits::default();
        let bytes = [FIRST.replace("1\r\n\r\n", "").as_bytes(), b"\xff\r\n\r\n"].concat();
        let Ok(mut head) = crate::http::guard::parse(&bytes, &limits) else { panic!() };
        assert_eq!(head.repeat(&bytes), None);
    }

    #[track_caller]
    fn check(query: &str, expected: Option<&str>) {
        let head = Head::of(&format!("GET /?{query} HTTP/1.1\nHost: h"));
        assert_eq!(head.query_parameter("id").as_deref(), expected, "{query}");
    }

    #[test]
    fn query_parameters_are_unescaped() {
        check("id=1&id=2", Some("1"));
        check("a=b&i%64=x%20y+z", Some("x y z"));
        check("id=%zz%4", Some("%zz%4"));
        check("id=%C3%A9", Some("\u{e9}"));
        check("id=%FF", None);
        check("id", Some(""));
        check("ids=1", None);
    }
}
