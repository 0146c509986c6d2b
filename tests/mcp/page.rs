//! The page at `/` of the HTTP server over real sockets: who is let in, whose jobs they see, what stays secret, and that
//! viewing costs nothing.

use std::sync::Arc;
use std::time::Duration;

use pdfco::app::{App, Caller, ResponseMode, SubmitRequest};
use pdfco::charge::Charge;
use pdfco::clock::now;
use pdfco::config::{self, Config, Folders, Values};
use pdfco::files::Sandbox;
use pdfco::jobs::ledger::Intent;
use pdfco::secret::ApiKey;
use pdfco::serve::http::{self, Options, Running};
use pdfco::serve::page;
use pdfco::simulator::{self, Handle, Life};
use pdfco::tenant::Owner;
use reqwest::header::{HeaderMap, SET_COOKIE};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "canary-token-open-sesame-0123456789";
/// The server's own key, and two of other people.
const OWN: &str = "sim_canary_own";
const ANNA: &str = "sim_canary_anna";
const BERT: &str = "sim_canary_bert";

/// A server over a simulator, and a browser without cookies or redirects of its own.
struct Server {
    simulator: Handle,
    running: Running,
    app: Arc<App>,
    browser: reqwest::Client,
    home: tempfile::TempDir,
}

fn settings(simulator: &Handle, home: &std::path::Path, key: Option<&str>) -> Config {
    let ledger = home.join("ledger.sqlite");
    let mut values: Values = [
        ("PDFCO_BASE_URL", simulator.url()),
        ("PDFCO_LEDGER", ledger.to_str().unwrap()),
        ("PDFCO_DOWNLOAD_DIR", home.to_str().unwrap()),
        ("PDFCO_RATE_LIMIT", "off"),
        ("PDFCO_CHECK_WORTH_SECONDS", "0.05"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    values.extend(key.map(|key| ("PDFCO_API_KEY".to_owned(), key.to_owned())));
    config::merge(&values, &Values::new(), &Values::new(), &Folders::default()).unwrap()
}

fn browser() -> reqwest::Client {
    // reqwest comes without a provider of its own; a second installation is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// An answer with everything that may be asked of it.
struct Page {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Page {
    async fn of(request: reqwest::RequestBuilder) -> Page {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        for canary in [TOKEN, OWN, ANNA, BERT] {
            let seen = format!("{headers:?} {text}");
            assert!(!seen.contains(canary), "{canary} is in {seen}");
        }
        Page { status, headers, text }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookie that came, as it is sent back.
    fn cookie(&self) -> String {
        let set = self.headers.get(SET_COOKIE).unwrap().to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    fn is_form(&self) -> bool {
        self.text.contains("id=\"enter\"") && !self.text.contains("id=\"jobs-page\"")
    }

    fn shows(&self, words: &str) -> bool {
        self.text.contains(words)
    }
}

impl Server {
    async fn open(token: Option<&str>, key: Option<&str>) -> Server {
        let simulator =
            simulator::spawn(simulator::Options { life: Life::Checks(1), ..Default::default() }).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let app = Arc::new(App::new(settings(&simulator, home.path(), key)).unwrap());
        let options = Options {
            token: token.map(SecretString::from),
            hosts: vec!["jobs.test".to_owned()],
            shared_key: true,
            ..Options::at("127.0.0.1:0".parse().unwrap())
        };
        let running = http::start(Arc::clone(&app), options).await.unwrap();
        Server { simulator, running, app, browser: browser(), home }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.browser.get(format!("http://{}{path}", self.running.address))
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let body: String = form.iter().map(|(name, value)| format!("{name}={value}&")).collect();
        self.browser
            .post(format!("http://{}{path}", self.running.address))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// Signs in; gives the cookie.
    async fn enter(&self, form: &[(&str, &str)]) -> String {
        let entered = Page::of(self.post("/session", form)).await;
        assert_eq!((entered.status, entered.header("location")), (303, "./"), "{}", entered.text);
        entered.cookie()
    }

    fn caller(&self, key: &str) -> Caller {
        Caller {
            is_remote: false,
            owner: ApiKey::new(key).unwrap().into(),
            sandbox: Arc::new(Sandbox::folders(Vec::new(), self.home.path().to_path_buf())),
            policy: pdfco::app::Policy::person(),
            consent: pdfco::app::Consent::Needed,
            max_wait: None,
            response_mode: ResponseMode::Inline,
            cancel: CancellationToken::new(),
            on_event: Arc::new(|_| ()),
        }
    }

    /// Submits a job, waits for it if asked, and gives its id.
    async fn submit(&self, key: &str, wait: u64, save_to: Option<&str>) -> String {
        let arguments = json!({"html": "<p>hello</p>", "name": "hello.pdf"});
        let request = SubmitRequest {
            operation: "html_to_pdf".to_owned(),
            arguments: arguments.as_object().unwrap().clone(),
            wait: Some(Duration::from_secs(wait)),
            save_to: save_to.map(str::to_owned),
            ..SubmitRequest::default()
        };
        let answer = self.app.submit(&self.caller(key), request).await.unwrap();
        assert!(!answer.is_error, "{answer:?}");
        answer.job.unwrap().job_id
    }

    /// A job as another version, or a service gone mad, may have left it in the ledger.
    async fn leave(&self, key: &str, operation: &str, job_id: &str, content: &Value) {
        let ledger = self.app.jobs().ledger();
        let key = ApiKey::new(key).unwrap();
        let intent = Intent::new(&Owner::from(key), operation, now());
        assert!(ledger.insert_intent(&intent, None).await.unwrap().is_none());
        let job = ledger
            .accepted(
                &intent,
                pdfco::jobs::JobId::from_stored(job_id),
                &json!({}),
                Charge::new(Some(7), Some(9_000)),
                now(),
            )
            .await;
        let response = pdfco::api::Response::of(content.clone());
        let seen = pdfco::jobs::Observation::read(&response, now()).unwrap();
        let seen = pdfco::jobs::Observation { is_check: false, ..seen };
        ledger.observe(None, &job, &seen, None).await;
    }
}

#[tokio::test]
async fn page_asks_for_token_and_key_and_cookie_holds_neither() {
    let server = Server::open(Some(TOKEN), None).await;
    let asked = Page::of(server.get("/")).await;
    assert!(asked.status == 200 && asked.is_form(), "{}", asked.text);
    assert!(asked.shows("name=\"token\" type=\"password\"") && asked.shows("name=\"key\" type=\"password\""));
    assert!(asked.shows("method=\"post\"") && asked.shows("autocomplete=\"off\""));

    // In the address they count for nothing.
    let url = format!("/?token={TOKEN}&key={ANNA}");
    assert!(Page::of(server.get(&url)).await.is_form());
    assert!(Page::of(server.get(&format!("/session?token={TOKEN}&key={ANNA}"))).await.is_form());

    for (form, status, reason) in [
        (&[("token", "wrong"), ("key", ANNA)][..], 401, "not this server’s token"),
        (&[("key", ANNA)], 401, "not this server’s token"),
        (&[("token", TOKEN), ("key", "")], 403, "give your PDF.co API key"),
        (&[("token", TOKEN), ("key", "two%20words")], 403, "characters that no key has"),
    ] {
        let refused = Page::of(server.post("/session", form)).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert!(refused.is_form() && refused.shows(reason), "{}", refused.text);
        assert!(!refused.headers.contains_key(SET_COOKIE));
    }

    let entered = Page::of(server.post("/session", &[("token", TOKEN), ("key", ANNA)])).await;
    assert_eq!(entered.status, 303);
    let set = entered.header("set-cookie");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let port = server.running.address.port();
    let id = entered.cookie().strip_prefix(&format!("pdfco_session_{port}=")).unwrap().to_owned();
    assert!(id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    let shown = Page::of(server.get("/").header("cookie", entered.cookie())).await;
    assert!(!shown.is_form() && shown.shows("No jobs yet") && shown.shows("pdfco call pdf-to-text"), "{}", shown.text);
    assert!(!shown.shows(&id), "the id is in the cookie alone");
    // A guessed cookie is none.
    let guessed = format!("pdfco_session_{port}={}", "0".repeat(64));
    assert!(Page::of(server.get("/").header("cookie", guessed)).await.is_form());

    // Behind a proxy that ends TLS the cookie never travels in the open.
    let tls = server.post("/session", &[("token", TOKEN), ("key", ANNA)]).header("x-forwarded-proto", "https");
    let set = Page::of(tls).await.header("set-cookie").to_owned();
    assert!(set.starts_with("__Host-pdfco_session") && set.ends_with("SameSite=Strict; Secure"), "{set}");
    server.running.stop().await;
}

#[tokio::test]
async fn each_key_sees_its_own_jobs_and_leaving_ends_that() {
    let server = Server::open(Some(TOKEN), Some(OWN)).await;
    let (anna, bert, own) =
        (server.submit(ANNA, 20, None).await, server.submit(BERT, 0, None).await, server.submit(OWN, 20, None).await);
    let cookie = server.enter(&[("token", TOKEN), ("key", ANNA)]).await;
    let others = server.enter(&[("token", TOKEN), ("key", BERT)]).await;
    // Without a key it is the server's; the token was right.
    let servers = server.enter(&[("token", TOKEN), ("key", "")]).await;
    for (cookie, job, state) in [(&cookie, &anna, "success"), (&others, &bert, "queued"), (&servers, &own, "success")] {
        let shown = Page::of(server.get("/").header("cookie", cookie)).await;
        let seen: Vec<_> = [&anna, &bert, &own].into_iter().filter(|id| shown.shows(id)).collect();
        assert_eq!(seen, [job], "{}", shown.text);
        assert!(shown.shows(&format!("data-state=\"{state}\"")) && shown.shows("html_to_pdf"), "{}", shown.text);
    }
    let left = Page::of(server.post("/session/end", &[]).header("cookie", &cookie)).await;
    assert_eq!((left.status, left.header("location")), (303, "../"));
    assert!(left.header("set-cookie").contains("=; ") && left.header("set-cookie").contains("Max-Age=0"));
    assert!(Page::of(server.get("/").header("cookie", &cookie)).await.is_form());
    assert!(!Page::of(server.get("/").header("cookie", &others)).await.is_form(), "the others stay");

    // Entering again ends the earlier session of the same browser.
    let again = Page::of(server.post("/session", &[("token", TOKEN), ("key", ANNA)]).header("cookie", &others)).await;
    assert_eq!(again.status, 303);
    assert!(Page::of(server.get("/").header("cookie", &others)).await.is_form());
    server.running.stop().await;
}

#[tokio::test]
async fn local_page_without_a_token_shows_the_servers_jobs() {
    let server = Server::open(None, Some(OWN)).await;
    let (own, anna) = (server.submit(OWN, 20, None).await, server.submit(ANNA, 20, None).await);
    let shown = Page::of(server.get("/")).await;
    assert!(shown.shows(&own) && !shown.shows(&anna) && shown.shows("href=\"session\""), "{}", shown.text);
    let form = Page::of(server.get("/session")).await;
    assert!(form.is_form() && !form.shows("name=\"token\""), "{}", form.text);
    let cookie = server.enter(&[("key", ANNA)]).await;
    let shown = Page::of(server.get("/").header("cookie", cookie)).await;
    assert!(!shown.shows(&own) && shown.shows(&anna), "{}", shown.text);
    server.running.stop().await;

    let keyless = Server::open(None, None).await;
    assert!(Page::of(keyless.get("/")).await.is_form(), "no jobs without a key");
    keyless.running.stop().await;
}

#[tokio::test]
async fn every_answer_keeps_other_sites_out() {
    let server = Server::open(None, Some(OWN)).await;
    let job = server.submit(OWN, 0, None).await;
    for path in ["/", "/session", "/page/style.css", "/page/script.js", "/page/icon.svg"] {
        let answer = Page::of(server.get(path)).await;
        assert_eq!(answer.status, 200, "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("access-control-allow-origin", ""),
        ] {
            assert_eq!(answer.header(name), value, "{path} {name}");
        }
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{path}: {policy}");
        }
        // DNS rebinding comes under a foreign name.
        let foreign = Page::of(server.get(path).header("host", "evil.test")).await;
        assert_eq!(foreign.status, 403, "{path}");
        assert!(!foreign.shows(&job) && foreign.header("cache-control") == "no-store");
        assert_eq!(Page::of(server.get(path).header("host", "jobs.test:443")).await.status, 200, "{path}");
    }
    let shown = Page::of(server.get("/")).await;
    let inline = ["style=", "onclick", "onload", "<style", "javascript:", "http://", "https://"];
    assert!(inline.iter().all(|word| !shown.shows(word)), "{}", shown.text);
    for (name, value) in [
        ("origin", "https://evil.test"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for path in ["/session", "/session/end"] {
            let posted = Page::of(server.post(path, &[("key", ANNA)]).header(name, value)).await;
            assert_eq!(posted.status, 403, "{path} {name}: {value}");
            assert!(!posted.headers.contains_key(SET_COOKIE));
        }
    }
    let own = server.post("/session", &[("key", ANNA)]).header("origin", format!("http://{}", server.running.address));
    assert_eq!(Page::of(own.header("sec-fetch-site", "same-origin")).await.status, 303);
    let large = "x".repeat(5_000);
    assert_eq!(Page::of(server.post("/session", &[("key", &large)])).await.status, 413);
    assert_eq!(Page::of(server.post("/", &[])).await.status, 405);
    server.running.stop().await;
}

#[tokio::test]
async fn looking_costs_nothing_and_shows_what_others_find_out() {
    let server = Server::open(None, Some(OWN)).await;
    let running = server.submit(OWN, 0, None).await;
    let before = server.simulator.requests().len();
    for _ in 0..20 {
        let shown = Page::of(server.get("/")).await;
        assert!(shown.shows("data-state=\"queued\"") && shown.shows("data-elapsed"), "{}", shown.text);
        assert!(shown.shows("<title>1 running"), "{}", shown.text);
    }
    assert_eq!(server.simulator.requests().len(), before, "not one request for a viewer");

    // Another caller waits for it, and the page shows it.
    let answer = server.app.wait(&server.caller(OWN), &running, Some(Duration::from_secs(20)), None).await.unwrap();
    assert_eq!(answer.status, "success");
    let view = answer.job.unwrap();
    let requests = server.simulator.requests().len();
    let shown = Page::of(server.get("/")).await;
    assert!(shown.shows("data-state=\"success\"") && !shown.shows("data-elapsed"), "{}", shown.text);
    let credits = view.credits_total.unwrap();
    for (label, number) in [("Checks", view.checks_made), ("Credits", credits)] {
        assert!(shown.shows(&format!("data-label=\"{label}\">{number}</td>")), "{label} {number}: {}", shown.text);
    }
    let balance = server.simulator.credits(OWN).to_string();
    let spelled = format!("{}\u{202f}{}", &balance[..1], &balance[1..]);
    assert!(balance.len() == 4 && shown.shows(&format!("<strong>{spelled}</strong>")), "{balance}: {}", shown.text);
    assert!(shown.shows(&format!("Spent today</dt><dd><strong>{credits}</strong>")), "{}", shown.text);
    assert_eq!(server.simulator.requests().len(), requests);
    server.running.stop().await;
}

#[tokio::test]
async fn files_are_named_and_links_stay_secret() {
    let server = Server::open(None, Some(OWN)).await;
    let folder = server.home.path().to_str().unwrap();
    server.submit(OWN, 20, Some(folder)).await;
    let content =
        json!({"status": "success", "url": "https://files.test/A/report.txt?X-Amz-Signature=canary-signature"});
    server.leave(OWN, "pdf_to_text", "job-with-link", &content).await;
    let failed =
        json!({"status": "failed", "message": "Cannot read https://u:canary@h.test/a.pdf?sig=canary-signature now"});
    server.leave(OWN, "pdf_to_text", "job-failed", &failed).await;
    let shown = Page::of(server.get("/")).await;
    assert!(shown.shows("hello.pdf") && shown.shows(&format!("saved to {folder}")), "{}", shown.text);
    assert!(shown.shows("report.txt"), "{}", shown.text);
    assert!(shown.shows("Cannot read https://h.test/a.pdf?… now"), "{}", shown.text);
    assert!(!shown.shows("canary") && !shown.shows("files.test"), "{}", shown.text);
    server.running.stop().await;
}

#[tokio::test]
async fn hostile_jobs_stay_text() {
    let server = Server::open(None, Some(OWN)).await;
    let attack = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
    let content = json!({"status": "failed", "message": attack});
    server.leave(OWN, attack, attack, &content).await;
    let content = json!({"status": attack, "message": attack});
    server.leave(OWN, "pdf_to_text", "odd-word", &content).await;
    let content = json!({"status": "success", "url": "https://h.test/%3Cscript%3Ealert(1)%3C%2Fscript%3E.pdf"});
    server.leave(OWN, "pdf_to_text", "odd-name", &content).await;
    let shown = Page::of(server.get("/")).await;
    assert_eq!(shown.text.matches("<script").count(), 1, "only our own: {}", shown.text);
    assert!(!shown.shows("<img") && shown.shows("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img"), "{}", shown.text);
    // A file has the name that it would be saved under.
    assert!(shown.shows("<li>script.pdf</li>"), "{}", shown.text);
    // Neither does an address make markup.
    let odd = Page::of(server.get("/?after=%22%3E%3Cscript%3E")).await;
    assert!(odd.status == 400 && odd.text.matches("<script").count() == 1, "{}", odd.text);
    server.running.stop().await;
}

#[tokio::test]
async fn many_jobs_come_in_pages_newest_first() {
    let server = Server::open(None, Some(OWN)).await;
    for index in 0..60 {
        let content = json!({"status": "aborted", "message": format!("reason {index:02}.")});
        server.leave(OWN, "pdf_to_text", &format!("job-{index:02}"), &content).await;
    }
    let first = Page::of(server.get("/")).await;
    assert_eq!(first.text.matches("data-state=\"aborted\"").count(), 50);
    let older = first.text.split("href=\"./?after=").nth(1).unwrap().split('"').next().unwrap();
    let second = Page::of(server.get(&format!("/?after={older}"))).await;
    assert_eq!(second.text.matches("data-state=\"aborted\"").count(), 10);
    assert!(first.shows("reason 59.") && second.shows("reason 00.") && second.shows("Newest jobs"), "{}", second.text);
    for index in 0..60 {
        let id = format!(">job-{index:02}<");
        assert_eq!(usize::from(first.shows(&id)) + usize::from(second.shows(&id)), 1, "{id}");
    }
    server.running.stop().await;
}

/// A server whose page has small limits.
async fn page_within(limits: page::Limits) -> (String, Handle, tempfile::TempDir) {
    let simulator = simulator::spawn(simulator::Options::default()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let app = Arc::new(App::new(settings(&simulator, home.path(), None)).unwrap());
    let mut options = Options::at("127.0.0.1:0".parse().unwrap());
    (options.token, options.page) = (Some(SecretString::from(TOKEN)), limits);
    let running = http::start(app, options).await.unwrap();
    (format!("http://{}", running.address), simulator, home)
}

fn enter_at(url: &str, token: &str) -> reqwest::RequestBuilder {
    let body = format!("token={token}&key={ANNA}");
    browser().post(format!("{url}/session")).header("content-type", "application/x-www-form-urlencoded").body(body)
}

#[tokio::test]
async fn sessions_are_bounded_in_number_and_in_time() {
    let (url, _simulator, _home) = page_within(page::Limits { sessions: 2, ..Default::default() }).await;
    let mut cookies = Vec::new();
    for _ in 0..3 {
        cookies.push(Page::of(enter_at(&url, TOKEN)).await.cookie());
    }
    let mut forms = Vec::new();
    for cookie in &cookies {
        forms.push(Page::of(browser().get(&url).header("cookie", cookie)).await.is_form());
    }
    assert_eq!(forms, [true, false, false], "the oldest went");

    // With a lifetime of zero a session is over at once. The hours themselves are tested beside `Sessions`.
    for limits in [
        page::Limits { idle: Duration::ZERO, ..Default::default() },
        page::Limits { lifetime: Duration::ZERO, ..Default::default() },
    ] {
        let (url, _simulator, _home) = page_within(limits).await;
        let cookie = Page::of(enter_at(&url, TOKEN)).await.cookie();
        assert!(Page::of(browser().get(&url).header("cookie", cookie)).await.is_form(), "{limits:?}");
    }
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_the_right_one_is_let_in() {
    let (url, _simulator, _home) = page_within(page::Limits::default()).await;
    let began = std::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(Page::of(enter_at(&url, "a")).await.status, 401);
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(Page::of(enter_at(&url, "a")).await.status, 401);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let guesses = (0..24).map(|_| tokio::spawn(enter_at(&url, "a").send()));
    for guess in guesses.collect::<Vec<_>>() {
        assert_eq!(guess.await.unwrap().unwrap().status(), 401);
    }
    let refused = Page::of(enter_at(&url, "a")).await;
    assert!(refused.status == 429 && refused.shows("Try again in"), "{}", refused.text);
    assert_eq!(Page::of(enter_at(&url, TOKEN)).await.status, 303);
}

#[tokio::test]
async fn the_page_works_below_the_path_of_a_proxy() {
    let server = Server::open(None, Some(OWN)).await;
    for (path, name) in [("/", "the jobs"), ("/session", "the form")] {
        let page = Page::of(server.get(path)).await;
        for absolute in ["href=\"/", "src=\"/", "action=\"/"] {
            assert!(!page.shows(absolute), "{name} has {absolute}: {}", page.text);
        }
    }
    server.running.stop().await;
}

#[tokio::test]
async fn a_job_has_a_page_and_its_files_for_its_owner_alone() {
    let server = Server::open(Some(TOKEN), None).await;
    let job = server.submit(ANNA, 20, None).await;
    let anna = server.enter(&[("token", TOKEN), ("key", ANNA)]).await;
    let bert = server.enter(&[("token", TOKEN), ("key", BERT)]).await;
    let before = server.simulator.count("/v1/job/check");
    let list = Page::of(server.get("/").header("cookie", &anna)).await;
    let link = format!("jobs/{}", job.replace('-', "%2D"));
    assert!(list.shows(&format!("href=\"{link}\"")), "{}", list.text);
    let shown = Page::of(server.get(&format!("/{link}")).header("cookie", &anna)).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    for part in [
        "html_to_pdf",
        "&lt;p&gt;hello&lt;/p&gt;",
        "written down",
        "sent to the service",
        "success",
        "Charges",
        "hello.pdf",
    ] {
        assert!(shown.shows(part), "{part}: {}", shown.text);
    }
    for path in ["../page/style.css", "../page/script.js", "../session/end"] {
        assert!(shown.shows(&format!("\"{path}\"")), "{path}: {}", shown.text);
    }
    assert!(!shown.shows("style=") && !shown.shows("X-Amz") && !shown.shows("127.0.0.1"), "no link of the storage");
    assert_eq!(server.simulator.count("/v1/job/check"), before, "no check for a viewer");

    // The file passes the server, as it is, under its name.
    let file = format!("/{link}/files/0");
    let fetched = server.get(&file).header("cookie", &anna).send().await.unwrap();
    assert_eq!(fetched.status(), 200);
    assert_eq!(fetched.headers()["content-type"], "application/octet-stream");
    assert_eq!(fetched.headers()["content-disposition"], "attachment; filename*=UTF-8''hello%2Epdf");
    assert_eq!(fetched.headers()["x-content-type-options"], "nosniff");
    assert!(fetched.bytes().await.unwrap().starts_with(b"%PDF"));

    // Others have no such job, and without a session there is the form.
    for path in [format!("/{link}"), file.clone()] {
        let others = Page::of(server.get(&path).header("cookie", &bert)).await;
        assert_eq!(others.status, 404, "{}", others.text);
        assert!(!others.shows(&job) && !others.shows("hello.pdf"));
        assert!(!others.shows("pdfco jobs"), "a reader of the page may have no command line: {}", others.text);
        let stranger = Page::of(server.get(&path)).await;
        assert_eq!(stranger.status, 303);
        assert!(stranger.header("location").ends_with("../") && stranger.text.is_empty());
    }
    for path in [format!("/{link}/files/1"), "/jobs/no%20such".into(), "/jobs/%2e%2e%2fpage".into()] {
        let missing = Page::of(server.get(&path).header("cookie", &anna)).await;
        assert_eq!(missing.status, 404, "{path}");
        assert!(!missing.shows("pdfco jobs"), "{path}: {}", missing.text);
    }
    assert_eq!(Page::of(server.get(&format!("/{link}/files/x")).header("cookie", &anna)).await.status, 400);
    server.running.stop().await;
}

#[tokio::test]
async fn jobs_are_filtered_by_the_address_and_spending_is_drawn() {
    let server = Server::open(None, Some(OWN)).await;
    let done = server.submit(OWN, 20, None).await;
    let running = server.submit(OWN, 0, None).await;
    for (query, has_done, has_running) in [
        ("", true, true),
        ("?status=success", true, false),
        ("?status=running&operation=&since=&document=", false, true),
        ("?operation=html_to_pdf", true, true),
        ("?operation=pdf_to_text", false, false),
        ("?document=HELLO", true, true),
        ("?document=nothing-like-it", false, false),
        ("?since=2001-01-01", true, true),
        ("?since=2999-01-01", false, false),
    ] {
        let shown = Page::of(server.get(&format!("/{query}"))).await;
        assert_eq!((shown.status, shown.shows(&done), shown.shows(&running)), (200, has_done, has_running), "{query}");
    }
    let shown = Page::of(server.get("/?status=failed&document=%22%3E%3Cb%3E")).await;
    assert!(
        shown.shows("value=\"failed\" selected") && shown.shows("&quot;&gt;&lt;b&gt;") && shown.shows("No such jobs")
    );
    for bad in ["?status=nonsense", "?since=yesterday", "?after=x", &format!("?document={}", "x".repeat(201))] {
        assert_eq!(Page::of(server.get(&format!("/{bad}"))).await.status, 400, "{bad}");
    }
    let shown = Page::of(server.get("/")).await;
    assert!(shown.shows("<svg class=\"bars\"") && shown.shows("html_to_pdf: ") && shown.shows("As numbers"));
    assert!(shown.shows("method=\"get\""), "filters work without scripts");
    server.running.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_ledger_that_cannot_be_written_is_said_on_the_page() {
    let server = Server::open(None, Some(OWN)).await;
    server.submit(OWN, 0, None).await;
    let notice = "Nothing can be submitted now";
    assert!(!Page::of(server.get("/")).await.shows(notice));
    let (ledger, moved) = (server.home.path().join("ledger.sqlite"), server.home.path().join("moved.sqlite"));
    std::fs::rename(&ledger, &moved).unwrap();
    std::fs::write(&ledger, "another program's file").unwrap();
    let arguments = json!({"html": "<p>hello</p>"}).as_object().unwrap().clone();
    let request = SubmitRequest { operation: "html_to_pdf".to_owned(), arguments, ..SubmitRequest::default() };
    assert!(server.app.submit(&server.caller(OWN), request).await.is_err());
    let page = Page::of(server.get("/")).await;
    assert!(page.shows(notice) && page.shows("replaced by another one"), "{}", page.text);
    assert_eq!(server.simulator.count("/v1/pdf/convert/from/html"), 1, "nothing was sent");
    std::fs::rename(&moved, &ledger).unwrap();
    // It recovers by itself.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while Page::of(server.get("/")).await.shows(notice) {
        assert!(std::time::Instant::now() < deadline, "the notice stays");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    server.submit(OWN, 0, None).await;
}
