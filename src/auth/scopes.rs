//! What a caller may do beyond what everybody may.

use std::sync::Arc;

use crate::error::{Error, Result};

/// What stands for every scope there is.
const ALL: &str = "*";

/// The scopes of one caller. By default all: a host that names none does not use them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// Comma separated; `None`: all.
    list: Option<Arc<str>>,
}

impl Scopes {
    /// Reads a comma-separated list; `*` in it means all, and an empty one none.
    ///
    /// # Errors
    /// [`Error::Config`] for a text that is no scope.
    pub(crate) fn parse(text: &str) -> Result<Scopes> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<&str> = names.collect();
        if names.contains(&ALL) {
            return Ok(Scopes::default());
        }
        names.iter().try_for_each(|name| check_scope(name))?;
        Ok(Scopes { list: Some(names.join(",").into()) })
    }

    /// What a host says of somebody whom it has authenticated; without a list all. Words in it that
    /// are no scopes grant nothing, because nothing can need them.
    pub(crate) fn named(list: Option<&str>) -> Scopes {
        let Some(text) = list else { return Scopes::default() };
        let is_good = |word: &&str| word.trim() == ALL || check_scope(word.trim()).is_ok();
        let words: Vec<&str> = text.split(',').filter(is_good).collect();
        Scopes::parse(&words.join(",")).unwrap_or_else(|_| Scopes::none())
    }

    /// Those of `names` that are scopes, none for all: what a token says is not the host's word.
    pub(super) fn of(names: Vec<&str>) -> Scopes {
        let good = names.into_iter().filter(|name| check_scope(name).is_ok());
        Scopes { list: Some(good.collect::<Vec<_>>().join(",").into()) }
    }

    /// No scope at all.
    pub(crate) fn none() -> Scopes {
        Scopes { list: Some("".into()) }
    }

    pub(crate) fn has(&self, scope: &str) -> bool {
        let Some(list) = &self.list else { return true };
        list.split(',').any(|name| name == scope)
    }

    pub(crate) fn is_all(&self) -> bool {
        self.list.is_none()
    }

    /// Comma separated; `*` for all.
    pub(crate) fn as_str(&self) -> &str {
        self.list.as_deref().unwrap_or(ALL)
    }
}

/// Checks the name of a scope: RFC 6749 section 3.3, without the comma that separates them here
/// and without the star that means all.
///
/// # Errors
/// [`Error::Config`].
pub(crate) fn check_scope(name: &str) -> Result<()> {
    let is_good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',' | b'*');
    match !name.is_empty() && name.len() <= 128 && name.bytes().all(is_good) {
        true => Ok(()),
        false => Err(Error::Config(format!("scope {name:?} is not 1 to 128 of plain characters"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_grants_what_is_in_it() {
        let scopes = Scopes::parse(" metrics:read, ,alerts ").unwrap();
        assert_eq!(scopes.as_str(), "metrics:read,alerts");
        assert!(scopes.has("alerts") && scopes.has("metrics:read"));
        for other in ["metrics", "metrics:", "alerts,", "", "*", "metrics:read,alerts"] {
            assert!(!scopes.has(other), "{other}");
        }
        assert!(!scopes.is_all());
    }

    #[test]
    fn all_and_none() {
        assert!(Scopes::default().is_all() && Scopes::default().has("a"));
        assert!(Scopes::parse("a,*").unwrap().is_all());
        assert_eq!(Scopes::parse("").unwrap(), Scopes::none());
        assert!(!Scopes::none().has("a"));
        assert!(Scopes::named(None).is_all() && Scopes::named(Some("*")).is_all());
        assert_eq!(Scopes::named(Some("a\nz, b,c d")).as_str(), "b");
        assert_eq!(Scopes::named(Some("")), Scopes::none());
        assert_eq!((Scopes::none().as_str(), Scopes::default().as_str()), ("", "*"));
    }

    #[test]
    fn a_token_grants_no_more_than_it_names() {
        let scopes = Scopes::of(vec!["a", "*", "b,c", "", "d:e"]);
        assert_eq!(scopes.as_str(), "a,d:e");
        assert_eq!(Scopes::of(vec!["*"]), Scopes::none());
    }

    #[test]
    fn scopes_fit_into_a_header() {
        for bad in ["", "a b", "a\"b", "a\\b", "a\n", "\u{e9}", "a*", &"x".repeat(129)] {
            assert!(check_scope(bad).is_err(), "{bad}");
        }
        assert!(Scopes::parse("a b").is_err());
    }
}
