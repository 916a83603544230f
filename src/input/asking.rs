//! What one call has asked, been answered and kept, over all its rounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Question;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::protocol::ClientCapabilities;

/// Questions in one round. More is no dialogue but an attack on the user.
const QUESTIONS_MAX: usize = 16;

/// What frames the kept bytes in a state without answers.
const FRAME_BYTES: usize = 64;

/// What became of a question.
#[derive(Clone, Debug)]
pub enum Need {
    /// The answer is there: the JSON of its result.
    Answered(Arc<str>),
    /// It has been noted; [`Call::ask`](crate::Call::ask) sends it.
    Asked,
}

/// The dialogue of one call.
#[derive(Default)]
pub(crate) struct Asking {
    /// Rounds that have been asked already.
    rounds: usize,
    /// By key: the JSON of a result, or why the client gave none.
    answers: BTreeMap<String, std::result::Result<Arc<str>, String>>,
    /// What the client says in this round, not yet held against a question.
    offered: BTreeMap<String, Arc<str>>,
    /// Asked in this round and not answered.
    open: Vec<Open>,
    /// The round has begun: answers count from here on. A question that was only noted is known to
    /// nobody, and whoever guesses its key answers nothing.
    is_out: bool,
    /// What the host wants back in the next round.
    kept: Arc<[u8]>,
    /// What the last question that did not suit the client would have needed, as JSON.
    lacking: Option<&'static str>,
}

/// What an answer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// Nothing: nobody has asked, or it has not the form that was asked for.
    Nothing,
    /// Others are still open.
    One,
    /// It was the last one.
    Last,
}

/// One question that waits for its answer.
pub(crate) struct Open {
    pub(crate) key: String,
    pub(crate) question: Question,
    /// Our request to a legacy client, once it has been sent.
    pub(crate) request: Option<u64>,
}

/// What goes into `requestState`: all that the next round needs to know of the earlier ones.
#[derive(Deserialize, Serialize)]
struct Memory<'a> {
    #[serde(rename = "r")]
    rounds: usize,
    // Not borrowed: a key may hold what JSON escapes.
    #[serde(rename = "a", borrow)]
    answers: BTreeMap<String, &'a RawValue>,
    #[serde(rename = "k")]
    kept: String,
}

impl Asking {
    /// The dialogue of a request that brings `offered` answers with it, and the `memory` of the
    /// rounds before.
    pub(crate) fn resume(
        memory: Option<&[u8]>,
        offered: Option<&RawValue>,
    ) -> std::result::Result<Asking, &'static str> {
        let mut asking = Asking::default();
        if let Some(bytes) = memory {
            let memory: Memory<'_> =
                serde_json::from_slice(bytes).map_err(|_| "requestState cannot be read")?;
            asking.rounds = memory.rounds;
            let answers = memory.answers.into_iter();
            asking.answers = answers.map(|(key, raw)| (key, Ok(raw.get().into()))).collect();
            asking.kept = STANDARD.decode(memory.kept).unwrap_or_default().into();
        }
        if let Some(offered) = offered {
            let offered: BTreeMap<String, &RawValue> = serde_json::from_str(offered.get())
                .map_err(|_| "inputResponses must be an object")?;
            asking.offered =
                offered.into_iter().map(|(key, raw)| (key, raw.get().into())).collect();
        }
        Ok(asking)
    }

    /// The answer to `question`, or notes that it is to be asked.
    ///
    /// # Errors
    /// [`Error::Capability`] when the client cannot be asked; [`Error::Refused`] when it has
    /// answered with an error; [`Error::Limit`] when there have been too many questions.
    pub(crate) fn need(
        &mut self,
        key: &str,
        question: Question,
        capabilities: ClientCapabilities<'_>,
        limits: &Limits,
    ) -> Result<Need> {
        match self.answers.get(key) {
            Some(Ok(answer)) => return Ok(Need::Answered(answer.clone())),
            Some(Err(reason)) => return Err(Error::Refused(reason.clone())),
            None => {}
        }
        // A wrong answer is as good as none: the client is asked again.
        if let Some(answer) = self.offered.remove(key)
            && serde_json::from_str(&answer).is_ok_and(|raw: &RawValue| question.accepts(raw))
        {
            self.answers.insert(key.to_owned(), Ok(answer.clone()));
            return Ok(Need::Answered(answer));
        }
        if !question.suits(capabilities) {
            self.lacking = Some(question.required());
            let text =
                format!("the client cannot be asked: it did not declare {}", question.required());
            return Err(Error::Capability(text));
        }
        if self.open.iter().any(|open| open.key == key) {
            return Ok(Need::Asked);
        }
        if self.rounds >= limits.rounds || self.open.len() >= QUESTIONS_MAX {
            return Err(Error::Limit("the call has asked too often".into()));
        }
        let asked: usize = self.open.iter().map(|open| open.question.bytes()).sum();
        if asked + question.bytes() > limits.result_bytes {
            return Err(Error::Limit("the questions are too long".into()));
        }
        self.open.push(Open { key: key.to_owned(), question, request: None });
        Ok(Need::Asked)
    }

    /// Begins a round; gives what is asked in it.
    pub(crate) fn begin_round(&mut self) -> &[Open] {
        self.rounds += 1;
        self.is_out = true;
        &self.open
    }

    /// Notes that the question `key` has gone out as our request `id`.
    pub(crate) fn sent(&mut self, key: &str, id: u64) {
        let mut open = self.open.iter_mut();
        // It may have been answered already.
        if let Some(open) = open.find(|open| open.key == key) {
            open.request = Some(id);
        }
    }

    /// Tells whether a round has begun and not all of it is answered.
    pub(crate) fn is_out(&self) -> bool {
        self.is_out
    }

    pub(crate) fn open(&self) -> &[Open] {
        &self.open
    }

    /// Takes the answer to an open question. An answer to nothing, and one in a wrong form when
    /// `is_patient`, changes nothing.
    pub(crate) fn answer(
        &mut self,
        key: &str,
        outcome: std::result::Result<&RawValue, &RawValue>,
        is_patient: bool,
        limits: &Limits,
    ) -> Took {
        let found = self.open.iter().position(|open| open.key == key);
        let Some(index) = found.filter(|_| self.is_out) else { return Took::Nothing };
        let kept: usize = self.answers.values().flatten().map(|answer| answer.len()).sum();
        let answer = match outcome {
            Ok(raw) if kept + raw.get().len() > limits.state_bytes => {
                Err("its answers are longer than can be remembered".to_owned())
            }
            Ok(raw) if self.open[index].question.accepts(raw) => Ok(raw.get().into()),
            Ok(_) if is_patient => return Took::Nothing,
            Ok(_) => Err("its answer has not the form that was asked for".to_owned()),
            Err(error) => Err(reason(error)),
        };
        let open = self.open.swap_remove(index);
        self.answers.insert(open.key, answer);
        self.is_out = !self.open.is_empty();
        if self.is_out { Took::One } else { Took::Last }
    }

    /// Gives up the questions that nobody will answer.
    pub(crate) fn give_up(&mut self) -> Vec<Open> {
        self.is_out = false;
        std::mem::take(&mut self.open)
    }

    pub(crate) fn keep(&mut self, bytes: &[u8], limits: &Limits) -> Result<()> {
        // As a client carries it, so that what is kept here is not too much when it is sent.
        let text_bytes = base64::encoded_len(bytes.len(), true).unwrap_or(usize::MAX);
        if text_bytes.saturating_add(FRAME_BYTES) > limits.state_bytes {
            let (bytes, limit) = (bytes.len(), limits.state_bytes);
            return Err(Error::Limit(format!(
                "{bytes} bytes to keep are too many, limit is {limit} with what frames them"
            )));
        }
        self.kept = bytes.into();
        Ok(())
    }

    pub(crate) fn kept(&self) -> Arc<[u8]> {
        self.kept.clone()
    }

    /// Notes what the client lacks, as JSON.
    pub(crate) fn lack(&mut self, required: &'static str) {
        self.lacking = Some(required);
    }

    /// What the client lacks for the question that did not suit it, as JSON.
    pub(crate) fn lacking(&self) -> Option<&'static str> {
        self.lacking
    }

    /// What the next round needs to know.
    pub(crate) fn memory(&self) -> Vec<u8> {
        let answers = self.answers.iter().filter_map(|(key, answer)| {
            Some((key.clone(), serde_json::from_str(answer.as_ref().ok()?).ok()?))
        });
        let memory = Memory {
            rounds: self.rounds,
            answers: answers.collect(),
            kept: STANDARD.encode(&self.kept),
        };
        // Strings and raw values always have a JSON form.
        serde_json::to_vec(&memory).unwrap_or_default()
    }
}

/// The words of a JSON-RPC error.
fn reason(error: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let read = serde_json::from_str::<Refusal>(error.get());
    let message = read.map_or_else(|_| "it gave no reason".into(), |refusal| refusal.message);
    message.chars().take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Revision;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.into()).unwrap()
    }

    fn need(asking: &mut Asking, key: &str) -> Result<Need> {
        let all = ClientCapabilities::new(r#"{"roots":{}}"#, Revision::V2026_07_28);
        asking.need(key, Question::roots(), all, &Limits::default())
    }

    #[test]
    fn an_answer_is_remembered_over_rounds() {
        let mut asking = Asking::default();
        assert!(matches!(need(&mut asking, "a"), Ok(Need::Asked)));
        asking.begin_round();
        asking.keep(b"half done", &Limits::default()).unwrap();
        let offered = raw(r#"{"a":{"roots":[]},"b":{"roots":7},"z":1}"#);
        let mut asking = Asking::resume(Some(&asking.memory()), Some(&offered)).unwrap();
        assert!(
            matches!(need(&mut asking, "a"), Ok(Need::Answered(json)) if &*json == r#"{"roots":[]}"#)
        );
        assert!(matches!(need(&mut asking, "b"), Ok(Need::Asked)));
        assert_eq!(&*asking.kept(), b"half done");
        let mut asking = Asking::resume(Some(&asking.memory()), None).unwrap();
        assert!(matches!(need(&mut asking, "a"), Ok(Need::Answered(_))));
        assert!(Asking::resume(None, Some(&raw("null"))).is_err());
        assert!(Asking::resume(None, Some(&raw("[]"))).is_err());
    }

    #[test]
    fn a_key_may_hold_anything() {
        for key in ["a\"b", "back\\slash", "line\nbreak", "\u{1}", "", "\u{e4}"] {
            let mut asking = Asking::default();
            assert!(matches!(need(&mut asking, key), Ok(Need::Asked)));
            asking.begin_round();
            let answer = raw(r#"{"roots":[]}"#);
            asking.answer(key, Ok(&answer), false, &Limits::default());
            let mut asking = Asking::resume(Some(&asking.memory()), None).unwrap();
            assert!(matches!(need(&mut asking, key), Ok(Need::Answered(_))), "{key:?}");
        }
    }

    #[test]
    fn what_can_be_kept_can_be_sent() {
        let limits = Limits { state_bytes: 1000, ..Limits::default() };
        let mut asking = Asking::default();
        let kept = (0..=1000).rev().find(|bytes| asking.keep(&vec![0; *bytes], &limits).is_ok());
        assert!(kept.is_some_and(|bytes| bytes > 600), "{kept:?}");
        need(&mut asking, "a").unwrap();
        asking.begin_round();
        assert!(asking.memory().len() <= limits.state_bytes);
    }

    #[test]
    fn rounds_have_an_end() {
        let limits = Limits { rounds: 1, ..Limits::default() };
        let all = ClientCapabilities::new(r#"{"roots":{}}"#, Revision::V2026_07_28);
        let mut asking = Asking::default();
        assert!(asking.need("a", Question::roots(), all, &limits).is_ok());
        asking.begin_round();
        assert_eq!(asking.answer("a", Ok(&raw(r#"{"roots":[]}"#)), false, &limits), Took::Last);
        let refused = asking.need("b", Question::roots(), all, &limits);
        assert!(matches!(refused, Err(Error::Limit(_))));
    }

    #[test]
    fn an_error_is_an_answer_too() {
        let mut asking = Asking::default();
        need(&mut asking, "a").unwrap();
        need(&mut asking, "b").unwrap();
        let no = raw(r#"{"code":-1,"message":"no"}"#);
        assert_eq!(
            asking.answer("a", Err(&no), false, &Limits::default()),
            Took::Nothing,
            "only noted so far"
        );
        asking.begin_round();
        assert_eq!(asking.answer("c", Ok(&raw("1")), false, &Limits::default()), Took::Nothing);
        assert_eq!(asking.answer("a", Err(&no), false, &Limits::default()), Took::One);
        assert_eq!(asking.answer("b", Ok(&raw("1")), true, &Limits::default()), Took::Nothing);
        assert_eq!(asking.answer("b", Ok(&raw("1")), false, &Limits::default()), Took::Last);
        assert!(matches!(need(&mut asking, "a"), Err(Error::Refused(why)) if why == "no"));
    }

    #[test]
    fn a_client_that_did_not_declare_it_is_not_asked() {
        let mut asking = Asking::default();
        let none = ClientCapabilities::new("{}", Revision::V2026_07_28);
        let refused = asking.need("a", Question::roots(), none, &Limits::default());
        assert!(matches!(refused, Err(Error::Capability(_))));
        assert_eq!(asking.lacking(), Some(r#"{"roots":{}}"#));
        assert!(asking.open().is_empty());
    }

    #[test]
    fn long_answers_are_refused() {
        let limits = Limits { state_bytes: 100, ..Limits::default() };
        let mut asking = Asking::default();
        need(&mut asking, "a").unwrap();
        need(&mut asking, "b").unwrap();
        asking.begin_round();
        let answer = raw(&format!(r#"{{"roots":[],"_meta":"{}"}}"#, "x".repeat(60)));
        assert_eq!(asking.answer("a", Ok(&answer), true, &limits), Took::One);
        assert_eq!(asking.answer("b", Ok(&answer), true, &limits), Took::Last);
        assert!(matches!(need(&mut asking, "a"), Ok(Need::Answered(_))));
        assert!(matches!(need(&mut asking, "b"), Err(Error::Refused(_))));
    }
}
