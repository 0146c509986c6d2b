//! Single sign-on over real sockets: a small issuer with keys made here, and what its tokens open.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pdfco::app::App;
use pdfco::config::{self, Folders, Values};
use pdfco::serve::http::{self, Options, Running};
use pdfco::serve::oauth::admit;
use pdfco::serve::oauth::issuer::Pace;
use pdfco::simulator::{self, Handle, Life};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use secrecy::SecretString;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::message_in;

const STATIC_TOKEN: &str = "open-sesame-open-sesame-open-sesame";
/// Made for these tests, and of no use elsewhere.
const TEST_ONLY_RSA: &[u8] = include_bytes!("../support/test-only-rsa.pk8");

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of the issuer.
enum Signer {
    Ec(&'static str, EcdsaKeyPair),
    Ed(&'static str, Ed25519KeyPair),
    Rsa(&'static str, &'static str, RsaKeyPair),
}

impl Signer {
    fn ec(name: &'static str) -> Signer {
        let (random, kind) = (SystemRandom::new(), &signature::ECDSA_P256_SHA256_FIXED_SIGNING);
        let made = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Signer::Ec(name, EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random).unwrap())
    }

    fn ed(name: &'static str) -> Signer {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer::Ed(name, Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap())
    }

    fn rsa(name: &'static str, algorithm: &'static str) -> Signer {
        Signer::Rsa(name, algorithm, RsaKeyPair::from_pkcs8(TEST_ONLY_RSA).unwrap())
    }

    fn jwk(&self) -> Value {
        match self {
            Signer::Ec(name, key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": name, "use": "sig", "x": encoded(x), "y": encoded(y)})
            }
            Signer::Ed(name, key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": name, "x": encoded(key.public_key())})
            }
            Signer::Rsa(name, _, key) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "kid": name, "use": "sig", "n": encoded(public.n), "e": encoded(public.e)})
            }
        }
    }

    fn header(&self) -> Value {
        let (name, algorithm) = match self {
            Signer::Ec(name, _) => (name, "ES256"),
            Signer::Ed(name, _) => (name, "EdDSA"),
            Signer::Rsa(name, algorithm, _) => (name, *algorithm),
        };
        json!({"alg": algorithm, "kid": name, "typ": "at+jwt"})
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Ec(_, key) => key.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec(),
            Signer::Ed(_, key) => key.sign(text.as_bytes()).as_ref().to_vec(),
            Signer::Rsa(_, algorithm, key) => {
                let padding: &'static dyn signature::RsaEncoding = match *algorithm {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    other => panic!("{other}"),
                };
                let mut signed = vec![0; key.public().modulus_len()];
                key.sign(padding, &random, text.as_bytes(), &mut signed).unwrap();
                signed
            }
        }
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A token with a header and claims of its own, signed by `signer`.
fn signed(signer: &Signer, header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    let signature = encoded(signer.sign(&text));
    format!("{text}.{signature}")
}

/// An issuer, and a server that trusts it.
struct Company {
    issuer: MockServer,
    simulator: Handle,
    running: Running,
    client: reqwest::Client,
    _home: tempfile::TempDir,
}

const QUICK: Pace = Pace {
    fresh_for: Duration::from_secs(600),
    kept_for: Duration::from_secs(600),
    between: Duration::from_millis(200),
};

async fn publish(issuer: &MockServer, keys: &[&Signer]) {
    issuer.reset().await;
    let described = json!({"issuer": issuer.uri(), "jwks_uri": format!("{}/keys", issuer.uri())});
    let found = ResponseTemplate::new(200).set_body_json(described);
    Mock::given(method("GET"))
        .and(path("/.well-known/oauth-authorization-server"))
        .respond_with(found)
        .mount(issuer)
        .await;
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    let found = ResponseTemplate::new(200).set_body_json(json!({"keys": keys}));
    Mock::given(method("GET")).and(path("/keys")).respond_with(found).mount(issuer).await;
}

impl Company {
    async fn open(keys: &[&Signer], more: &[(&str, &str)], change: impl FnOnce(&mut Options)) -> Company {
        let issuer = MockServer::start().await;
        publish(&issuer, keys).await;
        let life = Life::Checks(0);
        let simulator = simulator::spawn(simulator::Options { life, ..Default::default() }).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let ledger = home.path().join("ledger.sqlite");
        let mut values: Values = [
            ("PDFCO_BASE_URL", simulator.url()),
            ("PDFCO_LEDGER", ledger.to_str().unwrap()),
            ("PDFCO_DOWNLOAD_DIR", home.path().to_str().unwrap()),
            ("PDFCO_RATE_LIMIT", "off"),
            ("PDFCO_API_KEY", "sim_company"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        values.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let config = config::merge(&values, &Values::new(), &Values::new(), &Folders::default()).unwrap();
        let app = Arc::new(App::new(config).unwrap());
        let mut options = Options::at("127.0.0.1:0".parse().unwrap());
        options.sign_in = Some(admit::Options { issuer: issuer.uri(), resource: None, audience: None, pace: QUICK });
        change(&mut options);
        let running = http::start(app, options).await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Company { issuer, simulator, running, client, _home: home }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address)
    }

    /// Good claims of `subject`, with others on top; null takes one away.
    fn claims(&self, subject: &str, more: Value) -> Value {
        let mut claims = json!({
            "iss": self.issuer.uri(), "sub": subject, "aud": self.url("/mcp-oauth"),
            "exp": now() + 300, "iat": now(), "scope": "pdfco:read pdfco:run", "client_id": "test",
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn token(&self, signer: &Signer, subject: &str, more: Value) -> String {
        signed(signer, &signer.header(), &self.claims(subject, more))
    }

    /// A message of revision 2026-07-28.
    fn ask(&self, token: &str, name: &str, params: Value) -> reqwest::RequestBuilder {
        let mut params = params;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let tool = params["name"].as_str().unwrap_or_default().to_owned();
        let request = self.client.post(self.url("/mcp-oauth")).header("accept", "application/json, text/event-stream");
        let request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", name);
        let request = if tool.is_empty() { request } else { request.header("mcp-name", tool) };
        request.bearer_auth(token).json(&json!({"jsonrpc": "2.0", "id": 1, "method": name, "params": params}))
    }

    fn tool(&self, token: &str, tool: &str, arguments: Value) -> reqwest::RequestBuilder {
        self.ask(token, "tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// The structured content of a call.
    async fn call(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let text = self.tool(token, tool, arguments).send().await.unwrap().text().await.unwrap();
        message_in(&text)["result"]["structuredContent"].clone()
    }

    async fn submit(&self, token: &str) -> Value {
        let options = json!({"html": "<p>a</p>"});
        self.call(token, "submit_job", json!({"operation": "html_to_pdf", "options": options, "wait": 0})).await
    }
}

/// Status, challenge and body of an answer.
async fn refused(request: reqwest::RequestBuilder) -> (u16, String, String) {
    let response = request.send().await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge.unwrap_or_default(), response.text().await.unwrap())
}

#[tokio::test]
async fn only_the_signed_in_path_can_be_discovered() {
    let key = Signer::ec("a");
    let company = Company::open(&[&key], &[], |options| options.token = Some(SecretString::from(STATIC_TOKEN))).await;
    let get = |path: &str| company.client.get(company.url(path)).send();
    let metadata = get("/.well-known/oauth-protected-resource/mcp-oauth").await.unwrap();
    assert_eq!(
        (metadata.status().as_u16(), &metadata.headers()["access-control-allow-origin"]),
        (200, &"*".parse().unwrap())
    );
    let metadata: Value = metadata.json().await.unwrap();
    assert_eq!(metadata["resource"], company.url("/mcp-oauth"));
    assert_eq!(metadata["authorization_servers"], json!([company.issuer.uri()]));
    assert_eq!(metadata["scopes_supported"], json!(["pdfco:read", "pdfco:run"]));
    assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        assert_eq!(get(path).await.unwrap().status(), 404, "{path}");
    }
    let unsigned = company.client.post(company.url("/mcp")).json(&json!({})).send().await.unwrap();
    assert_eq!(
        (unsigned.status().as_u16(), &unsigned.headers()["www-authenticate"]),
        (401, &"Bearer".parse().unwrap())
    );
    let (status, challenge, body) = refused(company.client.post(company.url("/mcp-oauth")).json(&json!({}))).await;
    assert_eq!(status, 401, "{body}");
    let resource_metadata = company.url("/.well-known/oauth-protected-resource/mcp-oauth");
    assert_eq!(challenge, format!("Bearer resource_metadata=\"{resource_metadata}\", scope=\"pdfco:read pdfco:run\""));
    // The static token opens /mcp alone, an access token /mcp-oauth alone.
    let token = company.token(&key, "alice", json!({}));
    assert_eq!(refused(company.client.post(company.url("/mcp")).bearer_auth(&token).json(&json!({}))).await.0, 401);
    assert_eq!(refused(company.ask(STATIC_TOKEN, "tools/list", json!({}))).await.0, 401);
    company.running.stop().await;
}

#[tokio::test]
async fn without_a_static_token_nothing_but_signing_in_is_served() {
    let key = Signer::ec("a");
    let company = Company::open(&[&key], &[], |_| {}).await;
    for path in ["/mcp", "/", "/metrics", "/session"] {
        let answer = company.client.get(company.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    assert_eq!(company.client.get(company.url("/readyz")).send().await.unwrap().status(), 200);
    let listed = company.ask(&company.token(&key, "alice", json!({})), "tools/list", json!({})).send().await.unwrap();
    let listed = message_in(&listed.text().await.unwrap());
    assert!(listed["result"]["tools"].as_array().is_some_and(|tools| tools.len() > 5), "{listed}");
    assert!(!listed.to_string().contains("api_key"), "the key is no argument: {listed}");
    company.running.stop().await;
}

#[tokio::test]
async fn tokens_of_every_algorithm_of_the_list_get_in() {
    let keys = [
        Signer::ec("ec"),
        Signer::ed("ed"),
        Signer::rsa("r1", "RS256"),
        Signer::rsa("r2", "RS512"),
        Signer::rsa("r3", "PS256"),
    ];
    let company = Company::open(&keys.iter().collect::<Vec<_>>(), &[], |_| {}).await;
    for key in &keys {
        let name = key.header()["kid"].to_string();
        let token = company.token(key, "alice", json!({}));
        assert_eq!(company.call(&token, "list_jobs", json!({})).await["status"], "success", "{name}");
        // A list of audiences, a name of the key that is missing, and a clock that is a little ahead.
        let audiences = json!({"aud": ["other", company.url("/mcp-oauth")], "nbf": now() + 10, "exp": now() - 10});
        let mut header = key.header();
        header.as_object_mut().unwrap().remove("kid");
        header["typ"] = "JWT".into();
        let token = signed(key, &header, &company.claims("alice", audiences));
        assert_eq!(company.call(&token, "list_jobs", json!({})).await["status"], "success", "{name}");
    }
    company.running.stop().await;
}

#[tokio::test]
async fn tokens_that_are_not_good_are_refused() {
    let (key, stranger, rsa) = (Signer::ec("a"), Signer::ec("a"), Signer::rsa("r", "RS256"));
    let company = Company::open(&[&key, &rsa], &[], |_| {}).await;
    let claims = |more: Value| company.claims("alice", more);
    let with = |change: Value| {
        let mut header = key.header();
        for (name, value) in change.as_object().unwrap() {
            header[name] = value.clone();
        }
        header
    };
    let good = signed(&key, &key.header(), &claims(json!({})));
    let parts: Vec<&str> = good.split('.').collect();
    let unsigned = format!("{}.{}.", encoded(json!({"alg": "none", "kid": "a"}).to_string()), parts[1]);
    // The public key as a shared secret: its letters, as a reader would have them.
    let shared = {
        let text =
            format!("{}.{}", encoded(json!({"alg": "HS256", "kid": "r", "typ": "at+jwt"}).to_string()), parts[1]);
        let Signer::Rsa(_, _, pair) = &rsa else { panic!() };
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, pair.public().as_ref());
        format!("{text}.{}", encoded(ring::hmac::sign(&secret, text.as_bytes())))
    };
    let forged = format!("{}.{}.{}", parts[0], encoded(claims(json!({"sub": "bob"})).to_string()), parts[2]);
    for (what, token, said) in [
        ("expired", signed(&key, &key.header(), &claims(json!({"exp": now() - 100}))), "expired"),
        ("not yet", signed(&key, &key.header(), &claims(json!({"nbf": now() + 100}))), "not valid yet"),
        ("audience", signed(&key, &key.header(), &claims(json!({"aud": company.url("/mcp")}))), "another resource"),
        ("no audience", signed(&key, &key.header(), &claims(json!({"aud": null}))), "another resource"),
        ("issuer", signed(&key, &key.header(), &claims(json!({"iss": "https://evil.test"}))), "another issuer"),
        ("no subject", signed(&key, &key.header(), &claims(json!({"sub": null}))), "claim"),
        ("no end", signed(&key, &key.header(), &claims(json!({"exp": null}))), "claim"),
        ("none", unsigned, "algorithm"),
        ("HS256", shared, "algorithm"),
        ("forged", forged, "signature"),
        ("another's key", signed(&stranger, &key.header(), &claims(json!({}))), "signature"),
        ("key of another kind", signed(&key, &with(json!({"kid": "r"})), &claims(json!({}))), "does not have"),
        ("unknown key", signed(&key, &with(json!({"kid": "b"})), &claims(json!({}))), "does not have"),
        ("critical", signed(&key, &with(json!({"crit": ["x"]})), &claims(json!({}))), "another kind"),
        ("kind", signed(&key, &with(json!({"typ": "logout+jwt"})), &claims(json!({}))), "another kind"),
        ("nonsense", "a.b.c".to_owned(), "no JWT"),
        ("opaque", "abcdef".to_owned(), "no JWT"),
        ("long", format!("{good}{}", "A".repeat(20_000)), "too long"),
    ] {
        let (status, challenge, body) = refused(company.ask(&token, "tools/list", json!({}))).await;
        if status == 429 {
            // Wrong ones are counted per address, as wrong static tokens are; good ones go on to be let in.
            assert!(body.contains("Too many wrong tokens"), "{what}: {body}");
            continue;
        }
        assert_eq!(status, 401, "{what}: {body}");
        assert!(
            challenge.contains("error=\"invalid_token\"") && challenge.contains("resource_metadata="),
            "{challenge}"
        );
        assert!(challenge.contains(said) && body.contains(said), "{what}: {challenge} {body}");
    }
    assert_eq!(company.call(&good, "list_jobs", json!({})).await["status"], "success");
    let two = company.ask(&good, "tools/list", json!({})).header("authorization", format!("Bearer {good}"));
    assert_eq!(refused(two).await.0, 400);
    company.running.stop().await;
}

#[tokio::test]
async fn a_token_that_may_only_read_is_asked_for_more() {
    let key = Signer::ec("a");
    let company = Company::open(&[&key], &[], |_| {}).await;
    let reader = company.token(&key, "alice", json!({"scope": "openid pdfco:read"}));
    let runner = company.token(&key, "alice", json!({"scope": null, "scp": ["pdfco:run"]}));
    let nothing = company.token(&key, "alice", json!({"scope": "openid"}));
    let job = company.submit(&runner).await;
    let job_id = job["job"]["job_id"].as_str().unwrap().to_owned();
    let submit = json!({"operation": "html_to_pdf", "options": {"html": "a"}, "wait": 0});
    for (tool, arguments) in [
        ("submit_job", submit.clone()),
        ("html_to_pdf", json!({"html": "a"})),
        ("cancel_job", json!({"job_id": job_id})),
        ("get_job_check", json!({"job_id": job_id, "force": true})),
    ] {
        let (status, challenge, body) = refused(company.tool(&reader, tool, arguments)).await;
        assert_eq!(status, 403, "{tool}: {body}");
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        assert!(
            challenge.contains("scope=\"pdfco:read pdfco:run\"") && challenge.contains("resource_metadata="),
            "{challenge}"
        );
    }
    assert_eq!(company.simulator.jobs(), 1, "nothing was sent");
    assert_eq!(company.call(&reader, "list_jobs", json!({})).await["content"]["total"], 1);
    let waited = company.call(&reader, "wait_job_completion", json!({"job_id": job_id})).await;
    assert_eq!(waited["status"], "success", "{waited}");
    let (status, challenge, _) = refused(company.ask(&nothing, "tools/list", json!({}))).await;
    assert_eq!(status, 403);
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    company.running.stop().await;
}

/// Opens a session of an older revision and returns its id.
async fn open_session(company: &Company, token: &str) -> String {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let request =
        company.client.post(company.url("/mcp-oauth")).header("accept", "application/json, text/event-stream");
    let opened = request.bearer_auth(token).json(&hello).send().await.unwrap();
    opened.headers()["mcp-session-id"].to_str().unwrap().to_owned()
}

async fn in_session(company: &Company, token: &str, session: &str) -> u16 {
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    let request =
        company.client.post(company.url("/mcp-oauth")).header("accept", "application/json, text/event-stream");
    let request = request.bearer_auth(token).header("mcp-session-id", session).json(&ping);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn people_with_one_key_never_see_each_other() {
    let key = Signer::ec("a");
    let company = Company::open(&[&key], &[("PDFCO_CREDIT_BUDGET", "100")], |_| {}).await;
    let (alice, bob) = (company.token(&key, "alice", json!({})), company.token(&key, "bob", json!({})));
    let job = company.submit(&alice).await;
    let job_id = job["job"]["job_id"].as_str().unwrap().to_owned();
    assert_eq!(company.call(&alice, "list_jobs", json!({})).await["content"]["total"], 1);
    assert_eq!(company.call(&bob, "list_jobs", json!({})).await["content"]["total"], 0);
    let cancelled = company.call(&bob, "cancel_job", json!({"job_id": job_id})).await;
    assert!(cancelled.to_string().contains("not_found"), "{cancelled}");
    // The budget of the day is each one's own.
    let spent = loop {
        let answer = company.submit(&alice).await;
        if answer["status"] == "error" {
            break answer;
        }
    };
    assert_eq!(spent["content"]["kind"], "insufficient_credits", "{spent}");
    assert_eq!(company.submit(&bob).await["status"], "queued");
    let session = open_session(&company, &alice).await;
    assert_eq!(in_session(&company, &alice, &session).await, 200);
    assert_eq!(in_session(&company, &bob, &session).await, 404);
    // A newer token of the same person is as good.
    let newer = company.token(&key, "alice", json!({"exp": now() + 900, "jti": "2"}));
    assert_eq!(in_session(&company, &newer, &session).await, 200);
    company.running.stop().await;
}

#[tokio::test]
async fn a_session_and_its_streams_end_with_the_token() {
    let key = Signer::ec("a");
    let company = Company::open(&[&key], &[], |_| {}).await;
    // Thirty seconds are forgiven: this one has three left.
    let ending = company.token(&key, "alice", json!({"exp": now() - 27}));
    let lasting = company.token(&key, "alice", json!({}));
    let (ends, stays) = (open_session(&company, &ending).await, open_session(&company, &ending).await);
    assert_eq!(in_session(&company, &lasting, &stays).await, 200);
    let stream = company.client.get(company.url("/mcp-oauth")).header("accept", "text/event-stream");
    let stream = stream.bearer_auth(&ending).header("mcp-session-id", &stays).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let over = tokio::time::timeout(Duration::from_secs(20), stream.bytes()).await;
    assert!(over.is_ok(), "the stream ends with the token it was asked for with");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(in_session(&company, &lasting, &ends).await, 404);
    assert_eq!(in_session(&company, &lasting, &stays).await, 200, "a newer token was shown for it");
    company.running.stop().await;
}

#[tokio::test]
async fn keys_are_rotated_and_a_flood_asks_the_issuer_seldom() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let company = Company::open(&[&old], &[], |_| {}).await;
    assert_eq!(
        company.call(&company.token(&old, "alice", json!({})), "list_jobs", json!({})).await["status"],
        "success"
    );
    publish(&company.issuer, &[&new]).await;
    tokio::time::sleep(QUICK.between).await;
    let token = company.token(&new, "alice", json!({}));
    assert_eq!(company.call(&token, "list_jobs", json!({})).await["status"], "success", "the new key is found");
    let (status, ..) = refused(company.ask(&company.token(&old, "alice", json!({})), "tools/list", json!({}))).await;
    assert_eq!(status, 401, "the old one was withdrawn");
    let before = company.issuer.received_requests().await.unwrap().len();
    let stranger = Signer::ec("made-up");
    let began = std::time::Instant::now();
    let flood = (0..40).map(|number| {
        let mut header = stranger.header();
        header["kid"] = format!("made-up-{number}").into();
        let token = signed(&stranger, &header, &company.claims("alice", json!({})));
        let request = company.ask(&token, "tools/list", json!({}));
        async move { request.send().await.unwrap().status().as_u16() }
    });
    let statuses = futures_util::future::join_all(flood).await;
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    let asked = company.issuer.received_requests().await.unwrap().len() - before;
    let most = 2 * (1 + began.elapsed().as_millis() / QUICK.between.as_millis()) as usize;
    assert!(asked <= most, "{asked} requests, {most} at most");
    company.running.stop().await;
}

#[tokio::test]
async fn while_the_issuer_is_away_known_keys_go_on() {
    let key = Signer::ec("a");
    let company = Company::open(&[&key], &[], |_| {}).await;
    company.issuer.reset().await;
    let token = company.token(&key, "alice", json!({}));
    let answer = company.ask(&token, "tools/list", json!({})).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    publish(&company.issuer, &[&key]).await;
    tokio::time::sleep(QUICK.between).await;
    assert_eq!(company.call(&token, "list_jobs", json!({})).await["status"], "success");
    company.issuer.reset().await;
    tokio::time::sleep(QUICK.between).await;
    assert_eq!(company.call(&token, "list_jobs", json!({})).await["status"], "success");
    company.running.stop().await;
}

#[tokio::test]
async fn a_persons_key_comes_from_a_claim_and_from_nowhere_else() {
    let key = Signer::ec("a");
    let company = Company::open(&[&key], &[("PDFCO_OAUTH_KEY_CLAIM", "pdfco_key")], |_| {}).await;
    let alice = company.token(&key, "alice", json!({"pdfco_key": "sim_alice"}));
    let before = company.simulator.credits("sim_company");
    assert_eq!(company.submit(&alice).await["status"], "queued");
    assert_eq!(company.simulator.credits("sim_company"), before);
    let without = company.submit(&company.token(&key, "bob", json!({}))).await;
    assert_eq!(without["content"]["kind"], "auth", "{without}");
    let given = company.call(&alice, "list_jobs", json!({"api_key": "sim_other"})).await;
    assert_eq!(given["content"]["kind"], "invalid_argument", "{given}");
    let (status, ..) = refused(company.tool(&alice, "list_jobs", json!({})).header("x-api-key", "sim_other")).await;
    assert_eq!(status, 400);
    company.running.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_persons_key_comes_from_a_program_that_runs_once() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (program, runs) = (folder.path().join("keys"), folder.path().join("runs"));
    let script = format!(
        "#!/bin/sh\necho \"$PDFCO_SUBJECT $PDFCO_ISSUER $1\" >> {}\n[ \"$PDFCO_SUBJECT\" = alice ] || exit 1\necho sim_alice\n",
        runs.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let key = Signer::ec("a");
    let command = format!("{} prod", program.display());
    let company = Company::open(&[&key], &[("PDFCO_KEY_COMMAND", &command)], |_| {}).await;
    let (alice, bob) = (company.token(&key, "alice", json!({})), company.token(&key, "bob", json!({})));
    let calls = (0..8).map(|_| company.call(&alice, "list_jobs", json!({})));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer["status"], "success", "{answer}");
    }
    let refused = company.call(&bob, "list_jobs", json!({})).await;
    assert_eq!(refused["content"]["kind"], "auth", "{refused}");
    assert!(!refused.to_string().contains("sim_"), "{refused}");
    let ran = std::fs::read_to_string(&runs).unwrap();
    let mut ran: Vec<&str> = ran.lines().collect();
    ran.sort_unstable();
    let uri = company.issuer.uri();
    assert_eq!(ran, [format!("alice {uri} prod"), format!("bob {uri} prod")]);
    company.running.stop().await;
}
