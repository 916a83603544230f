//! The official Rust SDK's client with all its features: emcp-rmcp-client URL modern|legacy SERVER.
//!
//! SERVER is `host` for conformance-host or `sysmond`.

// The SDK deprecates sampling and roots, as the newest revision does; servers still ask for both.
#![expect(deprecated)]

use crate::checks::Checks;
use crate::client::Client;

mod asked;
mod checks;
mod client;
mod features;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, era, server] = arguments.as_slice() else {
        panic!("usage: emcp-rmcp-client URL modern|legacy host|sysmond");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run(url, era == "modern", server == "host"));
}

async fn run(url: &str, modern: bool, host: bool) {
    let mut checks = Checks::default();
    let mut client = Client::connect(url, modern).await;
    let revision = if modern { "2026-07-28" } else { "2025-11-25" };
    checks.equal(client.revision.as_str(), revision, "negotiated revision");
    if host {
        features::hold(&mut checks, &mut client).await;
    } else {
        features::hold_sysmond(&mut checks, &mut client).await;
    }
    client.close().await;
    println!("{} checks", checks.count);
}
