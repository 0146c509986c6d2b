//! Callbacks of the service.

use super::*;

#[tokio::test]
async fn a_callback_ends_a_wait_without_a_single_check() {
    // The address must be known before the server that has it starts.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let simulator = simulator::spawn(simulator::Options {
        life: Life::Time { median: Duration::from_secs(1), sigma: 0.01 },
        ..Default::default()
    })
    .await
    .unwrap();
    let home = tempfile::tempdir().unwrap();
    let callback = format!("http://127.0.0.1:{port}");
    let app = Arc::new(App::new(settings(&simulator, home.path(), &[("PDFCO_CALLBACK_URL", &callback)])).unwrap());
    let options = Options::at(format!("127.0.0.1:{port}").parse().unwrap());
    let running = http::start(Arc::clone(&app), options).await.unwrap();
    let server = HttpServer { simulator, running, app, client: client(), _home: home };

    let answer = server.submit("sim_a", "called back", 20, json!({})).await;
    assert_eq!(answer["status"], "success", "{answer}");
    assert_eq!((&answer["job"]["source"], &answer["job"]["checks_made"]), (&json!("callback"), &json!(0)));
    assert_eq!(server.simulator.count("/v1/job/check"), 0);

    // The secret went out with the submit and with nothing else.
    let sent = server.simulator.requests();
    let submit = sent.iter().find(|request| request.path.starts_with("/v1/pdf/convert/from/html")).unwrap();
    let address = submit.body.as_ref().unwrap()["callback"].as_str().unwrap().to_owned();
    assert!(!answer.to_string().contains("/callbacks/"), "{answer}");

    let post = |url: String, body: &'static str| {
        let request = server.client.post(url).header("content-type", "application/json").body(body);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let job_id = answer["job"]["job_id"].as_str().unwrap();
    let before = server.call("sim_a", "get_job_check", json!({"job_id": job_id})).await;
    assert_eq!(
        post(address.clone(), r#"{"status":"failed","credits":50}"#).await,
        204,
        "a replay is taken and changes nothing"
    );
    let after = server.call("sim_a", "get_job_check", json!({"job_id": job_id})).await;
    assert_eq!(
        (&after["status"], &after["job"]["credits_total"]),
        (&before["status"], &before["job"]["credits_total"])
    );
    assert_eq!(post(address, "{}").await, 204, "a body without a state means a check");
    assert_eq!(post(format!("{callback}/callbacks/guess"), r#"{"status":"success"}"#).await, 404);
    assert_eq!(post(format!("{callback}/callbacks/guess"), "no json").await, 404);
    server.running.stop().await;
}

#[tokio::test]
async fn callback_with_an_unreadable_body_means_check_now() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let life = Life::Time { median: Duration::from_secs(1), sigma: 0.01 };
    let simulator = simulator::spawn(simulator::Options { life, ..Default::default() }).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    // The simulator reaches the server below a path that no proxy cuts off.
    let callback = format!("http://127.0.0.1:{port}/prefix");
    let app = Arc::new(App::new(settings(&simulator, home.path(), &[("PDFCO_CALLBACK_URL", &callback)])).unwrap());
    let options = Options::at(format!("127.0.0.1:{port}").parse().unwrap());
    let running = http::start(Arc::clone(&app), options).await.unwrap();
    let server = HttpServer { simulator, running, app, client: client(), _home: home };
    let answer = server.submit("sim_a", "called back", 20, json!({})).await;
    assert_eq!((&answer["status"], &answer["job"]["source"]), (&json!("success"), &json!("callback")), "{answer}");
    let sent = server.simulator.requests();
    let submit = sent.iter().find(|request| request.path.starts_with("/v1/pdf/convert/from/html")).unwrap();
    let address = submit.body.as_ref().unwrap()["callback"].as_str().unwrap().to_owned();
    for (kind, body) in [
        (Some("text/plain"), "{\"status\":\"success\"}"),
        (None, "\u{feff}{\"status\":\"success\"}"),
        (Some("application/xml"), "<status>success</status>"),
        (Some("application/json"), ""),
    ] {
        let request = server.client.post(&address).body(body);
        let request = kind.iter().fold(request, |request, kind| request.header("content-type", *kind));
        assert_eq!(request.send().await.unwrap().status(), 204, "{kind:?} {body}");
    }
    let large = server.client.post(&address).body("x".repeat(65 * 1024)).send().await.unwrap();
    assert_eq!(large.status(), 413);
    let guess = server.client.post(format!("{callback}/callbacks/guess")).body("x".repeat(65 * 1024)).send().await;
    assert!(guess.map_or(true, |answer| answer.status() == 404), "an unknown secret is answered before its body");
    server.running.stop().await;
}
