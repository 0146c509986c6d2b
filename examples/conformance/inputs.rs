//! Tools and a prompt that answer with questions first (`input_required`), in as many rounds as they have.

use std::collections::HashMap;
use std::sync::Mutex;

use rmcp::ErrorData;
use rmcp::model::*;
use serde_json::{Value, json};

use super::Context;

/// States that are remembered; then all of them are forgotten.
const STATES_MAX: usize = 1_000;

/// What a tool asks, one element for each round.
pub struct Rounds {
    questions: Vec<Value>,
    /// The answers come back with a state that says which round they are of.
    has_state: bool,
}

/// What follows.
pub enum Round {
    Ask(InputRequiredResult),
    Complete(InputResponses),
}

/// States that were handed out, and the round that each asks in. A client can only hand one back, not make one up.
#[derive(Default)]
pub struct States(Mutex<HashMap<String, usize>>);

impl States {
    fn issue(&self, round: usize) -> String {
        let state = uuid::Uuid::new_v4().to_string();
        let mut states = self.0.lock().expect("no one panics with it");
        if states.len() >= STATES_MAX {
            states.clear();
        }
        states.insert(state.clone(), round);
        state
    }

    fn redeem(&self, state: &str) -> Option<usize> {
        self.0.lock().expect("no one panics with it").remove(state)
    }
}

/// A form of one field.
pub fn elicit(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]});
    json!({"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}})
}

fn sample(prompt: &str) -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": prompt}});
    json!({"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": 100}})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

/// The rounds of this tool, if it asks.
pub fn of_tool(name: &str) -> Option<Rounds> {
    let user_name = || elicit("What is your name?", "name", "string");
    let confirm = || elicit("Please confirm", "ok", "boolean");
    let (has_state, questions) = match name {
        "test_input_required_result_elicitation" | "test_streaming_elicitation" | "test_tool_with_task" => {
            (false, vec![json!({"user_name": user_name()})])
        }
        "test_input_required_result_sampling" => {
            (false, vec![json!({"capital_question": sample("What is the capital of France?")})])
        }
        "test_input_required_result_list_roots" => (false, vec![json!({"client_roots": roots()})]),
        "test_input_required_result_capabilities" => {
            (false, vec![json!({"user_name": user_name(), "greeting": sample("Generate a greeting")})])
        }
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            (true, vec![json!({"confirm": confirm()})])
        }
        "test_input_required_result_multiple_inputs" => {
            let greeting = sample("Generate a greeting");
            (true, vec![json!({"user_name": user_name(), "greeting": greeting, "client_roots": roots()})])
        }
        "test_input_required_result_multi_round" => (
            true,
            vec![
                json!({"step1": elicit("Step 1: What is your name?", "name", "string")}),
                json!({"step2": elicit("Step 2: What is your favorite color?", "color", "string")}),
            ],
        ),
        _ => return None,
    };
    Some(Rounds { questions, has_state })
}

/// The rounds of this prompt, if it asks.
pub fn of_prompt(name: &str) -> Option<Rounds> {
    (name == "test_input_required_result_prompt").then(|| Rounds {
        questions: vec![json!({"user_context": elicit("What context should the prompt use?", "context", "string")})],
        has_state: false,
    })
}

impl Rounds {
    /// What follows on these answers. What is missing is asked for again; what was not asked is ignored.
    pub fn next(
        &self,
        states: &States,
        answers: Option<InputResponses>,
        state: Option<String>,
        context: &Context,
    ) -> Result<Round, ErrorData> {
        let round = match state {
            None => 0,
            Some(state) => states
                .redeem(&state)
                .ok_or_else(|| ErrorData::invalid_params("The request state is not one that was handed out.", None))?,
        };
        let asked = questions(&self.questions[round], context);
        let answers = answers.unwrap_or_default();
        let is_answered = asked.keys().all(|key| answers.get(key).is_some_and(Value::is_object));
        match (is_answered, self.questions.get(round + 1)) {
            (true, None) => Ok(Round::Complete(answers)),
            (true, Some(more)) => Ok(self.ask(states, round + 1, questions(more, context))),
            (false, _) => Ok(self.ask(states, round, asked)),
        }
    }

    fn ask(&self, states: &States, round: usize, asked: InputRequests) -> Round {
        let state = self.has_state.then(|| states.issue(round));
        Round::Ask(InputRequiredResult::new(Some(asked), state))
    }
}

/// Those of the questions that this client can answer.
fn questions(all: &Value, context: &Context) -> InputRequests {
    let able = context.client_capabilities().unwrap_or_default();
    let mut asked = requests(all.clone());
    asked.retain(|_, request| match request {
        InputRequest::Elicitation(_) => able.elicitation.is_some(),
        InputRequest::CreateMessage(_) => able.sampling.is_some(),
        InputRequest::ListRoots(_) => able.roots.is_some(),
        _ => false,
    });
    asked
}

/// Questions as the protocol's types have them.
pub fn requests(all: Value) -> InputRequests {
    serde_json::from_value(all).expect("the fixtures' questions are the protocol's")
}

/// What was answered, in a sentence. "state-ok" because no one gets here with a state of their own making.
pub fn sentence(answers: &InputResponses) -> String {
    match answers.get("user_name").and_then(|answer| answer.pointer("/content/name")).and_then(Value::as_str) {
        Some(name) => format!("Hello, {name}!"),
        None => format!("state-ok: {}", json!(answers)),
    }
}
