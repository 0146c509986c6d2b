//! Where the engine's answers come from.

/// Where a state came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The service, just now.
    Live,
    /// The ledger: free.
    Cache,
    /// The service, which called back when the job ended.
    Callback,
}

impl Source {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Live => "live",
            Source::Cache => "cache",
            Source::Callback => "callback",
        }
    }
}
