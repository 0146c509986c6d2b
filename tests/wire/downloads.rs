//! Files over real sockets: a storage on loopback that answers, cuts and misbehaves as each test says.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pdfco::api::{Client, Pace, Timeouts};
use pdfco::config::LedgerLocation;
use pdfco::error::{Kind, Result};
use pdfco::files::{self, Hosts, Sandbox, Saved, Target};
use pdfco::jobs::{Jobs, Ledger};
use pdfco::secret::{ApiKey, PresignedUrl};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

/// One answer; the connection is closed after it, whatever was announced.
#[derive(Clone)]
struct Answer {
    head: String,
    body: Vec<u8>,
    hangs: bool,
}

fn answer(status: &str, headers: &[&str], body: &[u8]) -> Answer {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    Answer {
        head: format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n"),
        body: body.to_vec(),
        hangs: false,
    }
}

fn whole(body: &[u8]) -> Answer {
    answer(
        "200 OK",
        &[&format!("Content-Length: {}", body.len()), "ETag: \"one\"", "Content-Type: application/pdf"],
        body,
    )
}

/// `sent` bytes of `body`, although all are announced.
fn cut(body: &[u8], sent: usize) -> Answer {
    Answer { body: body[..sent].to_vec(), ..whole(body) }
}

fn rest(body: &[u8], from: usize, sent_to: usize) -> Answer {
    let range = format!("Content-Range: bytes {from}-{}/{}", body.len() - 1, body.len());
    let length = format!("Content-Length: {}", body.len() - from);
    answer("206 Partial Content", &[&length, &range, "ETag: \"one\""], &body[from..sent_to])
}

struct Storage {
    base: Url,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Storage {
    /// Gives the answers in order, one a connection; the last one again and again.
    async fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (requests, own) = (Arc::clone(&seen), base.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read_request(&mut socket).await;
                requests.lock().unwrap().push(request);
                let answer = answers[number.min(answers.len() - 1)].clone();
                let body = String::from_utf8(answer.body.clone())
                    .map(|text| text.replace("BASE", own.as_str().trim_end_matches('/')));
                let body = body.map_or(answer.body, String::into_bytes);
                let head = answer.head.replace("BASE-LENGTH", &body.len().to_string());
                // A client that has had enough closes first.
                let _ = socket.write_all(head.as_bytes()).await;
                let _ = socket.write_all(&body).await;
                let _ = socket.flush().await;
                if answer.hangs {
                    tokio::time::sleep(Duration::from_secs(600)).await;
                }
            }
        });
        Storage { base, seen }
    }

    fn link(&self) -> PresignedUrl {
        PresignedUrl::new(format!("{}A/result.pdf?X-Amz-Signature=canary", self.base))
    }

    fn request(&self, number: usize) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()[number]).to_ascii_lowercase()
    }

    fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn client(&self) -> Client {
        Client::new(self.base.clone(), Pace::Off, Timeouts::default(), None).unwrap()
    }

    fn hosts(&self) -> Hosts {
        Hosts::new(&[], &self.base)
    }
}

async fn read_request(socket: &mut tokio::net::TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut wanted = None;
    loop {
        let mut piece = [0; 16 * 1024];
        let read = socket.read(&mut piece).await.unwrap_or(0);
        bytes.extend_from_slice(&piece[..read]);
        if wanted.is_none()
            && let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|length| length.parse::<usize>().ok());
            wanted = Some(end + 4 + length.unwrap_or(0));
        }
        if read == 0 || wanted.is_some_and(|wanted| bytes.len() >= wanted) {
            return bytes;
        }
    }
}

/// A folder of its own, without symlinks, as the sandbox would give it.
struct Place {
    _dir: tempfile::TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = std::fs::canonicalize(dir.path()).unwrap();
        Place { _dir: dir, folder }
    }

    fn target(&self) -> PathBuf {
        self.folder.join("result.pdf")
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

async fn save(storage: &Storage, target: &Path, overwrite: bool, max_bytes: u64) -> Result<Saved> {
    let (client, hosts, link) = (storage.client(), storage.hosts(), storage.link());
    let (target, cancel) = (Target::of_person(target, true)?, CancellationToken::new());
    files::download(&client, &hosts, &link, &target, overwrite, max_bytes, &|_, _| (), &cancel).await
}

/// A new file of any size, for a caller that is notified of every piece and may leave.
async fn save_reporting(
    storage: &Storage,
    target: &Path,
    reported: &(dyn Fn(u64, Option<u64>) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Saved> {
    let (client, hosts, link) = (storage.client(), storage.hosts(), storage.link());
    let target = Target::of_person(target, true)?;
    files::download(&client, &hosts, &link, &target, false, 1 << 30, reported, cancel).await
}

/// Bytes in which no two parts are alike.
fn content(length: usize) -> Vec<u8> {
    (0..length as u64).flat_map(|number| (number * 2_654_435_761).to_le_bytes()).take(length).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[tokio::test]
async fn result_is_saved_whole_hashed_and_private() {
    let body = content(300_000);
    let storage = Storage::new(vec![whole(&body)]).await;
    let place = Place::new();
    let target = place.folder.join("new/deep/result.pdf");
    let reported = Mutex::new(Vec::new());
    let on_bytes = |done, total| reported.lock().unwrap().push((done, total));
    let saved = save_reporting(&storage, &target, &on_bytes, &CancellationToken::new()).await.unwrap();
    let expected = Saved {
        path: target.clone(),
        bytes: 300_000,
        sha256: sha256(&body),
        mime_type: "application/pdf".into(),
        resumed: 0,
    };
    assert_eq!(saved, expected);
    assert_eq!(std::fs::read(&target).unwrap(), body);
    assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
    let reported = reported.into_inner().unwrap();
    assert_eq!(reported.last(), Some(&(300_000, Some(300_000))));
    assert!(reported.is_sorted());
    assert!(!storage.request(0).contains("x-api-key"));
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&target).unwrap().permissions()) & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_was_cut() {
    let body = content(200_000);
    let storage =
        Storage::new(vec![cut(&body, 70_000), rest(&body, 70_000, 150_000), rest(&body, 150_000, 200_000)]).await;
    let place = Place::new();
    let saved = save(&storage, &place.target(), false, 1 << 30).await.unwrap();
    assert_eq!((saved.bytes, saved.sha256.as_str(), saved.resumed), (200_000, sha256(&body).as_str(), 2));
    assert_eq!(std::fs::read(place.target()).unwrap(), body);
    assert_eq!(place.names(), ["result.pdf"]);
    assert!(!storage.request(0).contains("range:"));
    for (number, from) in [(1, 70_000), (2, 150_000)] {
        let request = storage.request(number);
        assert!(
            request.contains(&format!("range: bytes={from}-")) && request.contains("if-range: \"one\""),
            "{request}"
        );
    }
}

#[tokio::test]
async fn ignored_range_or_changed_file_restarts_the_download() {
    let (old, new) = (content(100_000), content(90_000).into_iter().rev().collect::<Vec<_>>());
    let unsatisfiable =
        answer("416 Range Not Satisfiable", &["Content-Length: 0", "Content-Range: bytes */90000"], b"");
    for answers in [vec![cut(&old, 60_000), whole(&new)], vec![cut(&old, 60_000), unsatisfiable, whole(&new)]] {
        let storage = Storage::new(answers).await;
        let place = Place::new();
        let saved = save(&storage, &place.target(), false, 1 << 30).await.unwrap();
        assert_eq!((saved.bytes, saved.sha256, saved.resumed), (90_000, sha256(&new), 1));
        assert_eq!(std::fs::read(place.target()).unwrap(), new);
    }
}

#[tokio::test]
async fn without_a_strong_entity_tag_bytes_are_never_joined() {
    let body = content(50_000);
    let weak = |mut answer: Answer| {
        answer.head = answer.head.replace("ETag: \"one\"", "ETag: W/\"one\"");
        answer
    };
    let storage = Storage::new(vec![weak(cut(&body, 20_000)), weak(whole(&body))]).await;
    let place = Place::new();
    let saved = save(&storage, &place.target(), false, 1 << 30).await.unwrap();
    assert_eq!((saved.sha256, saved.resumed), (sha256(&body), 1));
    assert!(!storage.request(1).contains("range:"));
}

#[tokio::test]
async fn a_part_of_something_else_is_not_joined() {
    let body = content(50_000);
    for wrong in ["bytes 30000-49999/50000", "bytes 20000-49999/60000", "nonsense"] {
        let mut part = rest(&body, 20_000, 50_000);
        part.head = part.head.replace("bytes 20000-49999/50000", wrong);
        let storage = Storage::new(vec![cut(&body, 20_000), part]).await;
        let place = Place::new();
        let error = save(&storage, &place.target(), false, 1 << 30).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Upstream, "{wrong}");
        assert!(place.names().is_empty());
    }
}

#[tokio::test]
async fn a_length_that_never_arrives_is_a_failure_and_leaves_nothing() {
    let body = b"some text that breaks off";
    let storage = Storage::new(vec![cut(body, 4), rest(body, 4, 6), rest(body, 6, 6)]).await;
    let error = files::fetch_text(
        &storage.client(),
        &storage.hosts(),
        &PresignedUrl::new(format!("{}a.txt", storage.base)),
        1_000,
    )
    .await;
    // The head says PDF, which ends it at once.
    assert_eq!(error.unwrap(), None);
    let as_text = |mut answer: Answer| {
        answer.head = answer.head.replace("application/pdf", "text/plain");
        answer
    };
    let storage = Storage::new(vec![as_text(cut(body, 4)), rest(body, 4, 6), rest(body, 6, 6)]).await;
    let error = files::fetch_text(&storage.client(), &storage.hosts(), &storage.link(), 1_000).await.unwrap_err();
    assert_eq!((error.kind(), storage.requests()), (Kind::Network, 3));
}

#[tokio::test]
async fn too_large_is_refused_by_length_or_while_streaming() {
    let body = content(20_000);
    let place = Place::new();
    let storage = Storage::new(vec![whole(&body)]).await;
    let error = save(&storage, &place.target(), false, 19_999).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge);
    assert!(error.hint().text(pdfco::next_step::Audience::Agent).contains("PDFCO_MAX_FILE_BYTES"));
    assert!(save(&storage, &place.target(), false, 20_000).await.is_ok());

    let unannounced = Storage::new(vec![answer("200 OK", &["Content-Type: application/pdf"], &body)]).await;
    let error = save(&unannounced, &place.folder.join("b.pdf"), false, 10_000).await.unwrap_err();
    assert_eq!((error.kind(), unannounced.requests()), (Kind::TooLarge, 1));
    assert_eq!(place.names(), ["result.pdf"]);
}

#[tokio::test]
async fn an_expired_link_says_so_at_once_even_after_a_cut() {
    let xml = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/replies/errors/storage_access_denied.xml"))
        .unwrap();
    let denied =
        answer("403 Forbidden", &[&format!("Content-Length: {}", xml.len()), "Content-Type: application/xml"], &xml);
    let body = content(50_000);
    for answers in [vec![denied.clone()], vec![cut(&body, 10_000), denied]] {
        let expected = answers.len();
        let storage = Storage::new(answers).await;
        let place = Place::new();
        let error = save(&storage, &place.target(), false, 1 << 30).await.unwrap_err();
        assert_eq!((error.kind(), storage.requests()), (Kind::LinkExpired, expected));
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert!(place.names().is_empty(), "{:?}", place.names());
    }
}

#[tokio::test]
async fn an_existing_file_is_kept_unless_asked_otherwise() {
    let body = content(1_000);
    let storage = Storage::new(vec![whole(&body)]).await;
    let place = Place::new();
    std::fs::write(place.target(), "mine").unwrap();
    let error = save(&storage, &place.target(), false, 1 << 30).await.unwrap_err();
    assert_eq!((error.kind(), storage.requests()), (Kind::FileAccess, 0));
    assert!(error.hint().text(pdfco::next_step::Audience::Agent).contains("overwrite: true"));
    assert_eq!(std::fs::read_to_string(place.target()).unwrap(), "mine");
    save(&storage, &place.target(), true, 1 << 30).await.unwrap();
    assert_eq!(std::fs::read(place.target()).unwrap(), body);
    assert_eq!(place.names(), ["result.pdf"]);
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_is_kept_too() {
    let body = content(100_000);
    let storage = Storage::new(vec![whole(&body)]).await;
    let place = Place::new();
    let target = place.target();
    let intruder = |_: u64, _: Option<u64>| std::fs::write(&target, "mine").unwrap();
    let saved = save_reporting(&storage, &target, &intruder, &CancellationToken::new()).await;
    assert_eq!(saved.unwrap_err().kind(), Kind::FileAccess);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "mine");
    assert_eq!(place.names(), ["result.pdf"]);
}

#[tokio::test]
async fn redirects_and_strange_hosts_are_refused() {
    let redirect = answer("302 Found", &["Location: http://169.254.169.254/latest", "Content-Length: 0"], b"");
    let storage = Storage::new(vec![redirect]).await;
    let place = Place::new();
    let error = save(&storage, &place.target(), false, 1 << 30).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable(), storage.requests()), (Kind::Upstream, false, 1));

    let hosts = Hosts::new(&["*.amazonaws.com".to_owned()], &Url::parse("https://api.pdf.co").unwrap());
    for link in [
        storage.link(),
        PresignedUrl::new("https://10.0.0.1/a?canary"),
        PresignedUrl::new("https://evil.test/a?canary"),
    ] {
        let token = CancellationToken::new();
        let target = Target::of_person(&place.target(), false).unwrap();
        let saved =
            files::download(&storage.client(), &hosts, &link, &target, false, 1 << 30, &|_, _| (), &token).await;
        let error = saved.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert!(
            error.hint().text(pdfco::next_step::Audience::Agent).contains("PDFCO_DOWNLOAD_HOSTS")
                && !format!("{error:?}").contains("canary"),
            "{error:?}"
        );
        assert_eq!(
            files::fetch_text(&storage.client(), &hosts, &link, 10).await.unwrap_err().kind(),
            Kind::InvalidArgument
        );
        assert_eq!(
            files::fetch_links(&storage.client(), &hosts, &link).await.unwrap_err().kind(),
            Kind::InvalidArgument
        );
    }
    assert_eq!(storage.requests(), 1);
    assert!(place.names().is_empty());
}

#[tokio::test]
async fn a_web_page_in_place_of_a_file_is_no_result() {
    let page = b"<html>Please log in</html>";
    let portal =
        answer("200 OK", &[&format!("Content-Length: {}", page.len()), "Content-Type: text/html; charset=utf-8"], page);
    let body = content(5_000);
    let storage = Storage::new(vec![portal.clone(), whole(&body)]).await;
    let place = Place::new();
    let saved = save(&storage, &place.target(), false, 1 << 30).await.unwrap();
    assert_eq!((saved.sha256, storage.requests()), (sha256(&body), 2), "a portal may be gone the next time");
    // Where a page was promised, it is the result.
    let storage = Storage::new(vec![portal]).await;
    let link = PresignedUrl::new(format!("{}A/result.html?X-Amz-Signature=canary", storage.base));
    let text = files::fetch_text(&storage.client(), &storage.hosts(), &link, 1_000).await.unwrap().unwrap();
    assert_eq!((text.mime_type.as_str(), text.text.as_bytes()), ("text/html", &page[..]));
}

#[tokio::test]
async fn a_cancelled_or_dropped_download_leaves_nothing() {
    let body = content(100_000);
    let storage = Storage::new(vec![Answer { hangs: true, ..cut(&body, 50_000) }]).await;
    let place = Place::new();
    let cancel = CancellationToken::new();
    let stop = |_: u64, _: Option<u64>| cancel.cancel();
    let saved = save_reporting(&storage, &place.target(), &stop, &cancel).await;
    assert_eq!(saved.unwrap_err().kind(), Kind::Cancelled);
    assert!(place.names().is_empty());

    let storage = Storage::new(vec![Answer { hangs: true, ..cut(&body, 50_000) }]).await;
    let target = place.target();
    let dropped = tokio::time::timeout(Duration::from_millis(500), save(&storage, &target, false, 1 << 30));
    assert!(dropped.await.is_err());
    assert_eq!(storage.requests(), 1);
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_became_a_symlink_is_not_followed() {
    let storage = Storage::new(vec![whole(b"x")]).await;
    let place = Place::new();
    let outside = Place::new();
    let sandbox = Sandbox::folders(vec![], place.folder.clone());
    let target = sandbox.target(Some("new/result.pdf"), "", false).await.unwrap();
    std::os::unix::fs::symlink(&outside.folder, place.folder.join("new")).unwrap();
    let (client, hosts, link) = (storage.client(), storage.hosts(), storage.link());
    let never = CancellationToken::new();
    let saved = files::download(&client, &hosts, &link, &target, false, 1 << 30, &|_, _| (), &never).await;
    assert_eq!(saved.unwrap_err().kind(), Kind::FileAccess);
    assert!(outside.names().is_empty());
}

#[tokio::test]
async fn text_and_lists_of_links_are_distinguished_from_the_rest() {
    let typed = |mime: &str, body: &[u8]| {
        answer("200 OK", &[&format!("Content-Length: {}", body.len()), &format!("Content-Type: {mime}")], body)
    };
    let mut late_binary = vec![b'a'; 5_000];
    late_binary[100] = 0;
    for (mime, body, expected) in [
        ("text/plain; charset=utf-8", &b"\xef\xbb\xbfa\r\nb"[..], Some(("text/plain", "a\nb"))),
        ("binary/octet-stream", b"a,b\r\n", Some(("text/plain", "a,b\n"))),
        ("application/octet-stream", b"%PDF-1.7", None),
        ("image/png", b"text", None),
        ("text/plain", &late_binary, None),
    ] {
        let storage = Storage::new(vec![typed(mime, body)]).await;
        let text = files::fetch_text(&storage.client(), &storage.hosts(), &storage.link(), 10_000).await.unwrap();
        assert_eq!(text.as_ref().map(|text| (text.mime_type.as_str(), text.text.as_str())), expected, "{mime}");
    }
    let huge_list = format!("[{}]", vec!["\"https://h.test/a\""; 10_001].join(","));
    let other_json = format!("{{\"document\": \"{}\"}}", "x".repeat(5_000_000));
    for (body, expected) in [
        (r#"["https://h.test/1.png?sig=a\u0026b", "https://h.test/2.png"]"#, Ok(Some(2))),
        ("\u{feff} [\"https://h.test/1.png\"]", Ok(Some(1))),
        (r#"["https://h.test/1.png", 2]"#, Ok(None)),
        (r#"["not a link"]"#, Ok(None)),
        ("[]", Ok(None)),
        (r#"{"urls": []}"#, Ok(None)),
        ("[broken", Ok(None)),
        (&other_json, Ok(None)),
        (&huge_list, Err(Kind::TooLarge)),
    ] {
        let storage = Storage::new(vec![typed("application/json", body.as_bytes())]).await;
        let links = files::fetch_links(&storage.client(), &storage.hosts(), &storage.link()).await;
        let shape = links.map(|links| links.map(|links| links.len())).map_err(|error| error.kind());
        assert_eq!(shape, expected, "{}", &body[..body.len().min(60)]);
    }
}

fn engine(client: &Client) -> Jobs {
    let ledger = std::sync::Arc::new(Ledger::new(LedgerLocation::Memory, Duration::from_secs(86_400)));
    Jobs::new(client.clone(), ledger, Arc::new(pdfco::config::defaults().unwrap()))
}

fn presigned(upload_link: &str) -> Answer {
    let body = format!(
        r#"{{"presignedUrl":"{upload_link}","url":"https://files.test/A/report.pdf?sig=b","error":false,"status":200,"name":"report.pdf","credits":7,"remainingCredits":93}}"#
    );
    answer("200 OK", &["Content-Length: BASE-LENGTH", "Content-Type: application/json"], body.as_bytes())
}

#[tokio::test]
async fn upload_is_repeated_after_a_broken_connection() {
    let done = answer("200 OK", &["Content-Length: 0"], b"");
    let broken = Answer { head: String::new(), body: Vec::new(), hangs: false };
    let storage = Storage::new(vec![presigned("BASE/put/report.pdf?sig=a"), broken, done]).await;
    let place = Place::new();
    let body = content(200_000);
    std::fs::write(place.folder.join("my report.pdf"), &body).unwrap();
    let file =
        Sandbox::folders(vec![place.folder.clone()], place.folder.clone()).readable_blocking("my report.pdf").unwrap();
    let (client, key) = (storage.client(), ApiKey::new("canary-key").unwrap());
    let uploaded =
        files::upload(&engine(&client), &client, &storage.hosts(), &key.clone().into(), &file, None, 1 << 30)
            .await
            .unwrap();
    assert_eq!((uploaded.name.as_str(), uploaded.bytes), ("report.pdf", 200_000));
    assert_eq!((uploaded.charge.credits, uploaded.charge.remaining), (Some(7), Some(93)));
    assert_eq!(uploaded.link.expose(), "https://files.test/A/report.pdf?sig=b");
    assert!(uploaded.content.get("presignedUrl").is_none() && uploaded.content.get("url").is_some());

    let asked = storage.request(0);
    assert!(asked.starts_with("get /v1/file/upload/get-presigned-url?"), "{asked}");
    assert!(asked.contains("name=my+report.pdf") && asked.contains("contenttype=application%2fpdf"), "{asked}");
    assert_eq!(storage.requests(), 3);
    let put = storage.seen.lock().unwrap()[2].clone();
    assert!(put.ends_with(&body));
    let head = String::from_utf8_lossy(&put[..put.len() - body.len()]).to_ascii_lowercase();
    assert!(head.starts_with("put /put/report.pdf?sig=a "), "{head}");
    assert!(
        head.contains("content-type: application/pdf\r\n") && head.contains("content-length: 200000\r\n"),
        "{head}"
    );
    assert!(!head.contains("x-api-key") && !head.contains("transfer-encoding"), "{head}");
}

#[tokio::test]
async fn upload_goes_to_known_hosts_with_the_judged_file() {
    let storage = Storage::new(vec![presigned("https://evil.test/put?canary")]).await;
    let place = Place::new();
    let path = place.folder.join("a.pdf");
    std::fs::write(&path, "content").unwrap();
    let file = Sandbox::person(place.folder.clone()).readable_blocking(path.to_str().unwrap()).unwrap();
    let (client, key) = (storage.client(), ApiKey::new("canary-key").unwrap());
    let send = async |file: &files::LocalFile, max_bytes| {
        files::upload(&engine(&client), &client, &storage.hosts(), &key.clone().into(), file, Some("b"), max_bytes)
            .await
            .unwrap_err()
    };
    let error = send(&file, 100).await;
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.message().contains("evil.test") && !format!("{error:?}").contains("canary"), "{error:?}");
    assert_eq!(storage.requests(), 1);

    let of_size = |bytes| {
        let mut file = file.clone();
        file.bytes = bytes;
        file
    };
    assert_eq!(send(&file, 6).await.kind(), Kind::TooLarge);
    assert_eq!(send(&of_size(0), 100).await.kind(), Kind::InvalidArgument);
    assert_eq!(send(&of_size(3 << 30), u64::MAX).await.kind(), Kind::TooLarge);
    std::fs::write(&path, "other content").unwrap();
    assert_eq!(send(&file, 100).await.kind(), Kind::FileAccess);
    assert_eq!(storage.requests(), 1, "nothing is paid for a file that cannot be sent");
}
