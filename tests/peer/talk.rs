//! Clients of both eras that can be asked on the way to an answer.

use serde_json::{Map, Value, json};

use super::{Events, Host, Http, NEWEST, SseClient, Streamable, Ws, claim_with, parse, request};

/// A client that answers questions, in one face for all transports and eras.
pub(crate) enum Talker<'a> {
    /// Modern requests, each on a connection of its own.
    Modern(&'a Host),
    /// Modern requests on one WebSocket.
    ModernWs(Ws),
    Streamable(Streamable<'a>),
    Sse(SseClient<'a>),
    Ws(Ws),
}

/// A request with all that was asked before its answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Talk {
    /// Method and params, in the order of their texts.
    pub(crate) questions: Vec<(String, Value)>,
    /// Rounds in which something was asked; a legacy client cannot tell them apart.
    pub(crate) rounds: usize,
    /// The whole last message.
    pub(crate) reply: Value,
}

/// What a client says to a question: a result, or an error.
pub(crate) type Answer = Result<Value, Value>;

impl<'a> Talker<'a> {
    /// One client of each kind, all able to do what `capabilities` say.
    pub(crate) fn each(host: &'a Host, capabilities: &Value) -> Vec<Talker<'a>> {
        let mut all = vec![Talker::Modern(host), Talker::ModernWs(Ws::connect(host))];
        all.extend(Talker::each_legacy(host, capabilities));
        all
    }

    /// One legacy client of each kind.
    pub(crate) fn each_legacy(host: &'a Host, capabilities: &Value) -> Vec<Talker<'a>> {
        vec![
            Talker::Streamable(Streamable::open_with(host, NEWEST, capabilities)),
            Talker::Sse(SseClient::open_with(host, NEWEST, capabilities)),
            Talker::Ws(Ws::open_with(host, NEWEST, capabilities)),
        ]
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Talker::Modern(_) => "modern http",
            Talker::ModernWs(_) => "modern websocket",
            Talker::Streamable(_) => "streamable",
            Talker::Sse(_) => "sse",
            Talker::Ws(_) => "websocket",
        }
    }

    pub(crate) fn is_modern(&self) -> bool {
        matches!(self, Talker::Modern(_) | Talker::ModernWs(_))
    }

    /// Sends a request and answers all questions on the way.
    #[track_caller]
    pub(crate) fn talk(
        &mut self,
        capabilities: &Value,
        method: &str,
        params: &Value,
        answer: impl Fn(&str, &Value) -> Answer,
    ) -> Talk {
        let mut talk = match self.is_modern() {
            true => self.in_rounds(capabilities, method, params, answer),
            false => self.with_requests(method, params, answer),
        };
        talk.questions.sort_by_key(|(method, params)| format!("{method} {params}"));
        talk
    }

    #[track_caller]
    fn in_rounds(
        &mut self,
        capabilities: &Value,
        method: &str,
        params: &Value,
        answer: impl Fn(&str, &Value) -> Answer,
    ) -> Talk {
        let (mut params, mut questions, mut rounds) = (params.clone(), Vec::new(), 0);
        loop {
            let reply = self.once(capabilities, method, &params);
            let Some(asked) = reply["result"]["inputRequests"].as_object() else {
                return Talk { questions, rounds, reply };
            };
            assert_eq!(reply["result"]["resultType"], "input_required", "{reply}");
            rounds += 1;
            let mut answers = Map::new();
            for (key, question) in asked {
                let method = question["method"].as_str().unwrap();
                // A modern client has no way to answer with an error: it does not answer.
                if let Ok(result) = answer(method, &question["params"]) {
                    answers.insert(key.clone(), result);
                }
                questions.push((method.into(), question["params"].clone()));
            }
            params["inputResponses"] = Value::Object(answers);
            params["requestState"] = reply["result"]["requestState"].clone();
        }
    }

    /// One modern request and its answer.
    #[track_caller]
    pub(crate) fn once(&mut self, capabilities: &Value, method: &str, params: &Value) -> Value {
        match self {
            Talker::Modern(host) => {
                host.modern_with(capabilities, "7", method, params.clone()).first().1
            }
            Talker::ModernWs(ws) => {
                ws.send(&request("7", method, &claim_with(params.clone(), capabilities)));
                ws.json()
            }
            _ => panic!("a legacy client"),
        }
    }

    #[track_caller]
    fn with_requests(
        &mut self,
        method: &str,
        params: &Value,
        answer: impl Fn(&str, &Value) -> Answer,
    ) -> Talk {
        let mut questions = Vec::new();
        let mut posted = self.begin(&request("7", method, params));
        loop {
            let message = self.next(&mut posted);
            if message["id"] == 7 && message.get("method").is_none() {
                return Talk { questions, rounds: 0, reply: message };
            }
            let method = message["method"].as_str().unwrap_or_else(|| panic!("{message}"));
            self.tell(&response(&message["id"], &answer(method, &message["params"])));
            questions.push((method.into(), message["params"].clone()));
        }
    }

    /// Sends a legacy request.
    pub(crate) fn begin(&mut self, body: &str) -> Posted {
        match self {
            Talker::Streamable(session) => return Posted::Sent(session.post(body)),
            Talker::Sse(client) => client.send(body),
            Talker::Ws(ws) | Talker::ModernWs(ws) => ws.send(body),
            Talker::Modern(_) => panic!("a modern client"),
        }
        Posted::Elsewhere
    }

    /// The next message about a legacy request.
    #[track_caller]
    pub(crate) fn next(&mut self, posted: &mut Posted) -> Value {
        match self {
            Talker::Streamable(_) => posted.next(),
            Talker::Sse(client) => client.events.json(),
            Talker::Ws(ws) | Talker::ModernWs(ws) => ws.json(),
            Talker::Modern(_) => panic!("a modern client"),
        }
    }

    /// Sends a notification or a response.
    pub(crate) fn tell(&mut self, body: &str) {
        match self {
            Talker::Streamable(session) => session.tell(body),
            Talker::Sse(client) => client.send(body),
            Talker::Ws(ws) | Talker::ModernWs(ws) => ws.send(body),
            Talker::Modern(_) => panic!("a modern client"),
        }
    }
}

/// What comes back on the connection of one POST.
pub(crate) enum Posted {
    Sent(Http),
    Stream(Events),
    /// Another stream carries it.
    Elsewhere,
}

impl Posted {
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        match std::mem::replace(self, Posted::Elsewhere) {
            Posted::Sent(http) => match http.answer() {
                Ok(events) => {
                    *self = Posted::Stream(events);
                    self.next()
                }
                Err(response) => parse(&response.body),
            },
            Posted::Stream(mut events) => {
                let message = events.json();
                *self = Posted::Stream(events);
                message
            }
            Posted::Elsewhere => panic!("nothing more comes here"),
        }
    }

    /// Goes on with the stream of this POST.
    pub(crate) fn events(self) -> Events {
        match self {
            Posted::Sent(http) => http.events(),
            Posted::Stream(events) => events,
            Posted::Elsewhere => panic!("no stream of its own"),
        }
    }
}

/// A response to one of the server's requests.
pub(crate) fn response(id: &Value, answer: &Answer) -> String {
    let message = match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    };
    message.to_string()
}

/// A client that can fill in forms.
pub(crate) fn form() -> Value {
    json!({ "elicitation": { "form": {} } })
}

/// A user who fills in a form.
pub(crate) fn accept(content: Value) -> Value {
    json!({ "action": "accept", "content": content })
}
