//! Progress of one call: growing, not too fast, and only for those who asked.

use std::time::Instant;

use crate::json::push_string;
use crate::limits::Limits;
use crate::protocol::{Meta, Revision};
use crate::rpc::write;

/// What has been reported so far.
pub(crate) struct Progress {
    /// The client's token as JSON text; without one nothing is reported.
    token: Option<String>,
    last: Option<(f64, Instant)>,
}

impl Progress {
    pub(crate) fn new(meta: &Meta) -> Progress {
        Progress { token: meta.progress_token().map(str::to_owned), last: None }
    }

    /// The notification for `done`, or `None` if it must not or need not be sent.
    pub(crate) fn next(
        &mut self,
        revision: Revision,
        limits: &Limits,
        done: f64,
        total: f64,
        message: Option<&str>,
    ) -> Option<String> {
        let token = self.token.as_deref()?;
        // JSON has no NaN and no infinity.
        if !done.is_finite() {
            return None;
        }
        let reaches_end = total > 0.0 && done >= total;
        if let Some((last, at)) = self.last {
            // Progress must increase (all revisions, progress).
            if done <= last || (!reaches_end && at.elapsed() < limits.progress_time) {
                return None;
            }
        }
        self.last = Some((done, Instant::now()));
        let mut params = format!(r#"{{"progressToken":{token},"progress":{done}"#);
        if total > 0.0 && total.is_finite() {
            params.push_str(&format!(r#","total":{total}"#));
        }
        if let Some(message) = message.filter(|_| revision.has_progress_message()) {
            params.push_str(r#","message":"#);
            push_string(&mut params, message);
        }
        params.push('}');
        Some(write::notification("notifications/progress", &params))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(progress_time: Duration) -> Limits {
        Limits { progress_time, ..Limits::default() }
    }

    fn progress(token: Option<&str>) -> Progress {
        let meta = token.map(|token| Meta::of(&format!(r#"{{"progressToken":{token}}}"#)));
        let meta = meta.unwrap_or_default();
        Progress::new(&meta)
    }

    #[test]
    fn progress_grows_and_echoes_the_token() {
        let limits = limits(Duration::ZERO);
        let mut progress = progress(Some("\"t\""));
        let mut next = |done| progress.next(Revision::V2024_11_05, &limits, done, 100.0, Some("m"));
        assert_eq!(
            next(0.0).as_deref(),
            Some(
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":0,"total":100}}"#
            )
        );
        assert!(next(0.0).is_none());
        assert!(next(f64::NAN).is_none());
        assert!(next(50.5).is_some());
    }

    #[test]
    fn fast_reports_are_dropped_but_not_the_last() {
        let limits = limits(Duration::from_secs(3600));
        let mut progress = progress(Some("1"));
        let mut next = |done| progress.next(Revision::V2025_11_25, &limits, done, 3.0, Some("m"));
        assert!(next(1.0).is_some_and(|text| text.contains(r#""message":"m""#)));
        assert!(next(2.0).is_none());
        assert!(next(3.0).is_some());
    }

    #[test]
    fn without_a_token_nothing_is_reported() {
        let limits = limits(Duration::ZERO);
        assert!(progress(None).next(Revision::V2025_11_25, &limits, 1.0, 0.0, None).is_none());
    }
}
