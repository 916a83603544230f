//! What the host says of the authorization servers that it trusts.

use std::time::Duration;

use super::algorithm::Algorithm;
use super::resource::Resource;
use crate::auth::scopes::check_scope;
use crate::error::{Error, Result};

/// Authorization servers of one resource. Each of them has keys of its own.
const ISSUERS_MAX: usize = 16;

/// Scopes that are told, that are required, or that one implies.
const SCOPES_MAX: usize = 64;

/// Characters of the longest URL.
const URL_MAX: usize = 512;

/// Clocks that differ by more are not a matter of leeway.
const LEEWAY_MAX: Duration = Duration::from_secs(600);

/// Bytes of a token, within which a host may choose. A head is larger by default, see
/// `limits.head`.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 256..=64 * 1024;

/// What makes a server an OAuth 2.1 resource server: whose access tokens it takes, and what it
/// tells clients that need one.
///
/// Tokens are JSON Web Tokens (RFC 9068, and those of most other authorization servers), signed
/// with a key that the host has passed to [`Server::set_jwks`](crate::Server::set_jwks).
///
/// ```
/// use std::time::Duration;
///
/// let oauth = emcp::OAuth::new("https://monitor.example/mcp", "https://login.example/realms/ops")?
///     .algorithms("ES256,EdDSA")?
///     .scopes("metrics:read")?
///     .implies("metrics:admin", "metrics:read,metrics:write")?
///     .leeway(Duration::from_secs(30))?;
/// # Ok::<(), emcp::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    pub(super) resource: Resource,
    pub(super) issuers: Vec<String>,
    /// What else a token may say in `aud`, exactly.
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    /// What clients are told to ask for.
    pub(super) scopes: Vec<String>,
    /// Without these nobody comes in.
    pub(super) required: Vec<String>,
    /// A scope, and those that whoever has it has too.
    pub(super) implied: Vec<(String, Vec<String>)>,
    pub(super) leeway: Duration,
    pub(super) token_bytes: usize,
    /// Takes only what says that it is an access token.
    pub(super) typed_only: bool,
    pub(super) title: Option<String>,
    pub(super) documentation: Option<String>,
}

impl OAuth {
    /// Tokens that `issuer` has made for `resource`.
    ///
    /// `resource` is the URL of the endpoint as clients have it, for example
    /// `https://monitor.example/mcp`: what they ask a token for, and what `aud` must name (RFC
    /// 8707). `issuer` is compared with `iss` character by character.
    ///
    /// # Errors
    /// [`Error::Config`] unless `resource` is a URL of http or https without query and fragment,
    /// and `issuer` one of https, or of http on a loopback address.
    pub fn new(resource: &str, issuer: &str) -> Result<OAuth> {
        let oauth = OAuth {
            resource: Resource::parse(resource)?,
            issuers: Vec::new(),
            audiences: Vec::new(),
            algorithms: Algorithm::DEFAULT.into(),
            scopes: Vec::new(),
            required: Vec::new(),
            implied: Vec::new(),
            leeway: Duration::from_secs(60),
            token_bytes: 16 * 1024,
            typed_only: false,
            title: None,
            documentation: None,
        };
        oauth.issuer(issuer)
    }

    /// Trusts another issuer too, with keys of its own: none can speak for another.
    ///
    /// # Errors
    /// As for [`OAuth::new`]; [`Error::Exists`] for one that is there, [`Error::Limit`] above 16.
    pub fn issuer(mut self, issuer: &str) -> Result<OAuth> {
        let url = Resource::parse(issuer).map_err(|_| {
            Error::Config(format!("issuer {issuer:?} is no URL without query and fragment"))
        })?;
        if !url.is_https() && !url.is_loopback() {
            return Err(Error::Config(format!("issuer {issuer:?} is not a URL of https")));
        }
        if self.issuers.iter().any(|known| known == issuer) {
            return Err(Error::Exists(format!("issuer {issuer:?}")));
        }
        if self.issuers.len() == ISSUERS_MAX {
            return Err(Error::Limit(format!("more than {ISSUERS_MAX} issuers")));
        }
        self.issuers.push(issuer.to_owned());
        Ok(self)
    }

    /// Takes tokens with this `aud` too, for authorization servers that name resources in their own
    /// way, for example `api://monitor`. Never the client id of an application: its users' identity
    /// tokens would come in.
    ///
    /// # Errors
    /// [`Error::Config`] unless it is 1 to 512 characters without blanks.
    pub fn audience(mut self, audience: &str) -> Result<OAuth> {
        if !is_short(audience) || self.audiences.len() == ISSUERS_MAX {
            let rule =
                format!("is not 1 to {URL_MAX} characters, or one of more than {ISSUERS_MAX}");
            return Err(Error::Config(format!("audience {audience:?} {rule}")));
        }
        self.audiences.push(audience.to_owned());
        Ok(self)
    }

    /// Takes tokens signed with these algorithms alone, comma separated: `RS256`, `RS384`, `RS512`,
    /// `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA` (Ed25519). Default
    /// `RS256,PS256,ES256,ES384,EdDSA`.
    ///
    /// # Errors
    /// [`Error::Config`] for a name that is none of these.
    pub fn algorithms(mut self, list: &str) -> Result<OAuth> {
        let parsed = words(list).map(|name| {
            let unknown = || format!("algorithm {name:?} is none that a token may be signed with");
            Algorithm::parse(name).ok_or_else(|| Error::Config(unknown()))
        });
        self.algorithms = parsed.collect::<Result<_>>()?;
        match self.algorithms.is_empty() {
            true => Err(Error::Config("algorithms are empty".into())),
            false => Ok(self),
        }
    }

    /// What clients are told to ask for, comma separated: enough to begin with. They hear of others
    /// where they lack one.
    ///
    /// # Errors
    /// [`Error::Config`] for what can be no scope, and for `offline_access`, which is the client's
    /// own business.
    pub fn scopes(mut self, list: &str) -> Result<OAuth> {
        self.scopes = scopes(list)?;
        Ok(self)
    }

    /// Lets in only who has all of these, comma separated.
    ///
    /// # Errors
    /// As for [`OAuth::scopes`].
    pub fn required_scopes(mut self, list: &str) -> Result<OAuth> {
        self.required = scopes(list)?;
        Ok(self)
    }

    /// Who has `broad` has `narrow` too, a comma-separated list. Implied scopes may imply others.
    ///
    /// # Errors
    /// As for [`OAuth::scopes`].
    pub fn implies(mut self, broad: &str, narrow: &str) -> Result<OAuth> {
        check_scope(broad)?;
        if self.implied.len() == SCOPES_MAX {
            return Err(Error::Config(format!("more than {SCOPES_MAX} scopes imply others")));
        }
        self.implied.push((broad.to_owned(), scopes(narrow)?));
        Ok(self)
    }

    /// How far clocks may differ. Default 60 s, at most 10 minutes.
    ///
    /// # Errors
    /// [`Error::Config`] above that.
    pub fn leeway(mut self, leeway: Duration) -> Result<OAuth> {
        if leeway > LEEWAY_MAX {
            return Err(Error::Config(format!("leeway is {leeway:?}, at most {LEEWAY_MAX:?}")));
        }
        self.leeway = leeway;
        Ok(self)
    }

    /// Bytes of the longest token. Default 16 KiB, which is also what `limits.head` lets through.
    ///
    /// # Errors
    /// [`Error::Config`] unless it is 256 bytes to 64 KiB.
    pub fn token_bytes(mut self, bytes: usize) -> Result<OAuth> {
        if !TOKEN_BYTES.contains(&bytes) {
            return Err(Error::Config(format!("tokens of {bytes} bytes: take 256 to 65536")));
        }
        self.token_bytes = bytes;
        Ok(self)
    }

    /// Takes only tokens whose `typ` is `at+jwt`, as RFC 9068 has it. Default off: many
    /// authorization servers write `JWT` or nothing.
    pub fn typed_only(mut self, typed_only: bool) -> OAuth {
        self.typed_only = typed_only;
        self
    }

    /// The name of the resource for people. Default: that of the server.
    pub fn title(mut self, title: impl Into<String>) -> OAuth {
        self.title = Some(title.into());
        self
    }

    /// Where developers can read how to use the resource.
    ///
    /// # Errors
    /// [`Error::Config`] unless it is a URL of http or https.
    pub fn documentation(mut self, url: &str) -> Result<OAuth> {
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        if !is_web || !is_short(url) {
            return Err(Error::Config(format!("documentation {url:?} is no URL of http or https")));
        }
        self.documentation = Some(url.to_owned());
        Ok(self)
    }

    /// Tells whether what one lets in the other lets in too, whatever they tell.
    pub(super) fn trusts_like(&self, other: &OAuth) -> bool {
        let rules = |oauth: &OAuth| {
            let OAuth { resource, audiences, algorithms, required, implied, typed_only, .. } =
                oauth;
            let lists = (audiences.clone(), algorithms.clone(), required.clone(), implied.clone());
            (resource.clone(), lists, *typed_only, oauth.leeway, oauth.token_bytes)
        };
        rules(self) == rules(other)
    }
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn scopes(list: &str) -> Result<Vec<String>> {
    let mut scopes: Vec<String> = Vec::new();
    for name in words(list) {
        check_scope(name)?;
        // 2026-07-28, authorization: refresh tokens are not what a resource requires.
        if name == "offline_access" {
            return Err(Error::Config("offline_access is no scope of a resource".into()));
        }
        if !scopes.iter().any(|known| known == name) {
            scopes.push(name.to_owned());
        }
    }
    match scopes.len() <= SCOPES_MAX {
        true => Ok(scopes),
        false => Err(Error::Config(format!("more than {SCOPES_MAX} scopes"))),
    }
}

fn is_short(text: &str) -> bool {
    let is_odd = |ch: char| ch.is_whitespace() || ch.is_control();
    !text.is_empty() && text.len() <= URL_MAX && !text.contains(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE: &str = "https://monitor.example/mcp";
    const ISSUER: &str = "https://login.example";

    fn oauth() -> OAuth {
        OAuth::new(RESOURCE, ISSUER).unwrap()
    }

    #[test]
    fn impossible_configurations_are_refused() {
        for resource in ["", "mcp", "/mcp", "ftp://a/mcp", "https://a/mcp?x", "https://a/#b"] {
            assert!(OAuth::new(resource, ISSUER).is_err(), "{resource}");
        }
        for issuer in
            ["", "login", "http://login.example", "https://a?b", "https://a#b", "https:// a"]
        {
            assert!(OAuth::new(RESOURCE, issuer).is_err(), "{issuer}");
        }
        assert!(OAuth::new(RESOURCE, "http://127.0.0.1:8080/realm").is_ok());
        assert!(OAuth::new(RESOURCE, "http://localhost").is_ok());
        assert!(matches!(oauth().issuer(ISSUER), Err(Error::Exists(_))));
        for algorithms in ["", "none", "HS256", "RS256,none", "RS256 ES256"] {
            assert!(oauth().algorithms(algorithms).is_err(), "{algorithms}");
        }
        for scopes in ["a b", "*", "offline_access", "a,\"", &"x,y".repeat(65)] {
            assert!(oauth().scopes(scopes).is_err() || scopes.starts_with("x,y"), "{scopes}");
        }
        assert!(oauth().implies("a", "b,c").is_ok() && oauth().implies("", "b").is_err());
        assert!(oauth().leeway(Duration::from_secs(601)).is_err());
        assert!(oauth().token_bytes(255).is_err() && oauth().token_bytes(65537).is_err());
        assert!(oauth().audience("").is_err() && oauth().audience("api://x").is_ok());
        assert!(oauth().documentation("javascript:x").is_err());
    }

    #[test]
    fn issuers_are_few() {
        let more = (1..ISSUERS_MAX).try_fold(oauth(), |oauth, number| {
            oauth.issuer(&format!("https://login{number}.example"))
        });
        assert!(matches!(more.unwrap().issuer("https://one.too.many"), Err(Error::Limit(_))));
    }

    #[test]
    fn what_is_told_is_no_matter_of_trust() {
        let other = oauth().title("A").documentation("https://a").unwrap();
        let other = other.scopes("a").unwrap().issuer("https://b.example").unwrap();
        assert!(oauth().trusts_like(&other));
        assert!(!oauth().trusts_like(&oauth().algorithms("ES256").unwrap()));
        assert!(!oauth().trusts_like(&oauth().required_scopes("a").unwrap()));
        assert!(!oauth().trusts_like(&OAuth::new("https://a/mcp", ISSUER).unwrap()));
    }
}
