//! The fuzz target of URI templates.

use super::{Kind, Piece, UriTemplate};

/// Values of a template that a URI fits never climb out of a path, and the URI that they give back
/// fits again. The template is the first line, the URI all the rest.
///
/// # Panics
/// When it is not so.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (template, uri) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(template) = UriTemplate::parse(template) else { return };
    let Some(values) = template.match_uri(uri) else { return };
    for (name, value) in &values {
        assert!(template.variables().any(|known| known == name), "{name} is not in the template");
        match template.kind_of(name) {
            Kind::Segment => {
                assert!(!value.contains(['/', '\0']) && !matches!(&**value, "" | "." | ".."));
            }
            Kind::Path => {
                assert!(value.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
            Kind::Any => {}
        }
        assert!(!value.contains('\0'), "{name} ends early for a C program");
    }
    // Built the plain way, with every doubtful byte escaped, it is the same question.
    let again = template.expand(&values);
    assert_eq!(template.match_uri(&again).as_ref(), Some(&values), "{uri:?} became {again:?}");
}

impl UriTemplate {
    fn kind_of(&self, variable: &str) -> Kind {
        let found = self.pieces.iter().find_map(|piece| match piece {
            Piece::Value { name, kind } if name == variable => Some(*kind),
            _ => None,
        });
        // What is no value of a path is one of a query.
        found.unwrap_or(Kind::Any)
    }

    /// The URI that these values make.
    fn expand(&self, values: &[(String, String)]) -> String {
        let value = |wanted: &str| values.iter().find(|(name, _)| name == wanted);
        let mut uri = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => uri.push_str(text),
                Piece::Value { name, kind } => {
                    let (_, value) = value(name).expect("every value of a path is there");
                    uri.push_str(&escape(value, *kind));
                }
                Piece::Query { mark, names } => {
                    let mut mark = char::from(*mark);
                    for (name, value) in names.iter().filter_map(|name| value(name)) {
                        uri.push(mark);
                        uri.push_str(&format!("{name}={}", escape(value, Kind::Any)));
                        mark = '&';
                    }
                }
            }
        }
        uri
    }
}

fn escape(value: &str, kind: Kind) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || (kind == Kind::Path && byte == b'/');
    let escaped = value.bytes().map(|byte| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    escaped.collect()
}
