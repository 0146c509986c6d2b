//! Every known body of the service, replayed as the answer to a check, as the answer to a submit and as a callback.
//!
//! `fixtures/replies/service/outcomes.txt` says what becomes of each; `UPDATE_FIXTURES=1` writes it anew.
//! `PDFCO_REPLIES=<folder> cargo test --test integration -- replies` replays the bodies of another folder, prints what
//! became of them and asserts what has to hold for any body. The HTTP status is read from the file's name
//! (`error-429`, `as-200`); other bodies come with 200.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::product::{CHECK, Product, request};
use pdfco::app::ListRequest;
use pdfco::jobs::JobId;
use pdfco::json_ext::{field, whole_number};
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const TEXT: &str = "/v1/pdf/convert/to/text";
const KEY: &str = "k-0123456789";
const JOB: &str = "AAAA1111BBBB2222CCCC3333DDDD4444--151-300";

/// One body and how it came.
struct Body {
    name: String,
    status: u16,
    bytes: Vec<u8>,
}

impl Body {
    fn read(file: &Path) -> Body {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let number_after = |word: &str| {
            let rest = name.split(word).nth(1)?;
            rest.get(..3)?.parse::<u16>().ok()
        };
        let status = number_after("as-").or_else(|| number_after("error-")).unwrap_or(200);
        Body { status, bytes: std::fs::read(file).unwrap(), name }
    }

    fn json(&self) -> Value {
        pdfco::api::body::json_of(&self.bytes).map(pdfco::api::shape::unwrapped).unwrap_or_default()
    }

    /// The id in it that can be one.
    fn job_id(&self) -> Option<String> {
        let body = self.json();
        let id = match field(&body, "jobId").or_else(|| field(&body, "job_id"))? {
            Value::String(id) => id.trim().to_owned(),
            number @ Value::Number(_) => number.to_string(),
            _ => return None,
        };
        pdfco::jobs::JobId::parse(&id).ok().map(|id| id.as_str().to_owned())
    }

    fn says(&self, word: &str) -> bool {
        field(&self.json(), "status").and_then(Value::as_str).is_some_and(|said| said.trim().eq_ignore_ascii_case(word))
    }

    /// Whether it is the answer of a synchronous call: a numeric status that says success.
    fn is_synchronous(&self) -> bool {
        field(&self.json(), "status").and_then(whole_number) == Some(200)
    }

    fn template(&self) -> ResponseTemplate {
        ResponseTemplate::new(self.status)
            .set_body_raw(self.bytes.clone(), "application/json")
            .insert_header("Retry-After", "30")
    }
}

fn bodies(folder: &Path) -> Vec<Body> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files.iter().map(|file| Body::read(file)).collect()
}

async fn at(server: &MockServer, at: &str, reply: ResponseTemplate) {
    Mock::given(path(at)).respond_with(reply).mount(server).await;
}

/// What a check with this answer reports.
async fn as_check(body: &Body) -> String {
    let server = MockServer::start().await;
    at(&server, CHECK, body.template()).await;
    let product = Product::new(&server.uri(), KEY);
    let id = body.job_id().unwrap_or_else(|| JOB.to_owned());
    let outcome = product.app.check(&product.caller, &id, true).await;
    let reported = match &outcome {
        Ok(answer) => {
            let word = answer.job.as_ref().unwrap().unrecognized_status.clone();
            word.map_or_else(
                || answer.status.as_str().to_owned(),
                |word| format!("{} ({word})", answer.status.as_str()),
            )
        }
        Err(error) => format!("error {}", error.kind()),
    };
    if let Ok(answer) = &outcome {
        assert!(
            answer.status.as_str() != "success" || body.says("success"),
            "{}: a check reported a success",
            body.name
        );
        assert_eq!(answer.job.as_ref().unwrap().job_id, id, "{}", body.name);
    }
    reported
}

/// What a submit with this answer reports.
async fn as_submit(body: &Body) -> String {
    let server = MockServer::start().await;
    at(&server, TEXT, body.template()).await;
    let product = Product::new(&server.uri(), KEY);
    let asked = request("pdf_to_text", json!({"url": "https://files.example.test/a.pdf"}), Duration::ZERO);
    let outcome = product.app.submit(&product.caller, asked).await;
    let listed = product.app.list(&product.caller, &ListRequest::default()).await.unwrap();
    let rows: Vec<&str> = listed.items.iter().map(|row| row.job_id.as_str()).collect();
    match (&outcome, body.job_id()) {
        (Ok(answer), Some(id)) => assert_eq!(answer.job.as_ref().unwrap().job_id, id, "{}: the id is lost", body.name),
        (Err(error), Some(id)) if error.is_fate_unknown() => {
            assert!(rows.contains(&id.as_str()), "{}: the id is lost: {rows:?}", body.name);
        }
        _ => {}
    }
    match &outcome {
        Ok(answer) => {
            let id = &answer.job.as_ref().unwrap().job_id;
            format!("{}{}", answer.status.as_str(), if id.starts_with("local-") { " at once" } else { "" })
        }
        Err(error) => format!("error {}{}", error.kind(), if rows.is_empty() { "" } else { ", kept" }),
    }
}

/// What becomes of a job for which the service calls back with this.
async fn as_callback(body: &Body) -> String {
    let server = MockServer::start().await;
    let id = body.job_id().unwrap_or_else(|| JOB.to_owned());
    at(&server, TEXT, ResponseTemplate::new(200).set_body_json(json!({"jobId": id, "credits": 21}))).await;
    let product = Product::with(&server.uri(), KEY, &[("PDFCO_CALLBACK_URL", "https://jobs.example.test")]);
    let asked = request("pdf_to_text", json!({"url": "https://files.example.test/a.pdf"}), Duration::ZERO);
    product.app.submit(&product.caller, asked).await.unwrap();
    let sent: Value = serde_json::from_slice(&server.received_requests().await.unwrap()[0].body).unwrap();
    let secret = sent["callback"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let jobs = product.app.jobs();
    assert!(jobs.knows_callback(&secret).await.unwrap());
    let mut credits = None;
    // A callback may come twice.
    for _ in 0..2 {
        jobs.called_back(&secret, &body.bytes).await.unwrap();
        let job = jobs.get(&product.caller.owner, &JobId::parse(&id).unwrap()).await.unwrap();
        assert!(credits.is_none() || credits == Some(job.credits_total()), "{}: charged twice", body.name);
        credits = Some(job.credits_total());
    }
    let job = jobs.get(&product.caller.owner, &JobId::parse(&id).unwrap()).await.unwrap();
    let is_success = job.status.as_str() == "success";
    assert!(
        !is_success || body.says("success") || body.is_synchronous(),
        "{}: a callback reported a success",
        body.name
    );
    match job.status.is_terminal() {
        true => format!("{}, {} credits", job.status.as_str(), job.check_credits.unwrap_or_default()),
        false => "checked next".to_owned(),
    }
}

async fn table(folder: &Path) -> String {
    let mut table =
        format!("{:<44}{:<6}{:<28}{:<34}{}\n", "body", "HTTP", "as a check", "as a submit", "as a callback");
    for body in bodies(folder) {
        let (check, submit, callback) = tokio::join!(as_check(&body), as_submit(&body), as_callback(&body));
        writeln!(table, "{:<44}{:<6}{check:<28}{submit:<34}{callback}", body.name, body.status).unwrap();
    }
    table
}

#[tokio::test]
async fn known_replies_become_what_the_table_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/replies/service");
    let (table, file) = (table(&folder).await, folder.join("outcomes.txt"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(table == expected.replace("\r\n", "\n"), "{table}");
}

/// Bodies that were never seen before: nothing panics, no success is claimed, no id is lost, nothing is charged twice.
#[tokio::test]
async fn replies_of_another_folder_keep_the_promises() {
    let Some(folder) = std::env::var_os("PDFCO_REPLIES") else { return };
    // Past the test runner, which shows what a test prints only when it fails.
    let table = table(Path::new(&folder)).await;
    std::io::stdout().lock().write_all(table.as_bytes()).unwrap();
}
