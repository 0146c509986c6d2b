//! The command line as a shell and a script meet it: the real binary, its streams and its exit codes.

use std::path::Path;

use crate::support::command::{Ended, Pdfco, Shared};
use serde_json::Value;

const REPORT: &str = "fixtures/documents/report.pdf";
/// What the report says, on its first page.
const REPORT_SAYS: &str = "Report";
const CANARY: &str = "sim_canary_7d1f";

fn pdfco(args: &[&str]) -> Ended {
    let home = tempfile::tempdir().unwrap();
    Pdfco::new(home.path()).args(args).run()
}

fn simulated(operation: &str, more: &[&str]) -> Ended {
    pdfco(&[&["call", operation, "--simulate"], more].concat())
}

fn error_of(ended: &Ended) -> Value {
    let envelope = ended.envelope();
    assert_eq!(envelope["data"]["status"], "error", "{ended:#?}");
    for line in ["error: ", "hint: "] {
        assert!(ended.stderr.contains(line), "{ended:#?}");
    }
    envelope["data"]["error"].clone()
}

#[test]
fn a_call_without_a_key_works_with_the_simulator() {
    let ended = simulated("pdf-to-text", &["--url", REPORT, "--wait", "--json"]).code(0);
    let data = &ended.envelope()["data"];
    assert_eq!(data["status"], "success");
    assert!(data["output"]["text"].as_str().unwrap().contains(REPORT_SAYS));
    for name in ["job_id", "remote", "local_id", "result", "credits_used", "job", "content"] {
        assert!(!data[name].is_null(), "{name}: {data:#}");
    }
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
}

#[test]
fn hints_on_a_terminal_name_commands_and_no_tools() {
    let ids = ["A", "B"].map(|letter| letter.repeat(32));
    let flags = ["--simulate", "--api-key", "refused", "--json"];
    let ended = pdfco(&[&["jobs", "wait", &ids[0], &ids[1]][..], &flags].concat()).code(3);
    let envelope = ended.envelope();
    for item in envelope["data"]["items"].as_array().unwrap() {
        let hint = item["error"]["hint"].as_str().unwrap_or_else(|| panic!("{envelope}"));
        assert!(hint.contains("PDFCO_API_KEY") && !hint.contains("`api_key`"), "{hint}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn missing_ca_certificates_are_named_and_simulator_works() {
    let home = tempfile::tempdir().unwrap();
    let bare = |args: &[&str]| Pdfco::new(home.path()).env("SSL_CERT_FILE", "/dev/null").args(args).run();
    let began = std::time::Instant::now();
    // Nothing is sent: there is no client to send it with.
    let ended = bare(&["credits", "--base-url", "https://pdfco.invalid", "--api-key", CANARY, "--json"]).code(6);
    let error = error_of(&ended);
    assert_eq!((&error["kind"], &error["retryable"]), (&Value::from("network"), &Value::from(false)), "{error}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("ca-certificates") && hint.contains("SSL_CERT_FILE"), "{error}");
    assert!(began.elapsed().as_secs_f64() < 1.0, "it is not tried again: {:?}", began.elapsed());
    bare(&["call", "pdf-to-text", "--simulate", "--url", REPORT]).code(0).says(REPORT_SAYS);
}

#[test]
fn a_person_gets_the_text_on_stdout_and_talk_on_stderr() {
    let ended = simulated("pdf_to_text", &["--url", REPORT])
        .code(0)
        .says(REPORT_SAYS)
        .complains("This is the simulator")
        .complains("pdf_to_text: success");
    assert!(!ended.stdout.contains("simulator"));
    let quiet = simulated("pdf-to-text", &["--url", REPORT, "--quiet", "--read", "10"]).code(0);
    assert!(quiet.stderr.is_empty() && quiet.stdout.trim_end().chars().count() <= 10, "{quiet:#?}");
}

#[test]
fn result_is_saved_where_asked_and_never_over_another() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("out.pdf");
    let save = [
        "call",
        "pdf-merge",
        "--url",
        REPORT,
        "fixtures/documents/invoice.pdf",
        "--simulate",
        "--save-to",
        path.to_str().unwrap(),
    ];
    Pdfco::new(home.path()).args(&save).run().code(0).says(path.to_str().unwrap()).says("sha256 ");
    assert!(std::fs::read(&path).unwrap().starts_with(b"%PDF"));
    Pdfco::new(home.path()).args(&save).run().code(2).prints_nothing().complains("error: ");
    let again = Pdfco::new(home.path()).args(&save).args(&["--overwrite", "--json"]).run().code(0);
    assert_eq!(again.envelope()["data"]["job"]["outputs"][0]["saved_to"], path.to_str().unwrap());
    // Without a place, a person gets the link, and learns how to save.
    simulated("pdf-merge", &["--url", REPORT, REPORT]).code(0).says("http://127.0.0.1:").complains("--save-to");
}

#[test]
fn what_goes_wrong_has_its_exit_code_and_the_same_envelope() {
    let unreachable = ["--api-key", "sim_x", "--base-url", "http://127.0.0.1:9"];
    let cases: &[(&[&str], i32, &str)] = &[
        (&["call", "pdf-to-text", "--url", "no/such.pdf", "--simulate"], 2, "file_access"),
        (&["call", "pdf-to-text", "--simulate"], 2, "invalid_argument"),
        (&["call", "pdf-to-text", "--simulate", "--args-json", "[]"], 2, "invalid_argument"),
        (&["call", "pdf-to-text", "--simulate", "--url", REPORT, "--page", "1"], 2, "invalid_argument"),
        (&["jobs", "lst"], 2, "invalid_argument"),
        (&["jobs", "wait"], 2, "invalid_argument"),
        (&["jobs", "list", "--rate-limit", "fast"], 2, "invalid_argument"),
        (&["call", "pdf-to-text", "--url", REPORT, "--simulate", "--api-key", "wrong"], 3, "auth"),
        (&["call", "pdf-to-text", "--url", REPORT, "--simulate", "--api-key", "sim_broke"], 3, "insufficient_credits"),
        (&["call", "pdf-to-text", "--url", REPORT], 3, "auth"),
        (&["call", "pdf-to-txt", "--url", REPORT], 4, "not_found"),
        (&["jobs", "show", "7F3A", "--simulate"], 4, "not_found"),
        (&["jobs", "show", "--latest", "--simulate"], 4, "not_found"),
        (&[&["credits"], &unreachable[..]].concat(), 6, "network"),
        (&[&["call", "pdf-to-text", "--url", "https://h.test/a.pdf"], &unreachable[..]].concat(), 6, "network"),
    ];
    for (args, code, kind) in cases {
        let ended = pdfco(&[args, &["--json"][..]].concat()).code(*code);
        assert_eq!(error_of(&ended)["kind"], *kind, "{ended:#?}");
    }
    for (args, code, _) in cases.iter().step_by(3) {
        pdfco(args).code(*code).prints_nothing().complains("error: ");
    }
}

#[test]
fn errors_say_what_to_do() {
    pdfco(&["call", "pdf-to-txt"]).code(4).complains("hint: Did you mean pdf-to-text");
    let no_key = pdfco(&["credits"]).code(3);
    for way in ["PDFCO_API_KEY", ".env", "--api-key", "--simulate"] {
        assert!(no_key.stderr.contains(way), "{way}: {}", no_key.stderr);
    }
    pdfco(&["jobs", "wait", "--latest", "--simulate"])
        .code(4)
        .complains("no jobs found; run a background command first or pass an explicit job id");
    pdfco(&["jobs", "wait", "--latest", "--operation", "pdf-merge", "--simulate"])
        .code(4)
        .complains("no jobs found for command 'pdf_merge'");
    pdfco(&["jobs", "show", "7F3A", "--simulate"]).code(4).complains("job '7F3A' was not found");
    pdfco(&["jobs", "list", "--simulate"]).code(0).says("no jobs recorded");
}

#[test]
fn a_job_that_ends_badly_or_not_in_time_has_its_own_code() {
    for (wish, more, code, status, words) in [
        (r#"{"outcome":"aborted","checks":0}"#, &[][..], 1, "aborted", "aborted"),
        (r#"{"outcome":"failed","checks":0,"message":"Invalid Password."}"#, &[], 1, "failed", "Invalid Password."),
        (r#"{"seconds":60}"#, &["--timeout", "1"], 5, "", "operation timed out after 1s"),
    ] {
        let profiles = format!("{{\"Simulate\":{wish}}}");
        let args = [&["--url", REPORT, "--profiles", &profiles], more].concat();
        simulated("pdf-to-text", &args)
            .code(code)
            .prints_nothing()
            .complains("error: ")
            .complains(words)
            .complains("hint: ");
        let ended = simulated("pdf-to-text", &[&args[..], &["--json"]].concat()).code(code);
        let said = &ended.envelope()["data"]["status"];
        assert!(said == status || (status.is_empty() && said != "success"), "{ended:#?}");
    }
}

#[test]
fn jobs_are_found_followed_read_and_saved_by_later_calls() {
    let shared = Shared::start(&[]);
    shared.call(&["jobs", "list"]).run().code(0).says("no jobs recorded");

    let background = shared.call(&["call", "pdf-to-text", "--url", REPORT, "--background", "--json"]).run().code(0);
    let data = background.envelope()["data"].clone();
    let id = data["job_id"].as_str().unwrap();
    assert_eq!((data["status"].as_str(), data["remote"].as_str()), (Some("queued"), Some(id)), "{data:#}");
    assert!(data["local_id"].as_str().unwrap().starts_with("local-"));

    let words = shared.call(&["call", "pdf-info-reader", "--url", REPORT, "--background"]).run().code(0);
    for line in ["job: ", "local id: local-", "command: pdf_info_reader", "remote task: "] {
        assert!(words.stdout.contains(line), "{words:#?}");
    }
    words.complains("pdfco jobs wait ");

    let waited = shared.call(&["jobs", "wait", "--latest", "--operation", "pdf-to-text", "--json"]).run().code(0);
    assert_eq!(waited.envelope()["data"]["job_id"], id);
    assert_eq!(waited.envelope()["data"]["status"], "success");
    let again = shared.call(&["jobs", "wait", id]).run().code(0).says(&format!("job '{id}' is already completed"));
    assert!(again.stdout.contains("status: success"), "{again:#?}");

    let shown = shared.call(&["jobs", "show", &id[..8]]).run().code(0).says(&format!("job: {id}"));
    for line in [
        "command: pdf_to_text",
        "status: success",
        "remote task: ",
        "detail: ",
        "failure: (none)",
        "result: ",
        "created: 20",
        "updated: 20",
    ] {
        assert!(shown.stdout.contains(line), "{shown:#?}");
    }

    shared.call(&["jobs", "read", id]).run().code(0).says(REPORT_SAYS);
    let page = shared.call(&["jobs", "read", id, "--offset", "5", "--limit", "5", "--json"]).run().code(0);
    let output = page.envelope()["data"]["output"].clone();
    assert_eq!((output["offset"].as_u64(), output["next_offset"].as_u64()), (Some(5), Some(10)));
    shared.call(&["jobs", "read", id, "--limit", "5"]).run().code(0).complains("--offset 5");
    assert!(shared.call(&["jobs", "read", id, "--tail-lines", "1"]).run().code(0).stdout.lines().count() <= 1);

    let path = shared.path("saved.txt");
    let saved = shared.call(&["jobs", "download", id, "--save-to", &path]).run().code(0).says(&path);
    assert!(saved.stdout.contains("sha256 "), "{saved:#?}");
    assert!(std::fs::read_to_string(&path).unwrap().contains(REPORT_SAYS));
    // What was saved and is whole is kept; what is not this result any more is in the way.
    let again = shared.call(&["jobs", "download", id, "--save-to", &path]).run().code(0);
    assert_eq!(again.stdout, saved.stdout, "{again:#?}");
    // A file of the same bytes is what a killed download left, which had not recorded it yet.
    let mut whole = std::fs::read(&path).unwrap();
    let unrecorded = shared.path("unrecorded.txt");
    std::fs::write(&unrecorded, &whole).unwrap();
    shared.call(&["jobs", "download", id, "--save-to", &unrecorded]).run().code(0).says(&unrecorded);
    let altered = shared.path("altered.txt");
    *whole.last_mut().unwrap() ^= 1;
    std::fs::write(&altered, &whole).unwrap();
    shared.call(&["jobs", "download", id, "--save-to", &altered]).run().code(2).complains("altered.txt` exists");
    std::fs::write(&path, "mine").unwrap();
    shared.call(&["jobs", "download", id, "--save-to", &path]).run().code(2).complains("error: ");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    let foreign = shared.path("foreign.txt");
    std::fs::write(&foreign, "mine").unwrap();
    shared.call(&["jobs", "download", id, "--save-to", &foreign]).run().code(2).complains("error: ");
    assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "mine");

    let list = shared.call(&["jobs", "list", "--json"]).run().code(0).envelope()["data"].clone();
    assert_eq!((list["total"].as_u64(), list["items"].as_array().map(Vec::len)), (Some(2), Some(2)));
    shared.call(&["jobs", "list", "--status", "success"]).run().code(0).says(&format!("{id}  success  pdf_to_text  "));
    shared.call(&["jobs", "list", "--limit", "1"]).run().code(0).complains("1 of 2; --cursor ");
    shared.call(&["credits", "--history"]).run().code(0).says("pdf_to_text");
}

#[test]
fn cancelling_stops_the_following_once() {
    let shared = Shared::start(&["--checks", "1000"]);
    shared.call(&["call", "pdf-to-text", "--url", REPORT, "--background"]).run().code(0);
    shared.call(&["jobs", "cancel", "--latest"]).run().code(0).says("cancelled");
    shared.call(&["jobs", "cancel", "--latest"]).run().code(1).says("is already completed");
    shared.call(&["jobs", "cancel", "NOSUCHJOB"]).run().code(4).complains("was not found");
    // An id as long as the service's own is asked about before it is called unknown.
    shared.call(&["jobs", "show", "AAAA1111BBBB2222CCCC3333DDDD4444"]).run().code(4).complains("was not found");
}

#[cfg(unix)]
#[test]
fn ending_a_wait_leaves_the_job_and_says_how_to_go_on() {
    use std::io::Read;
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let shared = Shared::start(&["--checks", "1000"]);
        shared.call(&["call", "pdf-to-text", "--url", REPORT, "--background"]).run().code(0);
        let mut waiting = shared.call(&["jobs", "wait", "--latest", "--output", "ndjson"]).start();
        // The first event: by then the wait has begun.
        let first: Value = serde_json::from_str(&waiting.first_line()).unwrap();
        assert_eq!((first["type"].as_str(), first["app_id"].as_str()), (Some("job_update"), Some("pdfco")));
        let mut stderr = waiting.stderr();
        assert_eq!(waiting.signalled(signal), Some(code));
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        assert!(said.contains("goes on") && said.contains("pdfco jobs wait "), "{said}");
        let list = shared.call(&["jobs", "list", "--json"]).run().code(0).envelope()["data"].clone();
        assert_ne!(list["items"][0]["status"], "cancelled");
    }
}

#[cfg(unix)]
#[test]
fn ending_a_wait_for_several_jobs_says_how_to_go_on_with_all() {
    let shared = Shared::start(&["--checks", "1000"]);
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let ended = shared.call(&["call", "pdf-to-text", "--url", REPORT, "--background", "--json"]).run().code(0);
            ended.envelope()["data"]["job_id"].as_str().unwrap().to_owned()
        })
        .collect();
    for command in ["wait", "watch"] {
        let mut waiting = shared.call(&["jobs", command, &ids[0], &ids[1], "--output", "ndjson"]).start();
        let mut received = std::collections::HashSet::new();
        let mut lines = waiting.lines();
        while received.len() < 2 {
            let event: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
            received.extend(event["data"]["job_id"].as_str().map(str::to_owned));
        }
        let mut stderr = waiting.stderr();
        assert_eq!(waiting.signalled("-INT"), Some(130));
        let mut said = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
        assert!(said.contains("2 jobs go on.") && said.contains("hint: Run: pdfco jobs wait "), "{said}");
        assert!(ids.iter().all(|id| said.contains(id.as_str())), "{said}");
    }
}

#[test]
fn several_jobs_are_waited_for_at_once() {
    let shared = Shared::start(&[]);
    let submit = |simulate: &str| {
        let profiles = format!("{{\"Simulate\":{simulate}}}");
        let args = ["call", "pdf-to-text", "--url", REPORT, "--background", "--json", "--profiles", &profiles];
        let data = shared.call(&args).run().code(0).envelope()["data"].clone();
        data["job_id"].as_str().unwrap().to_owned()
    };
    let (good, bad) = (submit("{}"), submit(r#"{"outcome":"failed","checks":0,"message":"Invalid Password."}"#));
    let endless = submit(r#"{"seconds":600}"#);
    let waited = |ids: &[&str], more: &[&str]| shared.call(&[&["jobs", "wait"], ids, more].concat()).run();

    waited(&[&good, &good[..8]], &["--json"]).code(0);
    let ended = waited(&[&good, &bad, &endless], &["--timeout", "1", "--json"]).code(1);
    let data = &ended.envelope()["data"];
    let states: Vec<&str> =
        data["items"].as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["success", "failed", "working"], "{data:#}");
    assert_eq!((data["status"].as_str(), data["counts"]["running"].as_u64()), (Some("working"), Some(1)));
    let ended = waited(&[&good, &endless], &["--timeout", "1"]).code(5).says(&good).says("working");
    assert!(ended.stderr.contains(&format!("hint: Run: pdfco jobs wait {endless}")), "{ended:#?}");
    let ended = waited(&[&good, &bad], &[]).code(1).complains("1 of 2 jobs succeeded").complains("Invalid Password.");
    assert!(ended.stdout.contains("failed"), "{ended:#?}");
    waited(&[&good, "NOSUCHJOB"], &[]).code(4).complains("job 'NOSUCHJOB' was not found");
    waited(&[&good, "--latest"], &[]).code(2);
}

#[test]
fn watch_prints_each_change_once() {
    let shared = Shared::start(&["--checks", "1"]);
    let nothing = shared.call(&["jobs", "watch", "--output", "ndjson"]).run().code(0);
    let messages = |ended: &Ended| -> Vec<Value> {
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(messages(&nothing).len(), 2, "{nothing:#?}");
    for _ in 0..2 {
        shared.call(&["call", "pdf-to-text", "--url", REPORT, "--background"]).run().code(0);
    }
    shared.call(&["call", "pdf-info-reader", "--url", REPORT, "--background"]).run().code(0);
    let watched = shared.call(&["jobs", "watch", "--operation", "pdf-to-text", "--output", "ndjson"]).run().code(0);
    let events = messages(&watched);
    assert!(events.iter().all(|event| event["type"] == "job_update" && event["app_id"] == "pdfco"), "{events:#?}");
    let (first, last) = (&events[0], &events[events.len() - 1]);
    assert_eq!((first["message"].as_str(), last["message"].as_str()), (Some("watch started"), Some("watch completed")));
    assert_eq!(first["data"]["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(last["data"]["counts"]["success"], 2, "{last:#}");
    let changes = &events[1..events.len() - 1];
    for job in first["data"]["jobs"].as_array().unwrap() {
        let of = |event: &&Value| event["data"]["job_id"] == job["job_id"];
        let reported: Vec<String> = changes
            .iter()
            .filter(of)
            .map(|event| format!("{} {}", event["data"]["status"], event["data"]["checks_made"]))
            .collect();
        let once: std::collections::HashSet<&String> = reported.iter().collect();
        assert!(once.len() == reported.len() && reported[0].starts_with("\"queued\""), "{reported:?}");
        assert!(reported[reported.len() - 1].starts_with("\"success\""), "{reported:?}");
    }
    // A person gets a line for each change, a script of one envelope the outcome; a finished job is shown once.
    let words = shared.call(&["jobs", "watch"]).run().code(0).complains("watching 1 job");
    assert!(words.stdout.lines().all(|line| line.contains("pdf_info_reader")), "{words:#?}");
    assert!(words.stdout.lines().last().unwrap().contains("success"), "{words:#?}");
    let again = shared.call(&["jobs", "watch", "--latest"]).run().code(0);
    assert_eq!(again.stdout.lines().count(), 1, "{again:#?}");
    let envelope = shared.call(&["jobs", "watch", "--latest", "--json"]).run().code(0).envelope();
    assert_eq!((envelope["command"].as_str(), envelope["data"]["total"].as_u64()), (Some("jobs watch"), Some(1)));
    shared.call(&["jobs", "watch", "NOSUCHJOB"]).run().code(4).prints_nothing();
    shared
        .call(&[
            "call",
            "pdf-to-text",
            "--url",
            REPORT,
            "--background",
            "--profiles",
            r#"{"Simulate":{"seconds":600}}"#,
        ])
        .run()
        .code(0);
    shared.call(&["jobs", "watch", "--latest", "--timeout", "1"]).run().code(5).complains("pdfco jobs wait ");
}

#[cfg(unix)]
#[test]
fn the_timeout_command_ends_a_wait_quickly_and_leaves_the_job() {
    let shared = Shared::start(&["--checks", "1000"]);
    shared.call(&["call", "pdf-to-text", "--url", REPORT, "--background"]).run().code(0);
    let began = std::time::Instant::now();
    let ended = shared.call(&["jobs", "wait", "--latest", "--timeout", "0"]).under(&["timeout", "2"]).run().code(124);
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    assert!(ended.stderr.contains("goes on") && ended.stderr.contains("pdfco jobs wait "), "{ended:#?}");
    let list = shared.call(&["jobs", "list", "--json"]).run().code(0).envelope()["data"].clone();
    assert_eq!(list["items"][0]["status"], "working");
}

#[test]
fn hints_for_a_person_do_not_speak_of_tools() {
    let failed = r#"{"Simulate":{"outcome":"failed","checks":0,"message":"Invalid Password."}}"#;
    let ended = simulated("pdf-to-text", &["--url", REPORT, "--profiles", failed]).code(1);
    assert!(ended.stderr.contains("hint: Change the arguments before submitting it again."), "{ended:#?}");
    for word in ["`content`", "get_job_check", "submit_job"] {
        assert!(!ended.stderr.contains(word), "{word}: {ended:#?}");
    }
}

#[test]
fn mistakes_on_the_line_name_the_nearest_word_and_their_command() {
    for (args, near, command) in [
        (&["jbos", "list"][..], "jobs", ""),
        (&["jobs", "lst"], "list", "jobs"),
        (&["call", "pdf-to-text", "--pagse", "1"], "--pages", "call pdf-to-text"),
        (&["jobs", "wait", "--latset"], "--latest", "jobs wait"),
    ] {
        pdfco(args).code(2).complains(near);
        let envelope = pdfco(&[args, &["--json"]].concat()).code(2).envelope();
        assert_eq!(envelope["command"], command, "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn bash_completes_commands_flags_operations_and_job_ids() {
    let shared = Shared::start(&[]);
    let background = shared.call(&["call", "pdf-to-text", "--url", REPORT, "--background", "--json"]).run().code(0);
    let id = background.envelope()["data"]["job_id"].as_str().unwrap().to_owned();
    let script = shared.path("pdfco.bash");
    std::fs::write(&script, shared.call(&["completions", "bash"]).run().code(0).stdout).unwrap();
    let complete = |words: &[&str]| {
        let line = format!(
            "bash -n '{script}' && source '{script}' && COMP_WORDS=({words}) COMP_CWORD={place} COMP_TYPE=9 && \
             _clap_complete_pdfco pdfco \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\" && \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            place = words.len() - 1,
        );
        let ended = shared.call(&[]).by("bash", &["-c", &line]).run().code(0);
        assert!(ended.stderr.is_empty(), "{ended:#?}");
        ended.stdout
    };
    for (words, offered) in [
        (&["pdfco", "job"][..], "jobs"),
        (&["pdfco", "jobs", "wa"], "watch"),
        (&["pdfco", "call", "pdf-to-te"], "pdf-to-text"),
        (&["pdfco", "call", "pdf-to-text", "--res"], "--resume"),
        (&["pdfco", "jobs", "wait", "--latest", "--operation", "pdf-to-te"], "pdf-to-text"),
        (&["pdfco", "jobs", "wait", &id[..6]], &id),
        (&["pdfco", "jobs", "show", ""], &id),
    ] {
        let said = complete(words);
        assert!(said.lines().any(|line| line.trim() == offered), "{words:?}: {said}");
    }
    let said = complete(&["pdfco", "jobs", "wait", "ZZZZZZ"]);
    assert!(!said.contains(&id), "{said}");
    // Without a key or a ledger there is nothing to offer, and nothing to say.
    let home = tempfile::tempdir().unwrap();
    let silent = Pdfco::new(home.path())
        .env("PDFCO_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "3")
        .args(&["--", "pdfco", "jobs", "show", "x"])
        .run()
        .code(0);
    assert!(silent.stderr.is_empty() && std::fs::read_dir(home.path()).unwrap().next().is_none(), "{silent:#?}");
    for (shell, check) in [("zsh", "-n"), ("fish", "--no-execute")] {
        let path = shared.path(shell);
        std::fs::write(&path, shared.call(&["completions", shell]).run().code(0).stdout).unwrap();
        // Where the shell is installed, its own parser judges.
        if let Ok(parsed) = std::process::Command::new(shell).args([check, &path]).output() {
            assert!(parsed.status.success(), "{parsed:?}");
        }
    }
}

#[test]
fn events_come_as_lines_before_the_envelope() {
    let ended = simulated("pdf-to-text", &["--url", REPORT, "--output", "ndjson"]).code(0);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, events) = lines.split_last().unwrap();
    assert_eq!(last["data"]["status"], "success");
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"progress") && kinds.contains(&"job_update"), "{kinds:?}");
}

#[test]
fn a_key_appears_nowhere() {
    let shared = Shared::start(&[]);
    let document = shared.path("a.pdf");
    std::fs::copy(REPORT, &document).unwrap();
    let calls: &[&[&str]] = &[
        &["call", "pdf-to-text", "--url", &document, "--verbose", "--log", "trace"],
        &["call", "pdf-to-text", "--url", "missing.pdf", "--json"],
        &[
            "call",
            "pdf-to-text",
            "--url",
            &document,
            "--json",
            "--profiles",
            r#"{"Simulate":{"outcome":"failed","checks":0}}"#,
        ],
        &["jobs", "list", "--json"],
        &["jobs", "show", "--latest"],
        &["credits", "--json"],
        &["credits", "--base-url", "http://127.0.0.1:9", "--log", "trace"],
    ];
    for args in calls {
        let ended = shared.call(args).args(&["--api-key", CANARY]).run();
        assert!(!ended.stdout.contains(CANARY) && !ended.stderr.contains(CANARY), "{ended:#?}");
    }
    for entry in std::fs::read_dir(Path::new(&document).parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "{}", path.display());
    }
}

#[test]
fn help_shows_the_flags_of_one_operation() {
    let help = pdfco(&["call", "pdf-to-csv", "--help"]).code(0);
    for words in ["--url", "--pages", "--unwrap", "--background", "--save-to", "Examples:", "--base-url", "[required]"]
    {
        assert!(help.stdout.contains(words), "{words}: {}", help.stdout);
    }
    pdfco(&["--help"]).code(0).says("Exit codes:").says("call");
    pdfco(&["--version"]).code(0).says(env!("CARGO_PKG_VERSION"));
    pdfco(&["operations", "merge"]).code(0).says("pdf-merge  edit  ");
    pdfco(&["files", "upload", REPORT, "--simulate"]).code(0).says("http");
    pdfco(&["credits", "--simulate"]).code(0).says("credits: 10000");
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let line = format!("'{}' operations; echo $? >&3", env!("CARGO_BIN_EXE_pdfco"));
    let code = home.path().join("code");
    let script = format!("( {line} ) 2>/dev/null 3>'{}' | true", code.display());
    std::process::Command::new("sh").args(["-c", &script]).env("HOME", home.path()).status().unwrap();
    assert_eq!(std::fs::read_to_string(code).unwrap().trim(), "0");
}

#[test]
fn the_doctor_says_what_is_wrong_and_with_which_code() {
    let well = pdfco(&["doctor", "--simulate", "--json"]).code(0);
    let data = &well.envelope()["data"];
    assert!(data["items"].as_array().unwrap().iter().all(|item| item["ok"] == true), "{data:#}");
    pdfco(&["doctor"]).code(3).says("FAIL  key").says("PDFCO_BASE_URL");
    pdfco(&["doctor", "--simulate", "--api-key", "wrong"]).code(3).says("ok    key").says("FAIL  service");
    let home = tempfile::tempdir().unwrap();
    let ended = Pdfco::new(home.path())
        .args(&["doctor", "--base-url", "http://127.0.0.1:9", "--json"])
        .env("PDFCO_API_KEY", CANARY)
        .env("PDFCO_HTTP_TOKEN", &CANARY.repeat(3))
        .run()
        .code(6);
    assert!(!format!("{ended:?}").contains(CANARY), "{ended:#?}");
}

#[test]
fn shells_and_man_know_what_there_is() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        pdfco(&["completions", shell]).code(0).says("PDFCO_COMPLETE");
    }
    pdfco(&["man"]).code(0).says(".TH pdfco 1").says("simulate");
}

#[test]
fn a_stored_file_is_hashed_and_deleted_by_its_link() {
    let shared = Shared::start(&[]);
    let uploaded = shared.call(&["files", "upload", REPORT, "--json"]).run().code(0).envelope();
    let link = uploaded["data"]["content"]["url"].as_str().unwrap().to_owned();
    let hash = shared.call(&["files", "hash", &link]).run().code(0);
    assert_eq!(hash.stdout.trim().len(), 64, "{hash:?}");
    shared.call(&["files", "delete", &link]).run().code(0).says("deleted");
    shared.call(&["files", "hash", &link]).run();
    shared.call(&["files", "delete", "report.pdf"]).run().code(2).complains("no link");
}

#[test]
fn a_report_is_one_file_that_needs_no_other() {
    let shared = Shared::start(&["--checks", "0"]);
    shared.call(&["call", "pdf-to-text", "--url", REPORT]).run().code(0);
    let file = shared.path("jobs.html");
    shared.call(&["jobs", "report", "--html", &file]).run().code(0).says("1 job in");
    let html = std::fs::read_to_string(&file).unwrap();
    for part in ["<!DOCTYPE html>", "<style>", "pdf_to_text", "report.pdf", "<svg class=\"bars\"", "What happened"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    for word in ["<script", "<link", "src=", "href=", "url(", "http://", "https://", "@import"] {
        assert!(!html.contains(word), "{word}: {html}");
    }
    shared.call(&["jobs", "report", "--html", &file]).run().code(2).complains("exists already");
    shared.call(&["jobs", "report", "--html", &file, "--overwrite", "--status", "failed"]).run().code(0).says("0 jobs");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("report.pdf"));
    let printed = shared.call(&["jobs", "report", "--html", "-", "--operation", "pdf-to-text"]).run().code(0);
    assert!(printed.stdout.starts_with("<!DOCTYPE html>") && printed.stdout.contains("report.pdf"), "{printed:#?}");
    assert!(!Path::new("-").exists());
    shared.call(&["jobs", "report"]).run().code(2).complains("--html");
    shared.call(&["jobs", "report", "--html", "/no/such/folder/x.html"]).run().code(2).complains("cannot be written");
}
