//! How a simulator behaves: where it listens, what it charges, how long jobs take, in which of the seen or supposed shapes
//! it answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How the simulator behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// Credits that each key starts with. `sim_broke` always starts with none.
    pub credits: i64,
    /// Requests that a key may send in a second (HTTP 429 above); `None` for as many as it likes.
    pub requests_per_second: Option<u32>,
    /// How long jobs stay `working`.
    pub life: Life,
    /// How long result links are valid, unless a request says `expiration`.
    pub link_seconds: u64,
    /// Where stored files live: in a folder of their own inside this one, removed when the simulator goes.
    pub directory: PathBuf,
    /// Where results stand.
    pub shape: Shape,
    /// What the pages of a background job cost.
    pub charging: Charging,
    /// How the check of a failed job says so.
    pub failure: Failure,
    /// How jobs are called back.
    pub callbacks: Callbacks,
    /// For how long after its submit a job is `unknown`, as under high load.
    pub unknown_for: Duration,
    /// For how long after the answer that names it a result is not there yet.
    pub result_delay: Duration,
    /// The number of a workbook's first sheet.
    pub first_sheet: i64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            credits: 10_000,
            requests_per_second: None,
            life: Life::Checks(1),
            link_seconds: 3_600,
            directory: std::env::temp_dir(),
            shape: Shape::AsAsked,
            charging: Charging::PerPage,
            failure: Failure::Word,
            callbacks: Callbacks::default(),
            unknown_for: Duration::ZERO,
            result_delay: Duration::ZERO,
            first_sheet: 0,
        }
    }
}

/// How long a job stays `working`.
#[derive(Clone, Copy, Debug)]
pub enum Life {
    /// For so many checks.
    Checks(u32),
    /// For a log-normal time. The n-th job of a simulator always lives equally long.
    Time {
        /// Half of the jobs are done by then; zero means at once.
        median: Duration,
        /// Standard deviation of the logarithm; zero means that all live for `median`.
        sigma: f64,
    },
}

/// Where the result of a background job stands in the answer that says that it is done.
///
/// Files that are not text have a link in every shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// As the request asked with `inline`: behind a link, and under `body` as well where it was asked for. Several files
    /// are listed under `body` besides the link to their list.
    #[default]
    AsAsked,
    /// In the answer itself, under the names of a synchronous answer (`info`, `barcodes`, `body`, `urls`), without a link.
    Inline,
    /// Under `body`, besides a link.
    Body,
    /// Behind a link alone: data as a JSON file, several files as a JSON file that lists them.
    Link,
}

/// What the pages of a background job cost. The service's own pages disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charging {
    /// The price for every page: the first at submit, the others with the answer that says that it is done.
    #[default]
    PerPage,
    /// The price once, at submit.
    Flat,
}

/// How the check of a failed job says so. No failure of the service is on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failure {
    /// `{"status": "failed", …}`, with HTTP 200.
    #[default]
    Word,
    /// The documented error shape, `{"status": "error", "errorCode": …, "error": true, …}`, with HTTP 200.
    ErrorShape,
}

/// How jobs are called back.
#[derive(Clone, Debug)]
pub struct Callbacks {
    /// The header `Content-Type`; empty for none.
    pub content_type: String,
    /// What a callback costs.
    pub credits: i64,
    /// How often it is tried until the receiver takes it.
    pub attempts: u32,
    /// How long the receiver may take, and the time between two attempts.
    pub patience: Duration,
    /// What is posted.
    pub body: CallbackBody,
}

impl Default for Callbacks {
    fn default() -> Self {
        Callbacks {
            content_type: "application/json".to_owned(),
            credits: 2,
            attempts: 3,
            patience: Duration::from_secs(5),
            body: CallbackBody::Check,
        }
    }
}

/// What is posted to a callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallbackBody {
    /// What a check would answer, as the only published example shows.
    #[default]
    Check,
    /// What a synchronous call would answer: a numeric status.
    Sync,
    /// Something in which no state can be read.
    Unreadable,
}

/// Reads a word as one of `words`.
fn one_of<T: Copy>(word: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word.trim()));
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| format!("one of {}", words.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ")))
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let words =
            [("as-asked", Shape::AsAsked), ("inline", Shape::Inline), ("body", Shape::Body), ("link", Shape::Link)];
        one_of(word, &words)
    }
}

impl FromStr for Charging {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        one_of(word, &[("per-page", Charging::PerPage), ("flat", Charging::Flat)])
    }
}

impl FromStr for Failure {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        one_of(word, &[("word", Failure::Word), ("error", Failure::ErrorShape)])
    }
}

impl FromStr for CallbackBody {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let words =
            [("check", CallbackBody::Check), ("sync", CallbackBody::Sync), ("unreadable", CallbackBody::Unreadable)];
        one_of(word, &words)
    }
}
