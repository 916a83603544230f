//! What clients are told: Protected Resource Metadata (RFC 9728).

use serde_json::{Map, Value, json};

use super::config::OAuth;
use super::resource::WELL_KNOWN;

/// What a server tells of the tokens that it wants. Made once for each configuration.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// The document.
    pub(crate) document: String,
    /// Where clients find it.
    pub(crate) url: String,
    /// What they should ask for, as RFC 6749 section 3.3 writes it; empty if the host has not said.
    pub(crate) scopes: String,
    /// Without these nobody comes in, likewise.
    pub(crate) required: String,
    /// What may follow the well-known place in a request.
    paths: [String; 2],
}

impl Metadata {
    /// `name` is that of the server, `path` that of its endpoint.
    pub(super) fn new(oauth: &OAuth, name: &str, path: &str) -> Metadata {
        // What everybody needs belongs to what clients ask for.
        let told = || oauth.required.iter().chain(&oauth.scopes);
        let mut scopes: Vec<&str> = Vec::new();
        for scope in told() {
            if !scopes.contains(&&**scope) {
                scopes.push(scope);
            }
        }
        let mut document = Map::new();
        let mut say = |member: &str, value: Value| document.insert(member.to_owned(), value);
        say("resource", oauth.resource.as_str().into());
        say("authorization_servers", json!(oauth.issuers));
        say("bearer_methods_supported", json!(["header"]));
        say("resource_name", oauth.title.as_deref().unwrap_or(name).into());
        if !scopes.is_empty() {
            say("scopes_supported", json!(scopes));
        }
        if let Some(url) = &oauth.documentation {
            say("resource_documentation", url.as_str().into());
        }
        Metadata {
            document: Value::Object(document).to_string(),
            url: oauth.resource.metadata(),
            scopes: scopes.join(" "),
            required: oauth.required.join(" "),
            paths: [path.trim_end_matches('/'), oauth.resource.path()].map(str::to_owned),
        }
    }

    /// Tells whether `path` is where clients look for the document: at the root of the host, or
    /// where the path of the endpoint follows, by its name here or before a proxy.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(WELL_KNOWN) else { return false };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        rest.is_empty() || self.paths.iter().any(|path| path.trim_end_matches('/') == rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_what_the_host_has_said() {
        let oauth = OAuth::new("https://a.example/x/mcp", "https://b.example").unwrap();
        let plain = Metadata::new(&oauth, "agent", "/mcp");
        let expected = json!({
            "resource": "https://a.example/x/mcp",
            "authorization_servers": ["https://b.example"],
            "bearer_methods_supported": ["header"],
            "resource_name": "agent",
        });
        assert_eq!(serde_json::from_str::<Value>(&plain.document).unwrap(), expected);
        let oauth = oauth.issuer("https://c.example").unwrap().title("Agent");
        let oauth = oauth.documentation("https://d.example").unwrap();
        let oauth = oauth.scopes("m:read,m:write").unwrap().required_scopes("m,m:read").unwrap();
        let full = Metadata::new(&oauth, "agent", "/mcp");
        let document: Value = serde_json::from_str(&full.document).unwrap();
        assert_eq!(
            document["authorization_servers"],
            json!(["https://b.example", "https://c.example"])
        );
        assert_eq!(document["scopes_supported"], json!(["m", "m:read", "m:write"]));
        assert_eq!(document["resource_documentation"], "https://d.example");
        assert_eq!(document["resource_name"], "Agent");
        assert_eq!((&*full.scopes, &*full.required), ("m m:read m:write", "m m:read"));
    }

    #[test]
    fn clients_look_at_several_places() {
        let oauth = OAuth::new("https://a.example/x/mcp", "https://b.example").unwrap();
        let metadata = Metadata::new(&oauth, "agent", "/mcp");
        for path in ["", "/", "/mcp", "/mcp/", "/x/mcp", "/x/mcp/"] {
            assert!(metadata.is_at(&format!("{WELL_KNOWN}{path}")), "{path}");
        }
        for path in ["//", "/x", "/mcp/x", "/MCP", "mcp", "-x", "/sse"] {
            assert!(!metadata.is_at(&format!("{WELL_KNOWN}{path}")), "{path}");
        }
        assert!(!metadata.is_at("/mcp") && !metadata.is_at(""));
    }
}
