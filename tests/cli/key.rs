//! The key that is stored once: `pdfco key`, `pdfco login` against an authorization server of this test, and what finds
//! the key afterwards. The keychain is a `secret-tool` of the test's own.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::command::{Ended, Pdfco, Shared};

const KEY: &str = "sim_canary_stored_key_91c2";

/// A shell line in which `pdfco` is the binary.
fn shell(home: &Path, line: &str) -> Ended {
    let ended = Pdfco::new(home).by("bash", &["-c", line]).run();
    assert!(!ended.stdout.contains(KEY) && !ended.stderr.contains(KEY), "the key is shown: {ended:#?}");
    ended
}

/// A `secret-tool` that keeps what it is given in a file of `home`, and fails where `locked` is there.
fn keychain(home: &Path) -> String {
    let bin = home.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let tool = bin.join("secret-tool");
    let script = format!(
        "#!/bin/sh\nkept='{}/kept'\n[ -e '{0}/locked' ] && {{ echo 'secret-tool: The keychain is locked.' >&2; exit 1; }}\n\
         case $1 in\n store) cat > \"$kept\";;\n lookup) [ -e \"$kept\" ] && cat \"$kept\";;\n clear) rm -f \"$kept\";;\nesac\n",
        home.display()
    );
    std::fs::write(&tool, script).unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("export PATH='{}':$PATH; ", bin.display())
}

#[test]
fn without_a_keychain_the_key_is_in_a_private_file() {
    let home = tempfile::tempdir().unwrap();
    let run = |line: &str| shell(home.path(), line);
    run("pdfco key show").code(3).complains("pdfco key set");
    run(&format!("echo {KEY} | pdfco key set")).code(0).says("ends in 91c2").complains("keychain cannot be used");
    let file = home.path().join(".config/pdfco/api-key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let shown = run("pdfco key show --json").code(0).envelope()["data"].clone();
    assert_eq!((&shown["stored"], &shown["ending"]), (&json!("file"), &json!("91c2")), "{shown}");
    run("pdfco doctor --base-url http://127.0.0.1:9").says("stored key");
    // What is stronger comes first, and says so.
    run("PDFCO_API_KEY=other_key_in_the_environment pdfco key show").code(0).says("environment").complains("not used");
    // Nothing half right is stored.
    run("echo 'two words' | pdfco key set").code(2);
    run("printf '' | pdfco key set").code(2);
    run("pdfco key show").code(0).says("91c2");
    run("printf '\\357\\273\\277%s\\n' sim_other_stored_key_abcd | pdfco key set").code(0).says("abcd");
    run("pdfco key remove").code(0).says("is removed");
    run("pdfco key remove").code(0).says("no key is stored");
    assert!(!file.exists());
    run("pdfco key show").code(3);
}

#[test]
fn a_key_on_the_command_line_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let ended = shell(home.path(), &format!("pdfco key set {KEY}")).code(2);
    assert!(ended.stderr.contains("not taken from the command line"), "{ended:#?}");
    shell(home.path(), "pdfco key show").code(3);
}

#[cfg(target_os = "linux")]
#[test]
fn the_keychain_is_asked_only_when_the_key_is_needed() {
    let home = tempfile::tempdir().unwrap();
    let path = keychain(home.path());
    let run = |line: &str| shell(home.path(), &format!("{path}{line}"));
    run(&format!("printf {KEY} | pdfco key set")).code(0).says("the system's keychain");
    assert_eq!(std::fs::read_to_string(home.path().join("kept")).unwrap(), KEY);
    assert!(!home.path().join(".config/pdfco/api-key").exists());
    run("pdfco key show").code(0).says("91c2").says("the system's keychain");
    // A locked keychain stops what needs the key, says why, and stops nothing else.
    std::fs::write(home.path().join("locked"), "").unwrap();
    run("pdfco key show").code(3).complains("keychain is locked");
    run("pdfco operations").code(0);
    run("pdfco call pdf-to-text --url fixtures/documents/report.pdf --simulate").code(0);
    run("PDFCO_API_KEY=other pdfco key show").code(0);
    run("pdfco key remove").code(2);
    std::fs::remove_file(home.path().join("locked")).unwrap();
    // `--file` moves it, and removes it from the keychain.
    run(&format!("printf {KEY} | pdfco key set --file")).code(0).says("api-key");
    assert!(!home.path().join("kept").exists());
    run(&format!("printf {KEY} | pdfco key set")).code(0);
    run("pdfco key remove").code(0).says("keychain");
    assert!(!home.path().join("kept").exists());
    run("pdfco key show").code(3);
}

#[cfg(target_os = "linux")]
#[test]
fn calls_and_servers_find_the_stored_key_and_setup_writes_none() {
    let shared = Shared::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let path = keychain(home.path());
    let run = |line: &str| shell(home.path(), &format!("{path}export PDFCO_BASE_URL={}; {line}", shared.url()));
    run(&format!("printf {KEY} | pdfco key set")).code(0);
    run("pdfco credits").code(0);
    let messages = [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "get_credit_balance", "arguments": {}}}),
    ];
    let lines = messages.map(|message| message.to_string()).join("\n");
    let served = run(&format!("{{ printf '%s\\n' '{lines}'; sleep 2; }} | pdfco serve")).code(0);
    assert!(served.stdout.contains("credits_remaining"), "{served:#?}");
    for client in ["claude-desktop", "cursor", "vscode", "gemini", "windsurf", "cline", "codex", "zed"] {
        let set = run(&format!("pdfco setup {client} --json")).code(0);
        let data = set.envelope()["data"].clone();
        let written = std::fs::read_to_string(data["path"].as_str().unwrap()).unwrap();
        assert!(written.contains("pdfco") && !written.contains(KEY) && !written.contains("API_KEY"), "{written}");
        assert!(data["key"].as_str().unwrap().contains("the system's keychain"), "{data}");
        assert!(!written.contains("inputs") && !data["next"].as_str().unwrap().contains("variable"), "{written}{data}");
    }
    run("pdfco setup cursor --link").code(0).complains("the system's keychain");
}

/// An authorization server whose account has a key.
async fn authorization_server(userinfo: serde_json::Value) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/oauth/token"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({"access_token": "canary-access", "token_type": "Bearer"})),
        )
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/oauth/userinfo"))
        .and(header("authorization", "Bearer canary-access"))
        .respond_with(ResponseTemplate::new(200).set_body_json(userinfo))
        .mount(&server)
        .await;
    server
}

/// `pdfco login`, started, with the address that it printed.
fn login(
    home: &Path,
    server: &MockServer,
) -> (crate::support::command::Running, BufReader<std::process::ChildStderr>, url::Url) {
    let mut running = Pdfco::new(home)
        .env("PDFCO_OAUTH_CLIENT_ID", "client-7")
        .env("PDFCO_LOGIN_URL", &server.uri())
        .args(&["login", "--no-browser", "--timeout", "30"])
        .start();
    let mut stderr = BufReader::new(running.stderr());
    let mut line = String::new();
    while !line.trim().starts_with("http") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it printed no address");
    }
    (running, stderr, line.trim().parse().unwrap())
}

#[tokio::test]
async fn a_sign_in_is_believed_with_its_own_state_alone() {
    let server = authorization_server(json!({"email": "a@b.test", "api_key": KEY})).await;
    let home = tempfile::tempdir().unwrap();
    let (mut running, _stderr, address) = login(home.path(), &server);
    assert!(address.as_str().starts_with(&format!("{}/oauth/authorize?", server.uri())), "{address}");
    let sent: std::collections::HashMap<String, String> = address.query_pairs().into_owned().collect();
    assert_eq!(
        (&*sent["response_type"], &*sent["client_id"], &*sent["code_challenge_method"]),
        ("code", "client-7", "S256")
    );
    let _ = rustls::crypto::ring::default_provider().install_default();
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    let back = |query: String| {
        let request = browser.get(format!("{}?{query}", sent["redirect_uri"]));
        async move { request.send().await.unwrap() }
    };
    // The answer of another program, no answer at all, and what browsers ask for besides.
    assert_eq!(back("code=stolen&state=guessed".into()).await.status(), 400);
    assert_eq!(back(String::new()).await.status(), 400);
    let foreign = format!("code=stolen&state={}&iss=https%3A%2F%2Fevil.test", sent["state"]);
    assert_eq!(back(foreign).await.status(), 400);
    let icon = browser.get(sent["redirect_uri"].replace("/callback", "/favicon.ico")).send().await.unwrap();
    assert_eq!(icon.status(), 404);
    assert!(server.received_requests().await.unwrap().is_empty(), "no code was sent on");

    let page = back(format!("code=canary-code&state={}", sent["state"])).await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(page.text().await.unwrap().contains("You can close this window"));
    let said = running.lines().collect::<Vec<_>>().join("\n");
    assert!(said.contains("91c2") && !said.contains(KEY), "{said}");
    let requests = server.received_requests().await.unwrap();
    let token: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(&requests[0].body).into_owned().collect();
    assert_eq!((&*token["code"], &token["redirect_uri"]), ("canary-code", &sent["redirect_uri"]));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(token["code_verifier"].as_bytes()));
    assert_eq!(challenge, sent["code_challenge"]);
    shell(home.path(), "pdfco key show").code(0).says("91c2");
}

#[tokio::test]
async fn a_refused_sign_in_stores_nothing() {
    let server = authorization_server(json!({"email": "a@b.test"})).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    for (answer, status, expected) in
        [("error=access_denied", 403, "was refused: access_denied"), ("code=c", 502, "has no API key")]
    {
        let home = tempfile::tempdir().unwrap();
        let (_running, mut stderr, address) = login(home.path(), &server);
        let sent: std::collections::HashMap<String, String> = address.query_pairs().into_owned().collect();
        let back = format!("{}?{answer}&state={}", sent["redirect_uri"], sent["state"]);
        assert_eq!(browser.get(back).send().await.unwrap().status(), status, "{answer}");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
        assert!(said.contains(expected), "{said}");
        shell(home.path(), "pdfco key show").code(3);
    }
    // Without a client id, or in time, it ends with what to do instead.
    let home = tempfile::tempdir().unwrap();
    shell(home.path(), "pdfco login").code(2).complains("PDFCO_OAUTH_CLIENT_ID").complains("pdfco key set");
    let line = format!("PDFCO_OAUTH_CLIENT_ID=c PDFCO_LOGIN_URL={} pdfco login --timeout 0.3", server.uri());
    shell(home.path(), &line).code(3).complains("not completed");
    let plain = "PDFCO_OAUTH_CLIENT_ID=c PDFCO_LOGIN_URL=http://id.test pdfco login";
    shell(home.path(), plain).code(2).complains("PDFCO_LOGIN_URL");
}
