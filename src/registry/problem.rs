//! Says in words for a model why arguments do not fit their schema.
//!
//! The text holds pieces of what the client sent, so each piece is quoted as JSON and short.

use std::fmt::Write as _;
use std::io;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{ValidationError, paths::LocationSegment};
use serde::Serialize;
use serde_json::{Map, Value};

/// Problems in one report: a model fixes a few at a time.
const PROBLEMS_MAX: usize = 5;

/// Characters shown of one value.
const VALUE_CHARS_MAX: usize = 60;

/// Names or choices listed in one problem.
const LISTED_MAX: usize = 20;

/// Branches of an `anyOf` whose problem is shown.
const BRANCHES_MAX: usize = 3;

/// Describes up to five problems, each naming its argument, one per line.
pub(crate) fn describe<'a, 'i: 'a>(
    errors: impl Iterator<Item = &'a ValidationError<'i>>,
    schema: &Value,
    arguments: &Value,
) -> String {
    let problems = errors.flat_map(|error| lines(error, schema, arguments));
    let shown: Vec<String> = problems.take(PROBLEMS_MAX).collect();
    shown.join("\n")
}

/// One line per argument that the error is about; unknown arguments come several at once.
fn lines(error: &ValidationError<'_>, schema: &Value, arguments: &Value) -> Vec<String> {
    let path = path(error);
    let inside = |name: &str| join(&path, name);
    let unknown = |name: &String| {
        format!("{}: unknown argument{}", label(&inside(name)), allowed(error, schema))
    };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().take(PROBLEMS_MAX).map(unknown).collect()
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![format!("{}: missing, it is required", label(&inside(name)))]
        }
        Kind::FalseSchema => match members_of_closed(error, arguments) {
            Some(members) => members.keys().take(PROBLEMS_MAX).map(unknown).collect(),
            None => vec![format!("{}: {}", label(&path), reason(error, true))],
        },
        _ => vec![format!("{}: {}", label(&path), reason(error, true))],
    }
}

/// What is expected and what was given. `branches` also looks into the forms of an `anyOf`.
fn reason(error: &ValidationError<'_>, branches: bool) -> String {
    let given = shorten(error.instance().as_ref());
    match error.kind() {
        Kind::Type { kind } => format!("expected {}, got {given}", types(kind)),
        Kind::Enum { options } => format!("{given} is not one of {}", list(options)),
        Kind::Constant { expected_value } => {
            format!("expected {}, got {given}", shorten(expected_value.as_ref()))
        }
        Kind::Minimum { limit } => format!("{given} is less than the minimum of {limit}"),
        Kind::Maximum { limit } => format!("{given} is greater than the maximum of {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("{given} is not greater than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("{given} is not less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("{given} is not a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("{given} is shorter than {limit} characters"),
        Kind::MaxLength { limit } => format!("{given} is longer than {limit} characters"),
        Kind::Pattern { pattern } => {
            format!("{given} does not match the pattern {}", shorten(pattern))
        }
        Kind::Format { format } => format!("{given} is not of the format {}", shorten(format)),
        Kind::MinItems { limit } => format!("{given} has fewer than {limit} items"),
        Kind::MaxItems { limit } => format!("{given} has more than {limit} items"),
        Kind::UniqueItems => format!("{given} has the same item twice"),
        Kind::MinProperties { limit } => format!("{given} has fewer than {limit} members"),
        Kind::MaxProperties { limit } => format!("{given} has more than {limit} members"),
        Kind::FalseSchema => format!("nothing is allowed here, got {given}"),
        Kind::OneOfMultipleValid { .. } => {
            format!("{given} matches several of the forms of which only one may match")
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            format!("{given} matches none of the allowed forms{}", forms(context, branches))
        }
        // The rest is rare; the validator's words, without the value that it would print in full.
        _ => clip(&error.masked_with(given).to_string(), 4 * VALUE_CHARS_MAX),
    }
}

/// The first problem of each form, so that the model learns what was meant.
fn forms(context: &[Vec<ValidationError<'_>>], wanted: bool) -> String {
    if !wanted {
        return String::new();
    }
    let first = context.iter().filter_map(|branch| branch.first()).take(BRANCHES_MAX);
    let reasons: Vec<String> = first
        .map(|error| match error.kind() {
            Kind::Required { property } => format!("{property} is missing"),
            _ => reason(error, false),
        })
        .collect();
    if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) }
}

/// The members of an object that may have none; the validator names only the object then.
fn members_of_closed<'a>(
    error: &ValidationError<'_>,
    arguments: &'a Value,
) -> Option<&'a Map<String, Value>> {
    let parent = error.schema_path().as_str().strip_suffix("/additionalProperties")?;
    // A property may be called like the keyword.
    if parent.ends_with("/properties") {
        return None;
    }
    arguments.pointer(error.instance_path().as_str())?.as_object()
}

/// The names that the object with the unknown argument may have.
fn allowed(error: &ValidationError<'_>, schema: &Value) -> String {
    let keyword = error.schema_path().as_str();
    let parent = keyword.rsplit_once('/').map_or("", |(parent, _)| parent);
    let Some(object) = schema.pointer(parent) else { return String::new() };
    match object.get("properties").and_then(Value::as_object) {
        Some(names) if !names.is_empty() => {
            format!(", allowed are {}", list_of(names.keys().map(shorten), names.len()))
        }
        _ if object.get("patternProperties").is_some() => String::new(),
        _ => ", none are allowed".into(),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(set) => {
            let names: Vec<String> = set.iter().map(|one| one.to_string()).collect();
            names.join(" or ")
        }
    }
}

fn list(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    list_of(options.iter().map(shorten), options.len())
}

fn list_of(texts: impl Iterator<Item = String>, total: usize) -> String {
    let shown: Vec<String> = texts.take(LISTED_MAX).collect();
    let mut out = shown.join(", ");
    if total > LISTED_MAX {
        let _ = write!(out, " and {} more", total - LISTED_MAX);
    }
    out
}

/// Where in the arguments, the way a programmer writes it: `filter.names[0]`.
fn path(error: &ValidationError<'_>) -> String {
    let mut out = String::new();
    for segment in error.instance_path() {
        match segment {
            LocationSegment::Property(name) => out = join(&out, &name),
            LocationSegment::Index(index) => {
                let _ = write!(out, "[{index}]");
            }
        }
    }
    out
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

fn label(path: &str) -> String {
    if path.is_empty() { "arguments".into() } else { format!("argument {}", shorten(path)) }
}

/// A value as JSON, cut to [`VALUE_CHARS_MAX`] characters. A value of a megabyte is not printed
/// first: the serializer stops once enough is there.
fn shorten(value: &(impl Serialize + ?Sized)) -> String {
    let mut head = Head(Vec::new());
    // An error here only means that the value is longer than its head.
    let _ = serde_json::to_writer(&mut head, value);
    clip(&String::from_utf8_lossy(&head.0), VALUE_CHARS_MAX)
}

fn clip(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.into(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// Keeps the first bytes and then refuses more.
struct Head(Vec<u8>);

impl Head {
    /// Room for the longest characters, plus one so that a longer text is seen as longer.
    const BYTES_MAX: usize = 4 * (VALUE_CHARS_MAX + 1);
}

impl io::Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = Head::BYTES_MAX - self.0.len();
        if room == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let taken = room.min(bytes.len());
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
