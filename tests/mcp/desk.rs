//! An assistant over stdio in this process, as the tests of answers use it.

use std::sync::Arc;

use crate::support::product::{config, documents};
use pdfco::app::App;
use pdfco::mcp::client::Assistant;
use pdfco::serve::stdio;
use pdfco::simulator::{self, DEFAULT_KEY, Handle, Life};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An assistant, its service, and a folder that it may write.
pub struct Desk {
    pub assistant: Assistant,
    pub folder: TempDir,
    pub service: Handle,
}

impl Desk {
    pub async fn new() -> Desk {
        Desk::with(&[]).await
    }

    /// One whose product has these settings.
    pub async fn with(settings: &[(&str, &str)]) -> Desk {
        let options = simulator::Options { life: Life::Checks(0), ..Default::default() };
        let service = simulator::spawn(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let folders = std::env::join_paths([documents(), folder.path().to_owned()]).unwrap();
        let settings = [settings, &[("PDFCO_FILES", folders.to_str().unwrap())]].concat();
        let app = Arc::new(App::new(config(service.url(), DEFAULT_KEY, &settings)).unwrap());
        let (stream, _server) = stdio::in_process(app);
        let assistant = Assistant::start(stream, |_, _| {}).await.unwrap();
        Desk { assistant, folder, service }
    }

    pub async fn call(&self, tool: &'static str, arguments: Value) -> Value {
        self.assistant.call(tool, arguments).await.unwrap()
    }

    pub async fn submit(&self, arguments: Value) -> Value {
        self.call("submit_job", arguments).await
    }

    pub async fn balance(&self) -> i64 {
        self.call("get_credit_balance", json!({})).await["credits_remaining"].as_i64().unwrap()
    }

    /// A copy of a document under another name in the folder.
    pub fn copy(&self, document: &str, name: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(documents().join(document), &path).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
