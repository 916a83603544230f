//! Counters that tell an operator what the server does and which limit bites.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Declares every counter once: the live atomics, the snapshot and the Prometheus text come from
/// this one table, so that they cannot disagree.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident : $kind:literal, $help:literal;)*) => {
        /// The live counters of a server; any thread adds to them.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[$doc])* pub(crate) $name: Counter,)* }

        /// One reading of every counter.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats { $(#[doc = $help] pub $name: u64,)* }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.value(),)* }
            }
        }

        impl Stats {
            /// Writes the counters in the Prometheus text format, each name with prefix `emcp_`.
            pub fn to_prometheus(&self) -> String {
                let mut text = String::with_capacity(4096);
                $({
                    let name = concat!("emcp_", stringify!($name));
                    let suffix = if $kind == "counter" { "_total" } else { "" };
                    let _ = writeln!(text, "# HELP {name}{suffix} {}\n# TYPE {name}{suffix} {}\n{name}{suffix} {}",
                        $help, $kind, self.$name);
                })*
                text
            }
        }
    };
}

counters! {
    connections: "gauge", "Open connections and exchanges of parsed requests.";
    connections_accepted: "counter", "Connections accepted or adopted.";
    connections_refused: "counter", "Connections refused because limits.connections was reached.";
    peers_turned_away: "counter", "Connections and peers refused because of allowed_addresses, allowed_uids or allowed_gids.";
    tls_handshakes: "counter", "TLS handshakes completed.";
    tls_handshakes_failed: "counter", "TLS handshakes that came to nothing: no certificate, nothing in common, too slow, no TLS.";
    tls_certificate_expiry_seconds: "gauge", "When the first certificate of the listeners ends, in seconds since 1970; 0 without TLS.";
    requests: "counter", "HTTP requests read in full.";
    requests_refused: "counter", "HTTP requests refused by policy: path, Host, Origin, key, method or size.";
    auth_missing: "counter", "Requests refused because they carried no key.";
    auth_refused: "counter", "Requests refused because nobody has given out the key, it was taken back, or there were two.";
    auth_expired: "counter", "Requests refused because the time of the key was over.";
    auth_asked: "counter", "Keys that the program was asked about.";
    auth_unchecked: "counter", "Requests refused because the program did not say in time whether their key is good.";
    scopes_refused: "counter", "Requests refused because the caller lacked a scope.";
    jwks_wanted: "counter", "Times that the program was asked for the keys of an issuer.";
    requests_malformed: "counter", "HTTP requests that broke RFC 9110 or RFC 9112.";
    requests_timed_out: "counter", "HTTP requests whose head or body did not arrive in time.";
    held_bytes: "gauge", "Bytes of unfinished bodies and WebSocket messages.";
    messages_crowded_out: "counter", "Messages refused because limits.held_bytes was reached.";
    writes_stalled: "counter", "Connections closed because the client, or the host for it, stopped reading.";
    bytes_in: "counter", "Bytes read from clients.";
    bytes_out: "counter", "Bytes written to clients.";
    streams: "gauge", "Open SSE streams and WebSockets.";
    streams_refused: "counter", "Streams refused because limits.streams or limits.listens was reached.";
    listens: "gauge", "Open subscriptions/listen streams.";
    websockets: "gauge", "Open WebSockets and message peers.";
    sessions: "gauge", "Live legacy sessions.";
    sessions_opened: "counter", "Legacy sessions opened.";
    sessions_expired: "counter", "Legacy sessions that ended because nobody used them.";
    sessions_evicted: "counter", "Legacy sessions that made room because limits.sessions was reached.";
    messages: "counter", "JSON-RPC messages received.";
    messages_malformed: "counter", "JSON-RPC messages answered with a parse error or invalid request.";
    messages_inflated: "counter", "Compressed WebSocket messages received.";
    messages_deflated: "counter", "WebSocket messages sent compressed.";
    inflations_refused: "counter", "Compressed WebSocket messages refused because they were broken, or would have grown above limits.body_bytes.";
    calls: "gauge", "Calls that run or wait.";
    calls_queued: "gauge", "Calls that wait for a worker.";
    calls_started: "counter", "Calls accepted: of tools, resources, prompts and completions.";
    calls_succeeded: "counter", "Calls answered with a result.";
    calls_failed: "counter", "Calls answered with isError or a protocol error.";
    calls_cancelled: "counter", "Calls cancelled by the client, its leaving or a session's end.";
    calls_timed_out: "counter", "Calls that ran past their timeout.";
    calls_overrun: "gauge", "Functions still running although their call has ended.";
    calls_refused: "counter", "Calls refused because limits.calls, calls_per_peer, calls_per_identity, parked or queue was reached.";
    calls_too_fast: "counter", "Calls refused because limits.calls_per_second or the rate of what is called was reached.";
    calls_invalid: "counter", "Tool calls whose arguments did not match the input schema.";
    calls_parked: "gauge", "Calls that wait for answers of the user or the model.";
    calls_asking: "counter", "Times that a call has asked the user or the model.";
    completions_refused: "counter", "Completions refused because limits.completions_per_second was reached.";
    subscriptions_refused: "counter", "Resource subscriptions refused because limits.subscriptions was reached.";
    states_refused: "counter", "Requests whose requestState was forged, expired or of somebody else.";
    tasks_started: "counter", "Calls that have become tasks.";
    tasks_refused: "counter", "Calls that could not become tasks because limits.tasks was reached.";
    tasks_evicted: "counter", "Ended tasks forgotten early because limits.tasks or limits.task_bytes was reached.";
    results_oversized: "counter", "Results above the result size limit.";
    notifications_dropped: "counter", "Notifications dropped because a client read too slowly.";
    outboxes_overflowed: "counter", "Clients closed because too much waited for them.";
    replays_evicted: "counter", "Events dropped from the resume buffer because limits.replay_bytes was reached.";
    records_dropped: "counter", "Log and audit records dropped because the program dispatched too slowly.";
    panics: "counter", "Panics caught inside emcp. Above zero is a bug worth a report.";
}

/// A number that goes up, and for gauges down again.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn up(&self) {
        self.add(1);
    }

    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(crate) fn sub(&self, n: usize) {
        self.0.fetch_sub(n as u64, Relaxed);
    }

    /// Goes up by `n` if the result stays within `cap`; tells whether it did.
    pub(crate) fn add_within(&self, n: usize, cap: usize) -> bool {
        let within = |value: u64| value.checked_add(n as u64).filter(|sum| *sum <= cap as u64);
        self.0.fetch_update(Relaxed, Relaxed, within).is_ok()
    }

    /// Goes up if the result stays within `cap`; tells whether it did.
    pub(crate) fn up_within(&self, cap: usize) -> bool {
        self.add_within(1, cap)
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capped_counter_refuses_the_next_one() {
        let counter = Counter::default();
        assert!(counter.up_within(1));
        assert!(!counter.up_within(1));
        counter.down();
        assert!(counter.up_within(1));
    }

    #[test]
    fn prometheus_text_names_the_kind() {
        let counters = Counters::default();
        counters.requests.add(7);
        let text = counters.snapshot().to_prometheus();
        assert!(text.contains("# TYPE emcp_requests_total counter\nemcp_requests_total 7\n"));
        assert!(text.contains("# TYPE emcp_sessions gauge\nemcp_sessions 0\n"));
    }
}
