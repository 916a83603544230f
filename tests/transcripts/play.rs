//! Plays the dialogues of one file in every combination.
//!
//! A dialogue has a `title`, perhaps `when` (see `combination.rs`), `offers` (what the host has beside
//! the tools of every test, see `host.rs`), `page` (entries of one page of a list), the client's
//! `capabilities`, `introduction` (what the server says of itself, in the handshake or when asked),
//! and `steps`, each with one of these members:
//!
//! - `ask`: sends a request with `params`, `meta` for its `_meta`, `"progress": true` for a token,
//!   `headers` in place of the right ones. With `result` or `error` the answer must be like that;
//!   with neither it stays open under the label `as`. With `until` it is sent again and again
//!   until the result is like that.
//! - `answered`: the answer to an open request, with `result` or `error`.
//! - `tell`: sends a notification.
//! - `listen`: makes the client hear of changes, by `subscriptions/listen` with this filter, or by
//!   `resources/subscribe` and the stream of the session. `honoured` is what a modern server
//!   acknowledges, if that is not all. `unlisten` ends it.
//! - `hear`: takes a notification with the params `with` that is `of` a request or of a `listen`;
//!   with `until`, takes all of its kind up to one like that.
//! - `asked`: the server's questions, sent one by one in the legacy era and together in a result in
//!   the modern one. Each has `method`, `key`, `with` for its params, and the client's `reply`, or
//!   its `refusal`, an error; with neither it stays open.
//! - `cancel`: gives a request up. `unanswered`: its exchange ended and said nothing more.
//! - `cut` and `resume`: lose the connection of a request and come back for the rest.
//! - `fence`: waits until the server has read what was sent.
//! - `host`: something that the host does; see `host.rs`.
//!
//! At the end the server stops, and whatever it has sent that no step asked for fails the dialogue.

use std::collections::HashMap;
use std::path::Path;
use std::thread;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::client::{Client, SUBSCRIPTION, Sent};
use super::combination::Combination;
use super::host::Fixture;
use super::pattern::{Saved, assert_matches, fill, matches};
use super::step::{Answered, Ask, Asked, Dialogue, Hear, Listen, Question, Tell, read};
use crate::peer::{PATIENCE, parse};

/// Says what was going on when a test fails.
struct Place {
    file: &'static str,
    title: String,
    combination: Combination,
    step: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Place { file, title, combination, step } = self;
            eprintln!("in {file}.json, {title:?}, {combination}, at {step}");
        }
    }
}

/// Plays `tests/transcripts/<file>.json`.
pub(crate) fn play(file: &'static str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let text = std::fs::read(folder.join(format!("{file}.json"))).expect("a file of dialogues");
    for dialogue in parse(text).as_array().expect("an array of dialogues") {
        let mut count = 0;
        for combination in Combination::all() {
            let Some(dialogue) = combination.resolve(dialogue) else { continue };
            let dialogue = serde_json::from_value(dialogue).expect("a dialogue");
            play_one(file, combination, &dialogue);
            count += 1;
        }
        assert!(count > 0, "{} is for no combination", dialogue["title"]);
    }
}

fn play_one(file: &'static str, combination: Combination, dialogue: &Dialogue) {
    let title = dialogue.title.clone();
    let mut place = Place { file, title, combination, step: "the handshake".into() };
    let fixture = Fixture::new(dialogue.page, &dialogue.offers);
    let mut player = Player {
        fixture: &fixture,
        client: Client::connect(&fixture.host, combination, &dialogue.capabilities),
        requests: HashMap::new(),
        listens: HashMap::new(),
        saved: Saved::new(),
    };
    if let Some(pattern) = &dialogue.introduction {
        assert_matches(pattern, &player.client.introduction(), &mut player.saved);
    }
    for (at, step) in dialogue.steps.iter().enumerate() {
        place.step = format!("step {}: {step}", at + 1);
        player.step(step);
    }
    place.step = "the end".into();
    player.finish();
}

struct Player<'a> {
    fixture: &'a Fixture,
    client: Client<'a>,
    /// By label; only those that are still of interest.
    requests: HashMap<String, Sent>,
    /// By label; a legacy one has its filter only.
    listens: HashMap<String, (Value, Option<Sent>)>,
    saved: Saved,
}

impl Player<'_> {
    fn step(&mut self, step: &Value) {
        const VERBS: [&str; 12] = [
            "ask",
            "answered",
            "tell",
            "listen",
            "unlisten",
            "hear",
            "asked",
            "cancel",
            "unanswered",
            "cut",
            "resume",
            "fence",
        ];
        let members = step.as_object().expect("a step is an object");
        if let Some(action) = members.get("host") {
            return self.host(action.as_str().expect("an action"), members);
        }
        let verb = VERBS.into_iter().find(|verb| members.contains_key(*verb));
        match verb.expect("a step has a verb") {
            "ask" => self.ask(read(step)),
            "answered" => self.answered(read(step)),
            "tell" => self.tell(read(step)),
            "listen" => self.listen(read(step)),
            "hear" => self.hear(read(step)),
            "asked" => self.asked(read(step)),
            "fence" => self.client.fence(),
            verb => {
                assert_eq!(members.len(), 1, "{verb} has a label only");
                self.by_label(verb, members[verb].as_str().expect("a label"));
            }
        }
    }

    fn by_label(&mut self, verb: &str, label: &str) {
        match verb {
            "unlisten" => self.unlisten(label),
            "cancel" => self.client.cancel(&self.requests[label]),
            "unanswered" => self.client.assert_unanswered(&self.requests[label]),
            "cut" => self.client.cut(label),
            "resume" => self.client.resume(label),
            _ => unreachable!("{verb} is a verb"),
        }
    }

    fn host(&mut self, action: &str, members: &Map<String, Value>) {
        let members = fill(&Value::Object(members.clone()), &self.saved);
        self.fixture.act(action, &members);
    }

    fn ask(&mut self, step: Ask) {
        let is_open = step.result.is_none() && step.error.is_none() && step.until.is_none();
        let label = match &step.label {
            Some(label) => label.clone(),
            None if is_open => panic!("an open request has a label"),
            None => "plain".into(),
        };
        let mut params = fill(&step.params, &self.saved);
        if let Some(meta) = &step.meta {
            params["_meta"] = fill(meta, &self.saved);
        }
        if step.progress {
            params["_meta"]["progressToken"] = format!("token of {label}").into();
        }
        let headers: Vec<_> = step.headers.into_iter().collect();
        if let Some(pattern) = &step.until {
            return self.poll(&step.ask, &params, pattern);
        }
        let sent = self.client.ask(&label, &step.ask, params, &headers);
        self.saved.insert(format!("id of {label}"), sent.id.clone());
        if !is_open {
            self.expect(&sent, step.result.as_ref(), step.error.as_ref());
        }
        self.requests.insert(label, sent);
    }

    fn poll(&mut self, method: &str, params: &Value, pattern: &Value) {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let sent = self.client.ask("plain", method, params.clone(), &[]);
            let answer = self.client.answer(&sent);
            if matches(pattern, &answer["result"], &self.saved) {
                return;
            }
            assert!(Instant::now() < give_up, "it is still {answer:#}");
            thread::yield_now();
        }
    }

    fn answered(&mut self, step: Answered) {
        let sent = self.requests[&step.answered].clone();
        self.expect(&sent, step.result.as_ref(), step.error.as_ref());
    }

    fn expect(&mut self, sent: &Sent, result: Option<&Value>, error: Option<&Value>) {
        let answer = self.client.answer(sent);
        let (member, pattern) = match (result, error) {
            (Some(pattern), None) => ("result", pattern),
            (None, Some(pattern)) => ("error", pattern),
            _ => panic!("an answer is a result or an error"),
        };
        let found = answer.get(member).unwrap_or_else(|| panic!("no {member}: {answer}"));
        assert_matches(pattern, found, &mut self.saved);
    }

    fn tell(&mut self, step: Tell) {
        self.client.tell(&step.tell, fill(&step.params, &self.saved));
    }

    fn listen(&mut self, step: Listen) {
        let step = Listen { listen: fill(&step.listen, &self.saved), ..step };
        let sent = if self.client.combination.is_modern() {
            Some(self.listen_by_request(&step))
        } else {
            self.client.open_channel();
            self.subscribe("resources/subscribe", &step.listen);
            // What was sent before is in force once this is answered.
            self.client.fence();
            None
        };
        self.listens.insert(step.label, (step.listen, sent));
    }

    fn listen_by_request(&mut self, step: &Listen) -> Sent {
        let params = json!({ "notifications": step.listen });
        let sent = self.client.ask(&step.label, "subscriptions/listen", params, &[]);
        let id = sent.id.clone();
        let is_own = |message: &Value| message["params"]["_meta"][SUBSCRIPTION] == id;
        let first = self.client.take(Some(&sent), &is_own);
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        let honoured = step.honoured.as_ref().unwrap_or(&step.listen);
        assert_eq!(&first["params"]["notifications"], honoured);
        sent
    }

    fn unlisten(&mut self, label: &str) {
        let (filter, sent) = self.listens.remove(label).expect("a listen");
        match sent {
            Some(sent) => self.client.cancel(&sent),
            None => self.subscribe("resources/unsubscribe", &filter),
        }
        self.client.fence();
    }

    fn subscribe(&mut self, method: &str, filter: &Value) {
        for uri in filter["resourceSubscriptions"].as_array().into_iter().flatten() {
            let sent = self.client.ask("plain", method, json!({ "uri": uri }), &[]);
            self.expect(&sent, Some(&json!({"$only": {}})), None);
        }
    }

    fn hear(&mut self, step: Hear) {
        let mut sent = step.of.as_ref().and_then(|label| self.requests.get(label));
        let listen = step.of.as_ref().and_then(|label| self.listens.get(label));
        let mut pattern = step.with;
        if let Some((_, Some(request))) = listen {
            pattern["_meta"][SUBSCRIPTION] = request.id.clone();
            sent = Some(request);
        }
        assert!(step.of.is_none() || sent.or(None).is_some() || listen.is_some(), "no such label");
        let id = sent.filter(|_| listen.is_some()).map(|sent| &sent.id);
        loop {
            let heard = self.client.take(sent, &|message| {
                message["method"] == *step.hear
                    && id.is_none_or(|id| message["params"]["_meta"][SUBSCRIPTION] == *id)
            });
            let nothing = json!({});
            let params = heard.get("params").unwrap_or(&nothing);
            assert_matches(&pattern, params, &mut self.saved);
            if step.until.as_ref().is_none_or(|until| matches(until, params, &self.saved)) {
                return;
            }
        }
    }

    fn asked(&mut self, step: Asked) {
        let sent = self.requests[&step.of].clone();
        match self.client.combination.is_modern() {
            true => self.asked_in_result(&sent, step),
            false => self.asked_one_by_one(&sent, step.asked),
        }
    }

    fn asked_one_by_one(&mut self, sent: &Sent, mut questions: Vec<Question>) {
        while !questions.is_empty() {
            let is_request =
                |message: &Value| message.get("method").is_some() && message.get("id").is_some();
            let request = self.client.take(Some(sent), &is_request);
            let nothing = json!({});
            let params = request.get("params").unwrap_or(&nothing);
            let fits = |question: &Question| {
                request["method"] == *question.method
                    && matches(&question.with, params, &self.saved)
            };
            let at = questions.iter().position(fits);
            let at = at.unwrap_or_else(|| panic!("not expected: {request:#}"));
            let question = questions.remove(at);
            assert_matches(&question.with, params, &mut self.saved);
            match (question.reply, question.refusal) {
                (Some(result), None) => {
                    self.client.respond(&request["id"], json!({ "result": result }));
                }
                (None, Some(error)) => {
                    self.client.respond(&request["id"], json!({ "error": error }));
                }
                (None, None) => {}
                _ => panic!("a client gives one answer"),
            }
        }
    }

    /// Asks again with the answers, under the same label. A question without a reply stays open.
    fn asked_in_result(&mut self, sent: &Sent, step: Asked) {
        let answer = self.client.answer(sent);
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer:#}");
        let nothing = json!({});
        let requests = answer["result"].get("inputRequests").unwrap_or(&nothing);
        let mut keys: Vec<_> = step.asked.iter().map(|question| &*question.key).collect();
        keys.sort_unstable();
        let found: Vec<_> = requests.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found, keys, "{answer:#}");
        let mut params = sent.params.clone();
        params["inputResponses"] = json!({});
        for question in step.asked {
            let request = &requests[&question.key];
            assert_eq!(request["method"], *question.method);
            let asked = request.get("params").unwrap_or(&nothing);
            assert_matches(&question.with, asked, &mut self.saved);
            assert!(question.refusal.is_none(), "a modern client cannot refuse");
            if let Some(reply) = question.reply {
                params["inputResponses"][&question.key] = reply;
            }
        }
        if let Some(state) = answer["result"].get("requestState") {
            params["requestState"] = state.clone();
        }
        let again = self.client.ask(&sent.label, &sent.method, params, &sent.headers);
        self.requests.insert(step.of, again);
    }

    /// Stops the server; only listens have something to say then.
    fn finish(mut self) {
        self.client.fence();
        // A WebSocket is read while the server stops, which waits for its end.
        let (fixture, client) = (self.fixture, self.client);
        let mut rest = thread::scope(|scope| {
            scope.spawn(|| fixture.stop());
            client.rest()
        });
        for (_, sent) in self.listens.into_values() {
            let Some(sent) = sent else { continue };
            let result = rest.iter().position(|message| message["id"] == sent.id);
            let result = rest.remove(result.expect("the result of a listen"));
            assert_eq!(result["result"]["_meta"][SUBSCRIPTION], sent.id);
            rest.retain(|message| {
                message["method"] != "notifications/cancelled"
                    || message["params"]["requestId"] != sent.id
            });
        }
        assert!(rest.is_empty(), "nobody asked for {rest:#?}");
    }
}
