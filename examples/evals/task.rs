//! What a task is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A task of a user.
#[derive(Clone, Debug, Deserialize)]
pub struct Task {
    /// A short name.
    pub name: String,
    /// What the user asks.
    pub ask: String,
    /// The fewest calls with which it can be done.
    pub fewest: usize,
    /// How an agent did it at an earlier time, given nothing but the texts of then.
    pub before: Option<Before>,
    /// What the simulator and the folder are like.
    #[serde(default)]
    pub world: World,
    /// The session.
    pub steps: Vec<Step>,
    /// What has to be true at the end.
    pub goal: Goal,
}

/// What a task took at an earlier time.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Before {
    /// Calls that the agent made.
    pub calls: usize,
    /// The fewest that were possible then.
    pub fewest: usize,
    /// Tokens of the answers.
    pub tokens: usize,
}

/// What the simulator and the folder of a task are like.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct World {
    /// Credits at the start; 10 000 when left out.
    pub credits: Option<i64>,
    /// Seconds that each job takes; one check when left out.
    pub seconds: Option<f64>,
    /// Where results stand, as `pdfco simulate --shape` has it.
    pub shape: Option<String>,
    /// Seconds that links are valid.
    pub link_seconds: Option<u64>,
    /// Copies of a one-page document in the folder: `copy-00.pdf`, `copy-01.pdf`…
    #[serde(default)]
    pub copies: usize,
    /// Whether the folder has a document that gives orders, `injected.pdf`.
    #[serde(default)]
    pub injected: bool,
}

/// One step of a session.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// A call of a tool.
    Call {
        /// The tool.
        tool: String,
        /// Its arguments. A text `$N/pointer` stands for that part of the N-th answer.
        arguments: Map<String, Value>,
        /// The status that the answer has to have.
        expect: String,
        /// Whether it belongs to the situation, and is not counted.
        #[serde(default)]
        prepare: bool,
    },
    /// Something that happens meanwhile.
    Event {
        /// `restart` or `pause`.
        r#do: String,
        /// Seconds of a pause.
        #[serde(default)]
        seconds: f64,
    },
}

/// What has to be true at the end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Goal {
    /// The counted answers hold these texts, so many times or more in all.
    pub says: BTreeMap<String, usize>,
    /// These files, or folders with so many files, are there and not empty.
    pub saved: BTreeMap<String, usize>,
    /// The ledger has so many jobs of these states.
    pub jobs: BTreeMap<String, usize>,
    /// At most so many credits were spent.
    pub credits: Option<i64>,
    /// What a program that drives the task has to say of it in the end, in any case and with any thousands separator.
    pub answer: Vec<String>,
}

/// The tasks of the repository.
pub fn all() -> Vec<Task> {
    serde_json::from_str(include_str!("tasks.json")).unwrap_or_else(|error| panic!("tasks.json: {error}"))
}
