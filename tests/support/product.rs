//! The product as an interface holds it: settings, [`App`] and a caller, on loopback and in throw-away folders.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "programs of their own take the part they need; a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pdfco::app::{App, Caller, Event, ResponseMode, SubmitRequest};
use pdfco::config::{Config, Folders, Values, merge};
use pdfco::files::Sandbox;
use pdfco::simulator::{self, Handle};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Where the service is asked about a job.
pub const CHECK: &str = "/v1/job/check";

/// A service as it is by default.
pub async fn service() -> Handle {
    simulator::spawn(simulator::Options::default()).await.unwrap()
}

/// The documents that tests work on.
pub fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/documents")
}

/// Settings for a service at `base`; `more` wins. Nothing of this machine is read.
pub fn config(base: &str, key: &str, more: &[(&str, &str)]) -> Config {
    let usual = [
        ("PDFCO_BASE_URL", base),
        ("PDFCO_API_KEY", key),
        ("PDFCO_LEDGER", "memory"),
        ("PDFCO_RATE_LIMIT", "off"),
        // Impatient: tests pay nothing for checks.
        ("PDFCO_CHECK_WORTH_SECONDS", "0.05"),
    ];
    let flags: Values = usual.iter().chain(more).map(|(name, value)| ((*name).into(), (*value).into())).collect();
    merge(&flags, &Values::new(), &Values::new(), &Folders::default()).unwrap()
}

/// One product and one caller of it.
pub struct Product {
    /// Shared, so that several calls can run at once.
    pub app: Arc<App>,
    /// Its caller; clone it to change what one call may do.
    pub caller: Caller,
    /// The events it received.
    pub received: Arc<Mutex<Vec<Event>>>,
    /// Where it may write.
    pub folder: TempDir,
}

impl Product {
    /// A product with a ledger in memory.
    pub fn new(base: &str, key: &str) -> Product {
        Product::with(base, key, &[])
    }

    /// A product under these settings.
    pub fn with(base: &str, key: &str, more: &[(&str, &str)]) -> Product {
        let app = App::new(config(base, key, more)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let receiver = Arc::clone(&received);
        let caller = Caller {
            is_remote: false,
            owner: app.config.key().unwrap().clone().into(),
            sandbox: Arc::new(Sandbox::folders(vec![documents()], folder.path().to_owned())),
            policy: pdfco::app::Policy::person(),
            consent: pdfco::app::Consent::Needed,
            max_wait: Some(app.config.max_wait),
            response_mode: ResponseMode::Inline,
            cancel: CancellationToken::new(),
            on_event: Arc::new(move |event| receiver.lock().unwrap().push(event)),
        };
        Product { app: Arc::new(app), caller, received, folder }
    }
}

/// A request to run `operation`; `wait` of zero returns at once.
pub fn request(operation: &str, arguments: Value, wait: Duration) -> SubmitRequest {
    SubmitRequest {
        operation: operation.to_owned(),
        arguments: arguments.as_object().unwrap().clone(),
        wait: Some(wait),
        ..SubmitRequest::default()
    }
}

/// Text of the invoice, with a wish to the simulator about this one job.
pub fn invoice_text(simulate: Value) -> Value {
    json!({"url": "invoice.pdf", "profiles": {"Simulate": simulate}})
}
