//! A hostile caller: ids, names, numbers and nesting that no honest client sends, through the tools as the server calls
//! them. Each is refused with a reason that can be shown on a terminal, nothing leaves for it, and nothing breaks.

use std::sync::OnceLock;
use std::time::Duration;

use crate::support::product::Product;
use pdfco::answer::Answer;
use pdfco::app::{Caller, ResponseMode};
use pdfco::catalog;
use pdfco::error::{Error, Kind, Result};
use pdfco::mcp::tools::{self, Found};
use pdfco::simulator::{self, Handle, Options};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

/// One service and one product.
struct World {
    runtime: Runtime,
    service: Handle,
    product: Product,
    caller: Caller,
}

impl World {
    fn new() -> World {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let service = runtime.block_on(simulator::spawn(Options { credits: 1 << 40, ..Options::default() })).unwrap();
        let product = runtime.block_on(async { Product::new(service.url(), "sim_hostile") });
        let caller = Caller { max_wait: Some(Duration::from_millis(50)), ..product.caller.clone() };
        World { runtime, service, product, caller }
    }

    /// One for all who do not count requests.
    fn shared() -> &'static World {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(World::new)
    }

    /// Calls a tool by its name, in time.
    fn call(&self, tool: &str, given: &Value) -> Result<Answer> {
        let (app, caller) = (&self.product.app, &self.caller);
        let given: Map<String, Value> = given.as_object().unwrap().clone();
        let call = async {
            match tools::find(tool) {
                Some(found) => tools::call(app, caller, found, given).await,
                None => Err(catalog::find(tool).unwrap_err()),
            }
        };
        let timed = async { tokio::time::timeout(Duration::from_secs(30), call).await };
        self.runtime.block_on(timed).unwrap_or_else(|_| panic!("{tool} does not end"))
    }

    /// Calls a tool that must refuse. No request leaves for it.
    fn refused(&self, tool: &str, given: &Value) -> Error {
        let before = self.service.requests().len();
        let error = match self.call(tool, given) {
            Err(error) => error,
            Ok(answer) => panic!("{tool} {}: {answer:?}", shown(given)),
        };
        presentable(tool, given, &error);
        assert_eq!(self.service.requests().len(), before, "{tool} {} left the house", shown(given));
        error
    }
}

fn shown(given: &Value) -> String {
    pdfco::text::shorten(&given.to_string(), 200)
}

/// Short, and nothing that a terminal would obey.
fn presentable(tool: &str, given: &Value, error: &Error) {
    for text in [error.message().to_owned(), error.hint().text(pdfco::next_step::Audience::Agent)] {
        let odd = text.chars().find(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(c));
        assert_eq!(odd, None, "{tool} {}: {text:?}", shown(given));
        assert!(!text.is_empty() && text.chars().count() <= 2_000, "{tool} {}: {text}", shown(given));
    }
    assert_ne!(error.kind(), Kind::Internal, "{tool} {}: {error:?}", shown(given));
}

/// What no id can be.
fn no_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "",
        " ",
        "\0",
        "a\0b",
        "a\nb",
        "a\r\nx-api-key: stolen",
        "\u{7}\u{1b}[31mred\u{1b}[0m",
        "a b",
        "jöb",
        "\u{202e}fdp.exe",
        "\u{feff}A--1",
        "日本語",
        "😀",
        "a\u{301}",
    ]
    .map(str::to_owned)
    .to_vec();
    ids.extend(["x".repeat(201), "x".repeat(10_240), "é".repeat(10_240), "../".repeat(4_000)]);
    ids
}

/// Tools that take the id of a job.
const OF_A_JOB: [&str; 5] = ["get_job_check", "wait_job_completion", "cancel_job", "read_result", "download_result"];

#[test]
fn what_cannot_be_an_id_is_refused_by_every_tool() {
    let world = World::new();
    for id in no_ids() {
        for tool in OF_A_JOB {
            assert_eq!(world.refused(tool, &json!({"job_id": id})).kind(), Kind::InvalidArgument, "{tool} {id:?}");
        }
        if !id.trim().is_empty() {
            let html = json!({"operation": "html_to_pdf", "options": {"html": "a"}, "client_request_id": id});
            assert_eq!(world.refused("submit_job", &html).kind(), Kind::InvalidArgument, "{id:?}");
        }
    }
}

#[test]
fn ids_with_paths_or_quotes_are_sent_as_they_are() {
    let world = World::new();
    for id in ["../../etc/passwd", "%2e%2e%2f", "..\\..\\x", "'; DROP TABLE jobs; --", "\"}{\"", "$(reboot)", "A;B|C&D"]
    {
        let id = id.replace(' ', "_");
        let answer = world.call("get_job_check", &json!({"job_id": id})).unwrap();
        assert_eq!(answer.status, "unknown", "{id}: {answer:?}");
        let error = world.call("read_result", &json!({"job_id": id})).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{id}");
        presentable("read_result", &json!(id), &error);
    }
    let listed = world.call("list_jobs", &json!({"status": "unknown", "limit": 100})).unwrap();
    assert!(listed.content["total"].as_i64().unwrap() >= 7, "the table is still there: {listed:?}");
}

#[test]
fn numbers_out_of_range_are_refused_with_the_range() {
    let world = World::new();
    let job = |name: &str, value: Value| json!({"job_id": "A--1", name: value});
    let bad_seconds = [
        json!(-1),
        json!(-0.001),
        json!("-5"),
        json!("NaN"),
        json!("inf"),
        json!("1e400"),
        json!(1e300),
        json!(86_401),
        json!([1]),
        json!({}),
    ];
    for value in bad_seconds {
        assert_eq!(world.refused("wait_job_completion", &job("timeout", value.clone())).kind(), Kind::InvalidArgument);
        assert_eq!(world.refused("wait_job_completion", &job("interval", value.clone())).kind(), Kind::InvalidArgument);
        let submit = json!({"operation": "html_to_pdf", "options": {"html": "a"}, "wait": value});
        assert_eq!(world.refused("submit_job", &submit).kind(), Kind::InvalidArgument);
    }
    for value in [json!(0.499), json!(60.001), json!(0)] {
        world.refused("wait_job_completion", &job("interval", value));
    }
    let bad_counts = [
        json!(-1),
        json!(1.5),
        json!("1.5"),
        json!("NaN"),
        json!(1e300),
        json!(i64::MIN),
        json!(u64::MAX),
        json!("9999999999999999999999"),
    ];
    for value in bad_counts {
        for name in ["limit", "tail_lines", "index"] {
            let error = world.refused("read_result", &job(name, value.clone()));
            assert!(
                error.hint().text(pdfco::next_step::Audience::Agent).contains("whole number"),
                "{name} {value}: {}",
                error.hint().text(pdfco::next_step::Audience::Agent)
            );
        }
        world.refused("list_jobs", &json!({"limit": value}));
    }
    for (name, value) in
        [("limit", 0), ("limit", 100_001), ("tail_lines", 0), ("tail_lines", 10_001), ("index", 10_001), ("offset", -1)]
    {
        world.refused("read_result", &job(name, json!(value)));
    }
}

#[test]
fn files_stay_in_their_folders() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.txt");
    std::fs::write(&secret, "secret").unwrap();
    let submit = json!({"operation": "html_to_pdf", "options": {"html": "<p>a</p>"}, "wait": 0});
    let job = world.call("submit_job", &submit).unwrap().job.unwrap().job_id;
    for expected in ["working", "success"] {
        let answer = world.call("get_job_check", &json!({"job_id": job, "force": true})).unwrap();
        assert_eq!(answer.status, expected);
    }
    let secret = secret.display().to_string();
    let root = world.product.folder.path().display().to_string();
    for path in [
        secret.clone(),
        format!("file://{secret}"),
        format!("{root}/../{}", secret.rsplit('/').nth(1).unwrap()),
        format!("{root}/a/../../x"),
        "/etc/passwd".to_owned(),
        "../../../../etc/passwd".to_owned(),
        "/proc/self/environ".to_owned(),
        "/dev/zero".to_owned(),
        "~/.ssh/id_rsa".to_owned(),
        "a\0b".to_owned(),
        "\u{1b}[2J".to_owned(),
        "x".repeat(10_240),
        "a/".repeat(5_000),
    ] {
        let kinds = [Kind::FileAccess, Kind::InvalidArgument];
        let read = world.refused("upload_file", &json!({"file_path": path}));
        assert!(kinds.contains(&read.kind()), "{path}: {read:?}");
        let submit = json!({"operation": "pdf_to_text", "url": path, "options": {}});
        if !path.contains("://") || path.starts_with("file:") {
            assert!(kinds.contains(&world.refused("submit_job", &submit).kind()), "{path}");
        }
    }
    for path in [secret.as_str(), "/etc/x", "../x", "sub/../../x", ".env", "sub/.git/x", "a\u{7}b"] {
        let error = world.refused("download_result", &json!({"job_id": job, "save_to": path, "overwrite": true}));
        assert!(matches!(error.kind(), Kind::FileAccess | Kind::InvalidArgument), "{path}: {error:?}");
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
}

#[test]
fn nesting_has_an_end() {
    let world = World::new();
    for depth in [100, 1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let options = json!({"operation": "html_to_pdf", "options": deep, "wait": 0});
            match world.call("submit_job", &options) {
                Ok(answer) => panic!("{answer:?}"),
                Err(error) => presentable("submit_job", &json!(depth), &error),
            }
            let profiles = json!({"html": "a", "profiles": deep, "wait": 0});
            if let Err(error) = world.call("html_to_pdf", &profiles) {
                presentable("html_to_pdf", &json!(depth), &error);
            }
        }
    }
}

/// Any JSON that a caller can send.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,30}".prop_map(Value::String),
        "[\\x00-\\x7f]{0,20}".prop_map(Value::String),
        "(\\.\\./){0,4}[a-z/]{0,8}".prop_map(Value::String),
        "-?[0-9]{1,25}(\\.[0-9]{1,4})?(e[0-9]{1,4})?".prop_map(Value::String),
        Just(json!("x".repeat(10_240))),
        prop::sample::select(no_ids()).prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("\\PC{0,8}", inner), 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Tools and operations that can be called here by the hundred.
fn any_tool() -> impl Strategy<Value = &'static str> {
    let operations = catalog::all().map(|operation| operation.name);
    let tools = tools::ALL.iter().map(|tool| tool.name);
    prop::sample::select(tools.chain(operations).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_arguments_upset_a_tool(tool in any_tool(), values in prop::collection::vec((0_usize..12, any_json()), 0..5)) {
        let params: Vec<&'static str> = match tools::find(tool).unwrap() {
            Found::Job(tool) => tool.params.iter().map(|param| param.name).collect(),
            Found::Operation(operation) => operation.params().map(|param| param.name).collect(),
        };
        let mut given = Map::new();
        for (pick, value) in values {
            if let Some(name) = params.get(pick % params.len().max(1)) {
                given.insert((*name).to_owned(), value);
            }
        }
        // No one waits here.
        if tools::find(tool).is_some_and(Found::submits) {
            given.insert("wait".to_owned(), json!(0));
        }
        let given = Value::Object(given);
        if let Err(error) = World::shared().call(tool, &given) {
            presentable(tool, &given, &error);
        }
    }

    #[test]
    fn no_id_upsets_a_tool(id in "\\PC{0,250}", tool in prop::sample::select(&OF_A_JOB)) {
        let given = json!({"job_id": id});
        if let Err(error) = World::shared().call(tool, &given) {
            presentable(tool, &given, &error);
        }
    }
}

/// Whatever name, list, option or mode a call uses: mail and deletion are refused, and nothing is sent.
#[test]
fn every_way_to_submit_asks_the_policy() {
    let world = World::new();
    let config = world.product.app.config.clone();
    let modes = [ResponseMode::Inline, ResponseMode::PreferTask, ResponseMode::TaskOnly { ttl: None }];
    let link = "https://h.test/a.pdf";
    let mail = json!({"from": "a@h.test", "to": "b@h.test", "subject": "s", "bodytext": "t", "smtpserver": "h.test",
        "smtpport": 587, "smtpusername": "u", "smtppassword": "p", "url": link});
    let mut without_url = mail.clone();
    without_url.as_object_mut().unwrap().remove("url");
    let mut beside = mail.clone();
    beside["operation"] = json!("email_send");
    let ways = [
        ("submit_job", json!({"operation": "file_delete", "url": link})),
        ("submit_job", json!({"operation": "File-Delete", "options": {"url": link}})),
        (
            "submit_job",
            json!({"operation": "email_send", "options": without_url, "url": [link, "https://h.test/b.pdf"]}),
        ),
        (
            "submit_job",
            json!({"operation": "email_send", "options": without_url, "url": "[\"https://h.test/a\", \"https://h.test/b\"]"}),
        ),
        ("submit_job", json!({"operation": "file_delete", "url": link, "estimate": true})),
        ("submit_job", json!({"operation": "file_delete", "url": link, "wait": 0, "client_request_id": "a"})),
        ("submit_job", json!({"operation": "email_send", "options": mail})),
        ("submit_job", beside),
        ("file_delete", json!({"url": link})),
        ("FILE_DELETE", json!({"url": link})),
        ("email_send", mail.clone()),
        ("emailsend", mail),
    ];
    for response_mode in modes {
        let caller = Caller { policy: pdfco::app::Policy::assistant(&config), response_mode, ..world.caller.clone() };
        for (tool, given) in &ways {
            let found = tools::find(tool).unwrap();
            let call = tools::call(&world.product.app, &caller, found, given.as_object().unwrap().clone());
            let error = match world.runtime.block_on(call) {
                Err(error) => error,
                Ok(answer) => panic!("{tool} {}: {answer:?}", shown(given)),
            };
            let hint = error.hint().text(pdfco::next_step::Audience::Agent);
            assert!(hint.contains("PDFCO_ALLOW="), "{tool} {}: {} {hint}", shown(given), error.message());
        }
    }
    assert_eq!(world.service.requests().len(), 0);
}
