//! Settings of the engine, and where its answers come from.

use url::Url;

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many seconds of waiting one check is worth (`PDFCO_CHECK_WORTH_SECONDS`).
    pub check_worth_seconds: f64,
    /// Credits that a day may cost (`PDFCO_CREDIT_BUDGET`).
    pub credit_budget: Option<i64>,
    /// Where the service can reach this server to call back (`PDFCO_CALLBACK_URL`).
    pub callback_url: Option<Url>,
}

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
