//! `include/emcp.h` is what the modules of this crate say; `UPDATE_HEADER=1` writes it.

use std::{env, fs, path::Path};

use cbindgen::{Builder, Config};

/// The sections of the header and the modules they are made of, in the order a user needs them.
const SECTIONS: &[(&str, &str)] = &[
    ("Text", "text"),
    ("Making a server", "config"),
    ("Running a server", "server"),
    ("TLS on the listeners", "tls"),
    ("Compression on WebSockets", "compression"),
    ("Who may come in", "keys"),
    ("The program's own check of a key", "check"),
    ("Who may come in with a token", "oauth"),
    ("The program's own thread", "dispatch"),
    ("Sockets of the program", "adopt"),
    ("Requests that the program has parsed", "request"),
    ("The program's own HTTP server", "http"),
    ("Connections whose bytes the program carries", "conn"),
    ("Peers whose WebSocket the program speaks", "peer"),
    ("Tools", "tool"),
    ("Resources", "resource"),
    ("Prompts", "prompt"),
    ("Inside a call: its arguments", "argument"),
    ("Inside a call: who calls, how long, and what to say meanwhile", "call"),
    ("Answering a call", "result"),
    ("Asking the user and the model", "input"),
    ("Tasks", "task"),
    ("Writing JSON", "json"),
    ("Log messages for clients", "log"),
    ("Hooks", "hooks"),
    ("Counters", "stats"),
    ("Status", "status"),
];

/// Columns of the header.
const WIDTH: usize = 100;

const FOOT: &str = "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";

#[test]
fn the_committed_header_is_the_generated_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../include/emcp.h");
    let header = generate(root);
    if env::var_os("UPDATE_HEADER").is_some() {
        fs::write(&path, &header).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    for (number, (line, expected)) in committed.lines().zip(header.lines()).enumerate() {
        assert_eq!(line, expected, "line {} differs; run make header", number + 1);
    }
    assert_eq!(committed.len(), header.len(), "the end differs; run make header");
}

#[test]
fn every_exported_function_is_in_a_section() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = generate(root);
    for entry in fs::read_dir(root.join("src")).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        let names = source.split("extern \"C\" fn emcp_").skip(1);
        for name in names.filter_map(|rest| rest.split('(').next()) {
            assert!(header.contains(&format!("emcp_{name}(")), "emcp_{name}");
        }
    }
}

fn generate(root: &Path) -> String {
    let mut header = fs::read_to_string(root.join("header/top.h")).unwrap();
    for (title, module) in SECTIONS.iter().copied() {
        let source = root.join("src").join(module).with_extension("rs");
        header += &format!("\n/* {} */\n", "-".repeat(94));
        header += &format!("/* {title}{} */\n", " ".repeat(94 - title.len()));
        header += &format!("/* {} */\n\n", "-".repeat(94));
        header += &intro(&fs::read_to_string(&source).unwrap());
        header += &section(root, &source);
    }
    header + FOOT
}

/// What the module's own text says below its first paragraph is for C readers too.
fn intro(source: &str) -> String {
    let lines = source.lines().take_while(|line| line.starts_with("//!"));
    let text: Vec<&str> = lines.map(|line| trimmed("//!", line).trim_end()).collect();
    let Some(first_end) = text.iter().position(|line| line.is_empty()) else {
        return String::new();
    };
    format!("/* {} */\n\n", text[first_end + 1..].join("\n * ")).replace(" * \n", " *\n")
}

fn section(root: &Path, source: &Path) -> String {
    let config = Config::from_file(root.join("cbindgen.toml")).unwrap();
    let bindings = Builder::new().with_config(config).with_src(source).generate().unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    tidy(&String::from_utf8(text).unwrap())
}

/// Brings the generator's comments and type names into the shape of the style guide.
fn tidy(generated: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut lines = generated.trim().lines();
    while let Some(line) = lines.next() {
        if line.trim() != "/*" {
            out.push(line.to_owned());
            continue;
        }
        let indent = &line[..line.len() - 2];
        let text: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim() != "*/")
            .map(|line| trimmed(indent, line))
            .collect();
        // Every comment has a thing that it is about.
        let thing = named(lines.next().unwrap());
        out.extend(commented(indent, &text, thing));
    }
    let text = out.join("\n") + "\n";
    // Constants of one kind stand together.
    let mut lines = text.split("\n\n").collect::<Vec<_>>().into_iter().peekable();
    let mut joined = String::new();
    while let Some(block) = lines.next() {
        joined += block;
        let both_constants =
            lines.peek().is_some_and(|next| is_constant(next) && is_constant(block));
        joined += match (both_constants, lines.peek()) {
            (_, None) => "",
            (true, _) => "\n",
            (false, _) => "\n\n",
        };
    }
    joined
}

/// A thing with its comment: behind it where a line is enough, before it otherwise.
fn commented(indent: &str, text: &[&str], thing: String) -> Vec<String> {
    let is_short = thing.ends_with(';') || thing.starts_with("#define");
    if let ([only], true, false) = (text, is_short, thing.contains('(')) {
        let line = format!("{thing} /* {only} */");
        if line.len() <= WIDTH {
            return vec![line];
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for (number, line) in text.iter().enumerate() {
        let margin = if number == 0 { "/*" } else { " *" };
        lines.push(format!("{indent}{margin} {line}").trim_end().to_owned());
    }
    match lines.last_mut() {
        Some(last) if last.len() + 3 <= WIDTH => last.push_str(" */"),
        _ => lines.push(format!("{indent} */")),
    }
    lines.push(thing);
    lines
}

/// A line of a comment without the margin that the generator gives it.
fn trimmed<'a>(indent: &str, line: &'a str) -> &'a str {
    let line = line.strip_prefix(indent).unwrap_or(line);
    line.strip_prefix(' ').unwrap_or(line)
}

/// Types by the name that every section knows.
fn named(line: &str) -> String {
    match line.starts_with("typedef struct") {
        true => line.to_owned(),
        false => line.replace("struct emcp_", "emcp_"),
    }
}

fn is_constant(block: &str) -> bool {
    block.lines().last().is_some_and(|line| line.starts_with("#define"))
}
