//! Where a request carries its key or its token.

use super::Denial;
use crate::http::Head;

/// What a request carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) text: Vec<u8>,
    /// It stood in `Authorization`: a token may stand nowhere else (2025-03-26 and later,
    /// authorization, token requirements).
    pub(super) is_bearer: bool,
}

/// Finds what a request carries: `Authorization: Bearer`, `X-API-Key`, and `?api_key=` if
/// `in_query`.
///
/// # Errors
/// [`Denial::Ambiguous`] when it carries two: which one a proxy or the client meant is not for us
/// to guess.
pub(super) fn find(head: &Head, in_query: bool) -> Result<Option<Credential>, Denial> {
    let bearer = head.headers("authorization").filter_map(bearer);
    let bearer = bearer.map(|value| Credential { text: value.into(), is_bearer: true });
    let plain = |text| Credential { text, is_bearer: false };
    let own = head.headers("x-api-key").map(|value| plain(value.as_bytes().to_vec()));
    let query = in_query.then(|| head.query_parameters("api_key")).into_iter().flatten();
    let all = bearer.chain(own).chain(query.map(|value| plain(value.into_bytes())));
    let mut all = all.filter(|credential| !credential.text.is_empty());
    let Some(first) = all.next() else { return Ok(None) };
    match all.all(|other| other.text == first.text) {
        true => Ok(Some(first)),
        false => Err(Denial::Ambiguous),
    }
}

/// The key in the value of `Authorization`; `None` for another scheme (RFC 9110 section 11.1: its
/// case does not matter).
fn bearer(value: &str) -> Option<&[u8]> {
    let (scheme, rest) = value.split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim_matches([' ', '\t']).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, fields: &str, in_query: bool, expected: Result<Option<&str>, Denial>) {
        let head = Head::of(&format!("GET {target} HTTP/1.1\nHost: h\n{fields}"));
        let found = find(&head, in_query);
        let found = found.map(|found| found.map(|found| found.text));
        let expected = expected.map(|key| key.map(|key| key.as_bytes().to_vec()));
        assert_eq!(found, expected, "{target} {fields}");
    }

    #[test]
    fn headers() {
        for fields in [
            "Authorization: Bearer k",
            "authorization: bEARER   k",
            "X-API-Key: k",
            "x-api-key:  k ",
            "Authorization: Bearer k\nX-API-Key: k",
            "Authorization: Basic eDp5\nX-API-Key: k",
            "Authorization: Bearer \nX-API-Key: k",
        ] {
            check("/", fields, false, Ok(Some("k")));
        }
        for fields in ["A: b", "Authorization: Basic k", "Authorization: k", "X-API-Key:"] {
            check("/", fields, false, Ok(None));
        }
        check("/", "Authorization: Bearer k l", false, Ok(Some("k l")));
    }

    #[test]
    fn only_authorization_carries_tokens() {
        for (fields, expected) in [
            ("Authorization: Bearer k", true),
            ("Authorization: Bearer k\nX-API-Key: k", true),
            ("X-API-Key: k", false),
        ] {
            let head = Head::of(&format!("GET / HTTP/1.1\nHost: h\n{fields}"));
            assert_eq!(find(&head, false).unwrap().unwrap().is_bearer, expected, "{fields}");
        }
    }

    #[test]
    fn the_query_counts_when_it_may() {
        check("/?api_key=k", "A: b", false, Ok(None));
        check("/?api_key=k", "A: b", true, Ok(Some("k")));
        check("/?a=b&api%5Fkey=%6B", "A: b", true, Ok(Some("k")));
        check("/?api_key=k", "X-API-Key: k", true, Ok(Some("k")));
        check("/?api_key=other", "X-API-Key: k", false, Ok(Some("k")));
    }

    #[test]
    fn two_keys_are_one_too_many() {
        let ambiguous = || Err(Denial::Ambiguous);
        check("/", "Authorization: Bearer k\nX-API-Key: l", false, ambiguous());
        check("/", "Authorization: Bearer k\nAuthorization: Bearer l", false, ambiguous());
        check("/", "X-API-Key: k\nX-API-Key: K", false, ambiguous());
        check("/?api_key=l", "X-API-Key: k", true, ambiguous());
        check("/?api_key=k&api_key=l", "A: b", true, ambiguous());
    }
}
