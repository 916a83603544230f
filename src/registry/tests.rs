use super::*;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const SHAPE: Revision = Revision::V2026_07_28;

fn tool(name: &str) -> Tool {
    Tool::new(name).unwrap()
}

fn writer(name: &str) -> Tool {
    tool(name).flags(ToolFlags { write: true, ..ToolFlags::default() })
}

fn registry(names: &[&str]) -> Registry<Tool, ()> {
    let registry = Registry::new(false);
    names.iter().for_each(|name| registry.add(tool(name), ()).unwrap());
    registry
}

/// The names on all pages, with a bar between two pages.
fn listed<F>(registry: &Registry<Tool, F>, size: usize) -> String {
    let mut out = Vec::new();
    let mut cursor = None;
    loop {
        let page = registry.page(cursor.as_deref(), size, SHAPE, None).unwrap();
        let tools: Vec<serde_json::Value> = serde_json::from_str(&page.items).unwrap();
        let names: Vec<&str> = tools.iter().map(|one| one["name"].as_str().unwrap()).collect();
        out.push(names.join(" "));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return out.join("|");
        }
    }
}

#[test]
fn lists_are_sorted_and_cut_into_pages() {
    let registry = registry(&["d", "b", "a", "c"]);
    assert_eq!(listed(&registry, 100), "a b c d");
    assert_eq!(listed(&registry, 2), "a b|c d");
    assert_eq!(listed(&registry, 3), "a b c|d");
    assert_eq!(listed(&registry, 0), "a|b|c|d");
    assert_eq!(listed(&self::registry(&[]), 2), "");
}

#[test]
fn a_cursor_survives_changes_between_two_pages() {
    let registry = registry(&["a", "b", "c"]);
    let first = registry.page(Some(""), 2, SHAPE, None).unwrap();
    registry.remove("b").unwrap();
    registry.add(tool("aa"), ()).unwrap();
    registry.add(tool("bb"), ()).unwrap();
    let second = registry.page(first.next_cursor.as_deref(), 2, SHAPE, None).unwrap();
    assert!(second.items.contains(r#""name":"bb""#) && second.items.contains(r#""name":"c""#));
    assert_eq!(second.next_cursor, None);
    assert_eq!(registry.page(Some("?"), 2, SHAPE, None), Err(BadCursor));
}

#[test]
fn hidden_tools_are_neither_listed_nor_found() {
    let registry = registry(&["a", "b"]);
    registry.enable("b", false).unwrap();
    assert_eq!(listed(&registry, 1), "a");
    assert!(registry.lookup("b").is_none() && registry.lookup("a").is_some());
    registry.enable("b", true).unwrap();
    assert_eq!(listed(&registry, 1), "a|b");
}

#[test]
fn a_filter_leaves_out_and_still_fills_pages() {
    let registry = registry(&["a", "b", "c", "d", "e"]);
    let odd = |name: &str, _: &About| matches!(name, "a" | "c" | "e");
    let first = registry.page(None, 2, SHAPE, Some(&odd)).unwrap();
    assert!(first.items.contains(r#""name":"c""#) && !first.items.contains(r#""name":"b""#));
    let second = registry.page(first.next_cursor.as_deref(), 2, SHAPE, Some(&odd)).unwrap();
    assert!(second.items.contains(r#""name":"e""#));
    assert_eq!(second.next_cursor, None);
}

#[test]
fn a_read_only_registry_hides_tools_that_write() {
    let registry = Registry::new(true);
    registry.add(tool("read"), ()).unwrap();
    let before = registry.generation();
    registry.add(writer("write"), ()).unwrap();
    registry.enable("write", false).unwrap();
    registry.enable("write", true).unwrap();
    assert_eq!(listed(&registry, 1), "read");
    assert!(registry.lookup("write").is_none());
    registry.remove("write").unwrap();
    assert_eq!(registry.generation(), before);
}

#[test]
fn the_generation_grows_with_visible_changes_only() {
    let registry = registry(&["a"]);
    let check = |expected| assert_eq!(registry.generation(), expected);
    check(1);
    registry.enable("a", true).unwrap();
    check(1);
    registry.enable("a", false).unwrap();
    check(2);
    registry.remove("a").unwrap();
    check(2);
    assert!(registry.remove("a").is_err() && registry.enable("a", true).is_err());
    check(2);
}

#[test]
fn a_taken_name_is_refused_and_its_function_dropped() {
    let registry = Registry::new(false);
    let function = Arc::new(());
    registry.add(tool("a"), function.clone()).unwrap();
    let error = registry.add(tool("a"), function.clone()).unwrap_err();
    assert_eq!(error.to_string(), r#"tool "a" exists already"#);
    assert_eq!(Arc::strong_count(&function), 2);
    assert_eq!(registry.generation(), 1);
}

#[test]
fn removal_waits_for_running_calls_and_then_drops_the_function() {
    struct Function(Arc<AtomicUsize>);
    impl Drop for Function {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let registry = Registry::new(false);
    registry.add(tool("a"), Function(drops.clone())).unwrap();
    let looked_up = registry.lookup("a").unwrap();
    let running = looked_up.enter().ok().unwrap();
    let removed = registry.remove("a").unwrap();
    assert_eq!(drops.load(Relaxed), 0);
    let call = std::thread::spawn(move || drop(running));
    removed.wait_idle();
    assert_eq!(drops.load(Relaxed), 1);
    assert_eq!(looked_up.enter().err(), Some(Refused::Removed));
    call.join().unwrap();
}
