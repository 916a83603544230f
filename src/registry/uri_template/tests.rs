use super::*;

fn parse(template: &str) -> UriTemplate {
    UriTemplate::parse(template).unwrap_or_else(|error| panic!("{error}"))
}

/// `expected` is `name=value` with `|` between them.
#[track_caller]
fn check(template: &str, uri: &str, expected: Option<&str>) {
    let values = parse(template).match_uri(uri).map(|values| {
        let values: Vec<String> =
            values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        values.join("|")
    });
    assert_eq!(values.as_deref(), expected, "{template} {uri}");
}

#[track_caller]
fn matches(template: &str, uri: &str, expected: &str) {
    check(template, uri, Some(expected));
}

#[track_caller]
fn misses(template: &str, uris: &[&str]) {
    for uri in uris {
        check(template, uri, None);
    }
}

#[test]
fn plain_variables() {
    let template = "metrics://{chart}/{dimension}";
    matches(template, "metrics://system.cpu/user", "chart=system.cpu|dimension=user");
    matches(template, "metrics://a%20b/%C3%A4", "chart=a b|dimension=\u{e4}");
    matches(template, "metrics://\u{e4}/b:@,;=&", "chart=\u{e4}|dimension=b:@,;=&");
    misses(template, &["metrics://a", "metrics://a/", "metrics:///a", "metrics://a/b/c"]);
    misses(template, &["metrics://a/b?c", "metrics://a/b#c", "Metrics://a/b", "metrics://a/b c"]);
    misses(template, &["", "m", "metrics://a/b\u{7f}", "xmetrics://a/b"]);
    matches("m:a/b", "m:a/b", "");
    misses("m:a/b", &["m:a/b/", "m:a"]);
    matches("m:{a,b}", "m:1,2", "a=1|b=2");
    matches("m:{a}.{b}-", "m:1.2.3-4-", "a=1|b=2.3-4");
    matches("m:{a}-{b}.txt", "m:x-y.txt.txt", "a=x|b=y.txt");
}

#[test]
fn values_are_decoded_or_do_not_match() {
    for template in ["m:{a}", "m:{+a}", "m:x{?a}", "m:x{/a*}", "m:x{;a}", "m:x{#a}"] {
        let start = match &template[2..] {
            "{a}" | "{+a}" => "m:",
            "x{?a}" => "m:x?a=",
            "x{/a*}" => "m:x/",
            "x{;a}" => "m:x;a=",
            _ => "m:x#",
        };
        matches(template, &format!("{start}%41%c3%a4"), "a=A\u{e4}");
        for bad in ["%", "%4", "%4g", "%+1", "%ff", "%c3", "x%00", "..%00"] {
            check(template, &format!("{start}{bad}"), None);
        }
    }
    // The 2 of an escape is not the literal 2.
    matches("m:{a}2{b}", "m:x%41y2z", "a=xAy|b=z");
    matches("m:{a}2{b}", "m:%202%20", "a= |b= ");
    misses("m:{a}2{b}", &["m:x%2Ay", "m:%2A"]);
}

#[test]
fn a_value_leads_out_of_no_path() {
    for template in ["m:{a}/x", "m:/{a}/x", "m:{/a}/x", "m:{/a*}/x"] {
        let slash = if template == "m:{a}/x" { "" } else { "/" };
        for bad in [".", "..", "%2e", "%2E%2e", ".%2e", "a%2fb", "..%2F..", "%2f"] {
            check(template, &format!("m:{slash}{bad}/x"), None);
        }
        matches(template, &format!("m:{slash}.../x"), "a=...");
        matches(template, &format!("m:{slash}..a/x"), "a=..a");
    }
    matches("m:x{/a*}", "m:x/b/c%20d/e", "a=b/c d/e");
    misses("m:x{/a*}", &["m:x", "m:x/", "m:x/b/", "m:x//b", "m:x/b/../c", "m:x/b/%2e%2e"]);
    misses("m:x{/a*}", &["m:x/b?c", "m:x/b%2fc"]);
    misses("m:x{.a}{;b}", &["m:x..;b=1", "m:x.1;b=..", "m:x.1;b=%2f"]);
}

#[test]
fn reserved_variables_hold_anything() {
    matches("file:///{+path}", "file:///a/../b?c#d", "path=a/../b?c#d");
    matches("m:{+a}", "m:b%2Fc", "a=b/c");
    matches("m:{+a}/end", "m:x/end/end", "a=x/end");
    matches("m:x{#a}", "m:x#b/c?d", "a=b/c?d");
    matches("m:x{#a,b}", "m:x#1,2,3", "a=1|b=2,3");
    misses("m:x{#a}", &["m:x", "m:x#", "m:xy"]);
    misses("m:{+a}", &["m:", "m:a b", "m:a\nb"]);
}

#[test]
fn labels_paths_and_parameters() {
    matches("m:x{.a,b}", "m:x.1.2.3", "a=1|b=2.3");
    matches("m:x{/a,b}", "m:x/1/2", "a=1|b=2");
    misses("m:x{/a,b}", &["m:x/1", "m:x/1/2/3", "m:x/1/"]);
    matches("m:x{/a*}{/b}", "m:x/1/2/3", "a=1/2|b=3");
    matches("m:x{;a,b}", "m:x;a=1;b=2", "a=1|b=2");
    misses("m:x{;a,b}", &["m:x;b=2;a=1", "m:x;a=1", "m:x;a;b=2", "m:x;a=1;b="]);
}

#[test]
fn queries() {
    let template = "log://{unit}{?since,until,grep}";
    matches(template, "log://ssh", "unit=ssh");
    matches(template, "log://ssh?until=2&since=1", "unit=ssh|since=1|until=2");
    matches(template, "log://ssh?grep=a%2Fb/c?d%26+", "unit=ssh|grep=a/b/c?d&+");
    matches(template, "log://ssh?grep=a=b&since=&until", "unit=ssh|since=|until=|grep=a=b");
    misses(template, &["log://ssh?", "log://ssh?x=1", "log://ssh?since=1&since=2"]);
    misses(template, &["log://ssh?since=1&", "log://ssh?&since=1", "log://ssh?since=1#x"]);
    misses(template, &["log://ssh?%73ince=1", "log://?since=1", "log://ssh?Since=1"]);
    matches("m:x?v=1{&a,b}", "m:x?v=1&b=2", "b=2");
    matches("m:x?v=1{&a,b}", "m:x?v=1", "");
    misses("m:x?v=1{&a,b}", &["m:x", "m:x?v=1&v=2", "m:x?a=1&v=1", "m:x?v=1?a=2"]);
    matches("m:x{?a}{&b}", "m:x?b=1", "b=1");
    matches("m:x{?a}{#f}", "m:x?a=1#2", "a=1|f=2");
    matches("m:x{?a}{#f}", "m:x#?a=2", "f=?a=2");
    matches("m:x{?a}#f", "m:x#f", "");
    matches("m:{+p}{?a}", "m:b/c?a=1", "p=b/c|a=1");
    matches("m:{+p}{?a}", "m:b/c?d=1", "p=b/c?d=1");
    matches("m:x?v={v}{&a}", "m:x?v=1&a=2", "v=1|a=2");
}

#[test]
fn variables_in_order() {
    let template = parse("m:{a.b,_c}{/d*}{?e}{&f}{#g}");
    assert_eq!(template.variables().collect::<Vec<_>>(), ["a.b", "_c", "d", "e", "f", "g"]);
}

#[test]
fn wrong_templates_are_refused() {
    let seventeen: Vec<String> = (0..17).map(|index| format!("v{index}")).collect();
    let seventeen = format!("m:{{{}}}", seventeen.join(","));
    for (template, problem) in [
        ("", "scheme"),
        ("{a}", "scheme"),
        ("a/{b}", "scheme"),
        ("{+a}:b", "scheme"),
        ("m:{a", "a { has no }"),
        ("m:a}", "'}' must be escaped"),
        ("m:{a{b}}", "variable name \"a{b\""),
        ("m:{}", "variable name \"\""),
        ("m:{a,}", "variable name \"\""),
        ("m:{?}", "variable name \"\""),
        ("m:{a-b}", "variable name \"a-b\""),
        ("m:{.a..b}", "variable name \"a..b\""),
        ("m:{%41}", "variable name \"%41\""),
        ("m:{=a}", "operator ="),
        ("m:{a:3}", "prefix"),
        ("m:{a*}", "* is understood"),
        ("m:{?a*}", "* is understood"),
        ("m:{/a**}", "* is understood"),
        ("m:{a}{b}", "nothing tells where a ends and b starts"),
        ("m:{a}{+b}", "nothing tells where"),
        ("m:{a}/{a}", "variable a is there twice"),
        ("m:{a}{?a}", "variable a is there twice"),
        ("m:{?a}{?b}", "second query"),
        ("m:?a=1{?b}", "second query"),
        ("m:{&a}", "no query before"),
        ("m:{?a}/b", "only {&...} and a fragment"),
        ("m:{?a}{b}", "only {&...} and a fragment"),
        ("m:#x{?a}", "after a fragment"),
        ("m:a b{c}", "' ' must be escaped"),
        ("m:\u{e4}{c}", "must be escaped"),
        ("m:%4{c}", "'%' must be escaped"),
        (&seventeen, "more than 16 variables"),
        (&format!("m:{}", "a".repeat(1024)), "1026 bytes, limit is 1024"),
    ] {
        let Err(error) = UriTemplate::parse(template) else { panic!("accepted {template}") };
        assert!(error.to_string().contains(problem), "{template}: {error}");
    }
}

#[test]
fn hostile_uris_take_bounded_work() {
    let template = parse("m:{+a}x{+b}x{+c}x{+d}x{+e}x{+f}x{+g}x{+h}y");
    let longest = format!("m:{}", "x".repeat(URI_BYTES_MAX - 2));
    assert_eq!(template.match_uri(&longest), None);
    let template = parse("m:{+a}{?b}");
    let marks = format!("m:{}", "?".repeat(URI_BYTES_MAX - 2));
    assert_eq!(template.match_uri(&marks).map(|values| values.len()), Some(1));
    assert_eq!(template.match_uri(&format!("{longest}x")), None);
}
