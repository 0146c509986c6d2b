//! A gigabyte down and up again in constant memory. Alone in its file, because the peak is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use pdfco::api::{Client, Pace, Timeouts};
use pdfco::config::LedgerLocation;
use pdfco::files::{self, Hosts, Sandbox, Target};
use pdfco::jobs::{Jobs, Ledger};
use pdfco::secret::{ApiKey, PresignedUrl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

#[tokio::test]
async fn a_gigabyte_travels_in_constant_memory() {
    const BYTES: u64 = 1 << 30;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let own = base.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let own = own.clone();
            tokio::spawn(async move {
                let mut head = vec![0; 16 * 1024];
                let read = socket.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                if head.starts_with("GET /v1/file") {
                    let body = format!(r#"{{"presignedUrl":"{own}put","url":"{own}get"}}"#);
                    let head =
                        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                } else if head.starts_with("PUT") {
                    let mut left = BYTES - (head.len() - head.find("\r\n\r\n").unwrap() - 4) as u64;
                    let mut piece = vec![0; 64 * 1024];
                    while left > 0 {
                        left -= socket.read(&mut piece).await.unwrap() as u64;
                    }
                    socket
                        .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                        .await
                        .unwrap();
                } else {
                    socket
                        .write_all(
                            format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {BYTES}\r\n\r\n")
                                .as_bytes(),
                        )
                        .await
                        .unwrap();
                    let piece = vec![7; 64 * 1024];
                    for _ in 0..BYTES / piece.len() as u64 {
                        socket.write_all(&piece).await.unwrap();
                    }
                }
            });
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let folder_path = folder.path().canonicalize().unwrap();
    let target = folder_path.join("result.bin");
    let client = Client::new(base.clone(), Pace::Off, Timeouts::default(), None).unwrap();
    let hosts = Hosts::new(&[], &base);
    let link = PresignedUrl::new(format!("{base}get"));
    let place = Target::of_person(&target, false).unwrap();
    let saved = files::download(&client, &hosts, &link, &place, false, BYTES, &|_, _| (), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(saved.bytes, BYTES);
    let file = Sandbox::person(folder_path.clone()).readable_blocking(target.to_str().unwrap()).unwrap();
    let key = ApiKey::new("key").unwrap();
    let ledger = Arc::new(Ledger::new(LedgerLocation::Memory, Duration::from_secs(86_400)));
    let jobs = Jobs::new(client.clone(), ledger, Arc::new(pdfco::config::defaults().unwrap()));
    files::upload(&jobs, &client, &hosts, &key.into(), &file, None, BYTES).await.unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap();
    assert!(peak < 60 * 1024, "{peak} kB");
}
