//! What a shell, a script and a person expect of any command: stdin and stdout, odd names, byte order marks, full disks,
//! closed terminals, completion, and no word of the other interface.

use std::path::Path;

use serde_json::Value;

use crate::support::command::{Ended, Pdfco, Shared};

const REPORT: &str = "fixtures/documents/report.pdf";

fn pdfco(args: &[&str]) -> Ended {
    let home = tempfile::tempdir().unwrap();
    Pdfco::new(home.path()).args(args).run()
}

/// A shell line in which `pdfco` is the binary.
#[cfg(unix)]
fn shell(home: &Path, line: &str) -> Ended {
    Pdfco::new(home).by("bash", &["-c", line]).run()
}

/// A home with the documents of the fixtures in it.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(REPORT, home.path().join("a.pdf")).unwrap();
    home
}

#[cfg(target_os = "linux")]
#[test]
fn one_odd_name_in_a_folder_ends_no_batch() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let home = home();
    std::fs::copy(REPORT, home.path().join(OsStr::from_bytes(b"l\xe9.pdf"))).unwrap();
    let run = |pattern: &str, out: &str| {
        Pdfco::new(home.path())
            .folder(home.path())
            .args(&["call", "pdf-to-text", "--url", pattern, "--save-to", out, "--simulate", "--json"])
            .run()
    };
    let data = run("*.pdf", "o1").code(1).envelope()["data"].clone();
    assert_eq!((&data["counts"]["success"], &data["counts"]["failed"]), (&1.into(), &1.into()), "{data:#}");
    assert!(home.path().join("o1/a.txt").is_file());
    run("a*.pdf", "o2").code(0);
    run("**/*.pdf", "o3").code(1);
    std::fs::copy(REPORT, home.path().join("d\u{1b}[31m\nline.pdf")).unwrap();
    let odd = Pdfco::new(home.path())
        .folder(home.path())
        .args(&["call", "pdf-to-text", "--url", "d*.pdf", "--simulate"])
        .run()
        .code(0);
    assert!(odd.stdout.lines().count() == 1 && !odd.stdout.contains('\u{1b}'), "{odd:?}");
    // A call that needs all documents says so before anything is paid for.
    let merged = Pdfco::new(home.path())
        .folder(home.path())
        .args(&["call", "pdf-merge", "--url", "*.pdf", "--simulate"])
        .run()
        .code(2);
    assert!(merged.stderr.contains("Nothing was submitted"), "{merged:#?}");
}

#[cfg(unix)]
#[test]
fn a_dash_is_stdin_and_stdout() {
    let home = home();
    let run = |line: &str| shell(home.path(), &format!("cd \"$HOME\"; {line}"));
    run("pdfco call pdf-to-text --url - --simulate < a.pdf").code(0).says("Report");
    run("echo '{\"url\": \"a.pdf\"}' | pdfco call pdf-to-text --args-file - --simulate").code(0).says("Report");
    let text = run("pdfco call pdf-to-text --url a.pdf --save-to - --simulate").code(0).says("Report");
    assert!(!text.stdout.contains("sha256"), "{text:#?}");
    let bytes = run("pdfco call pdf-merge --url a.pdf a.pdf --save-to - --simulate | head -c 4").code(0);
    assert_eq!(bytes.stdout, "%PDF");
    run("pdfco call pdf-to-text --url a.pdf --save-to - --simulate --json").code(2).complains("stdout is taken");
    run("pdfco call pdf-split --url a.pdf --save-to - --simulate").code(2).complains("several files");
    run("pdfco files upload - --simulate < a.pdf").code(0).says("stdin.pdf");
    run("pdfco files upload - --name b.pdf --simulate < a.pdf").code(0).says("b.pdf");
    run("pdfco call pdf-to-text --url - --simulate < /dev/null").code(2).complains("Nothing came on stdin");
    assert!(!home.path().join("-").exists());

    let shared = Shared::start(&[]);
    shared.call(&["call", "pdf-to-text", "--url", REPORT, "--background"]).run().code(0);
    shared.call(&["jobs", "wait", "--latest"]).run().code(0);
    let printed = shared.call(&["jobs", "download", "--latest", "--save-to", "-"]).run().code(0).says("Report");
    assert!(!printed.stdout.contains("sha256"), "{printed:#?}");
    let shown = shared.call(&["jobs", "show", "--latest"]).run().code(0);
    assert!(!shown.stdout.contains("saved to"), "what was printed lies nowhere: {shown:#?}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_arguments() {
    let home = home();
    let file = home.path().join("args.json");
    std::fs::write(&file, "\u{feff}{\"url\": \"a.pdf\"}").unwrap();
    let args = ["call", "pdf-to-text", "--args-file", file.to_str().unwrap(), "--simulate"];
    Pdfco::new(home.path()).folder(home.path()).args(&args).run().code(0).says("Report");
}

#[test]
fn a_comma_in_a_name_is_a_comma() {
    let home = home();
    std::fs::copy(REPORT, home.path().join("Smith, John.pdf")).unwrap();
    let run = |args: &[&str]| Pdfco::new(home.path()).folder(home.path()).args(args).run();
    run(&["call", "pdf-merge", "--url", "Smith, John.pdf", "a.pdf", "--simulate"]).code(0);
    run(&["call", "pdf-to-text", "--url", "Smith, John.pdf", "--simulate"]).code(0).says("Report");
}

#[test]
fn what_can_be_known_of_a_target_is_known_before_paying() {
    let shared = Shared::start(&[]);
    let out = shared.path("out");
    std::fs::create_dir_all(&out).unwrap();
    let spent = || -> i64 {
        let data = shared.call(&["credits", "--json"]).run().code(0).envelope()["data"].clone();
        10_000 - data["credits_remaining"].as_i64().unwrap()
    };
    // One file where an operation gives several.
    let file = shared.path("out3.pdf");
    let split = ["call", "pdf-split", "--url", REPORT, "--pages", "1-2,3-4", "--save-to", &file];
    shared.call(&split).run().code(2).complains("gives several");
    assert_eq!(spent(), 0);
    assert!(!Path::new(&file).exists());
    // A folder where the name is certain.
    let folder = format!("{out}/");
    let text = ["call", "pdf-to-text", "--url", REPORT, "--save-to", &folder];
    shared.call(&text).run().code(0);
    let before = spent();
    shared.call(&text).run().code(2).complains("exists");
    assert_eq!(spent(), before, "the second call paid nothing");
    // A batch, for every kind of result.
    for operation in ["pdf-to-xlsx", "pdf-to-png", "pdf-to-text"] {
        let folder = shared.path(operation);
        let batch = ["call", operation, "--url", REPORT, "--jobs", "1", "--save-to", &folder];
        shared.call(&batch).run().code(0);
        let before = spent();
        shared.call(&batch).run().code(1);
        assert_eq!(spent(), before, "{operation}: the second batch paid nothing");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_stdout_that_cannot_be_written_is_a_failure() {
    let home = home();
    for line in [
        "pdfco completions bash",
        "pdfco man",
        "pdfco --help",
        "pdfco jobs wait --help",
        "pdfco call pdf-to-text --help",
        "pdfco --version",
        "pdfco operations",
        "pdfco operations --json",
        "pdfco env",
        "pdfco demo",
        "pdfco credits --simulate",
        "pdfco call pdf-to-text --url a.pdf --simulate",
        "pdfco call pdf-to-text --url a.pdf --simulate --save-to -",
        "pdfco call pdf-to-text --url a.pdf --simulate --output ndjson",
    ] {
        let ended = shell(home.path(), &format!("cd \"$HOME\"; {line} > /dev/full; echo \"rc $?\""));
        assert!(!ended.stdout.contains("rc 0"), "{line}: {ended:#?}");
        assert!(ended.stderr.contains("stdout cannot be written"), "{line}: {ended:#?}");
        // A reader that leaves is none.
        let piped = shell(home.path(), &format!("cd \"$HOME\"; {{ {line}; echo \"rc $?\" >&2; }} | true"));
        assert!(!piped.stderr.contains("rc 101") && !piped.stderr.contains("cannot be written"), "{line}: {piped:#?}");
    }
    // No one learns where it listens.
    let ended = shell(home.path(), "timeout 60 pdfco simulate --json > /dev/full; echo \"rc $?\"");
    assert!(ended.stdout.contains("rc 2"), "{ended:#?}");
}

#[cfg(target_os = "linux")]
#[test]
fn bash_quotes_the_names_that_it_completes() {
    use crate::support::terminal::typed_into_bash;

    let home = home();
    let names = ["my scans/a b.pdf", "it's.pdf", "do$lar.pdf", "jobs/x"];
    for name in names {
        std::fs::create_dir_all(home.path().join(name).parent().unwrap()).unwrap();
        std::fs::copy(REPORT, home.path().join(name)).unwrap();
    }
    std::fs::write(home.path().join("pdfco.bash"), pdfco(&["completions", "bash"]).code(0).stdout).unwrap();
    // Ctrl-A: the words that were completed become those of `printf`.
    let lines = ["my\ta\t", "it\t", "do\t"].map(|typed| format!("pdfco files upload {typed}\u{1}printf '[%s]' \r"));
    let lines: Vec<String> = lines.into_iter().chain(["pdfco jo\t list\u{1}printf '[%s]' \r".to_owned()]).collect();
    let said = typed_into_bash(home.path(), "source ./pdfco.bash\r", &lines);
    for words in ["[upload][my scans/a b.pdf]", "[upload][it's.pdf]", "[upload][do$lar.pdf]", "[pdfco][jobs][list]"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn paths_are_completed_where_a_path_is_taken() {
    let home = home();
    std::fs::create_dir(home.path().join("scans")).unwrap();
    let script = home.path().join("pdfco.bash");
    std::fs::write(&script, pdfco(&["completions", "bash"]).code(0).says("-o default").stdout).unwrap();
    let complete = |words: &[&str]| {
        let line = format!(
            "cd \"$HOME\"; source ./pdfco.bash; COMP_WORDS=({words}) COMP_CWORD={at} COMP_TYPE=9; \
             _clap_complete_pdfco pdfco \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            at = words.len() - 1,
        );
        shell(home.path(), &line).code(0).stdout
    };
    for (words, offered) in [
        (&["pdfco", "call", "pdf-to-text", "--url", "a"][..], "a.pdf"),
        (&["pdfco", "call", "pdf-merge", "--url", "a.pdf", "a"], "a.pdf"),
        (&["pdfco", "call", "pdf-to-text", "--save-to", "s"], "scans"),
        (&["pdfco", "call", "pdf-to-text", "--args-file", "a"], "a.pdf"),
        (&["pdfco", "files", "upload", "a"], "a.pdf"),
        (&["pdfco", "jobs", "download", "--latest", "--save-to", "s"], "scans"),
        (&["pdfco", "serve", "s"], "scans"),
        (&["pdfco", "env", "allow", "s"], "scans"),
    ] {
        let said = complete(words);
        assert!(said.lines().any(|line| line.trim().starts_with(offered)), "{words:?}: {said:?}");
    }
    for shell in ["zsh", "fish"] {
        let asked = Pdfco::new(home.path())
            .folder(home.path())
            .env("PDFCO_COMPLETE", shell)
            .env("_CLAP_COMPLETE_INDEX", "3")
            .args(&["--", "pdfco", "files", "upload", "a"])
            .run()
            .code(0);
        assert!(asked.stdout.contains("a.pdf"), "{shell}: {asked:#?}");
    }
}

#[test]
fn no_tool_is_named_on_a_terminal() {
    const TOOLS: &[&str] = &[
        "get_job_check",
        "wait_job_completion",
        "submit_job",
        "list_jobs",
        "cancel_job",
        "read_result",
        "download_result",
        "upload_file",
        "list_operations",
        "describe_operation",
        "get_credit_balance",
    ];
    let shared = Shared::start(&["--checks", "0"]);
    let submit = |more: &[&str]| {
        let args = [&["call", "pdf-to-text", "--url", REPORT, "--background", "--json"], more].concat();
        let data = shared.call(&args).run().code(0).envelope()["data"].clone();
        data["job_id"].as_str().unwrap().to_owned()
    };
    let good = submit(&[]);
    let bad = submit(&["--profiles", r#"{"Simulate":{"outcome":"failed","checks":0,"message":"Invalid Password."}}"#]);
    let lost = submit(&["--profiles", r#"{"Simulate":{"outcome":"aborted","checks":0}}"#]);
    let endless = submit(&["--profiles", r#"{"Simulate":{"seconds":600}}"#]);
    let foreign = "A".repeat(32);
    let lines: Vec<Vec<&str>> = vec![
        vec![],
        vec!["--help"],
        vec!["jobs", "list"],
        vec!["jobs", "list", "--cursor", "nonsense"],
        vec!["jobs", "list", "--status", "nonsense"],
        vec!["jobs", "wait", &good, &bad, &lost, "--timeout", "5"],
        vec!["jobs", "wait", &endless, "--timeout", "0.5"],
        vec!["jobs", "show", &good],
        vec!["jobs", "show", &bad],
        vec!["jobs", "show", &foreign],
        vec!["jobs", "read", &good, "--limit", "5"],
        vec!["jobs", "read", &bad],
        vec!["jobs", "read", &endless],
        vec!["jobs", "read", &good, "--index", "7"],
        vec!["jobs", "download", &bad],
        vec!["jobs", "cancel", &endless],
        vec!["jobs", "show", "no such id"],
        vec!["call", "pdf-to-txt"],
        vec!["call", "pdf-to-text", "--url", "https://h.test/missing.pdf"],
        vec!["call", "pdf-to-text", "--url", REPORT, "--pages", "99"],
        vec!["call", "pdf-to-text", "--args-json", "{\"page\": 1}"],
        vec!["call", "pdf-to-text", "--url", REPORT, "--api-key", "wrong"],
        vec!["call", "pdf-to-text", "--url", REPORT, "--api-key", "sim_broke"],
        vec!["call", "pdf-to-text", "--url", REPORT, "--base-url", "http://127.0.0.1:9"],
        vec!["files", "upload", "missing.pdf"],
        vec!["operations", "no-such-thing-at-all"],
        vec!["credits"],
        vec!["doctor"],
    ];
    let mut named = Vec::new();
    let mut check = |line: &[&str], ended: &Ended| {
        for tool in TOOLS {
            for text in [&ended.stdout, &ended.stderr] {
                if text.contains(tool) {
                    named.push(format!("pdfco {}: {tool}", line.join(" ")));
                }
            }
        }
    };
    for line in &lines {
        for json in [&[][..], &["--json"]] {
            check(line, &shared.call(&[line.as_slice(), json].concat()).run());
        }
    }
    for operation in pdfco::catalog::all() {
        let line = ["call", operation.name, "--help"];
        check(&line, &shared.call(&line).run());
    }
    assert!(named.is_empty(), "{}", named.join("\n"));
}

#[test]
fn help_of_a_command_shows_what_belongs_to_it() {
    for args in [&["jobs", "wait", "--help"][..], &["call", "pdf-to-text", "--help"], &["setup", "--help"]] {
        let help = pdfco(args).code(0);
        for foreign in ["--http-token", "--toolsets", "--callback-url", "--max-wait-seconds"] {
            assert!(!help.stdout.contains(foreign), "{args:?}: {foreign}");
        }
    }
    for args in
        [&["jobs", "list", "--help"][..], &["audit", "--help"], &["credits", "--help"], &["ledger", "export", "--help"]]
    {
        let help = pdfco(args).code(0).says("--ledger");
        for foreign in ["--download-hosts", "--files", "--confirm-credits", "--check-worth-seconds"] {
            assert!(!help.stdout.contains(foreign), "{args:?}: {foreign}");
        }
    }
    pdfco(&["jobs", "download", "--help"]).code(0).says("--download-hosts");
    pdfco(&["serve", "--help"]).code(0).says("--http-token").says("--toolsets");
    // Hidden is not refused.
    pdfco(&["operations", "merge", "--toolsets", "all"]).code(0);
}

#[test]
fn a_simulator_that_stays_is_found_by_later_commands() {
    let shared = Shared::start(&[]);
    let home = Path::new(&shared.path("")).to_owned();
    let call = |args: &[&str]| Pdfco::new(&home).args(args).args(&["--simulate", "--json"]).run();
    let made = call(&["call", "pdf-to-text", "--url", REPORT, "--background"]).code(0).envelope();
    let waited = call(&["jobs", "wait", "--latest"]).code(0).envelope();
    assert_eq!(waited["data"]["job_id"], made["data"]["job_id"]);
    // A second one has its own jobs; when it is gone, the first is found again.
    let mut second = Pdfco::new(&home).args(&["simulate", "--json"]).start();
    second.first_line();
    let listed = || call(&["jobs", "list"]).code(0).envelope()["data"]["total"].clone();
    assert_eq!(listed(), 0);
    second.kill();
    assert_eq!(listed(), 1);
    // Without one, a job that would be lost is not made.
    let refused = pdfco(&["call", "pdf-to-text", "--url", REPORT, "--background", "--simulate", "--json"]).code(2);
    let hint = refused.envelope()["data"]["error"]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("Nothing was submitted") && hint.contains("pdfco simulate"), "{hint}");
}

#[test]
fn the_service_is_asked_only_for_an_agreed_price() {
    let shared = Shared::start(&["--checks", "0"]);
    let folder = shared.path("");
    let doctor =
        |more: &[&str]| shared.call(&[&["doctor", "--service"], more].concat()).folder(Path::new(&folder)).run();
    doctor(&[]).code(2).complains("cost at most").complains("Nothing was sent");
    let list = shared.call(&["jobs", "list", "--json"]).run().code(0).envelope();
    assert_eq!(list["data"]["total"], 0);

    let asked = doctor(&["--yes", "--json"]).code(0).envelope()["data"].clone();
    assert!(asked["calls"].as_u64().unwrap() <= 10, "{asked:#}");
    assert_eq!(asked["items"].as_array().unwrap().len(), 7, "{asked:#}");
    let report = std::fs::read_to_string(Path::new(&folder).join("pdfco-service-report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(!report.to_string().contains("sim_") && !report.to_string().contains("X-Amz"), "{report:#}");
    let jobs = shared.call(&["jobs", "list", "--json"]).run().code(0).envelope();
    assert_eq!(jobs["data"]["total"], 4);

    let cheap = doctor(&["--yes", "--max-credits", "0", "--json"]).code(0).envelope()["data"].clone();
    assert_eq!(cheap["calls"], 0, "{cheap:#}");
    assert!(cheap["items"][0]["found"].as_str().unwrap().starts_with("left out"), "{cheap:#}");
}

#[test]
fn the_doctor_names_what_is_never_read() {
    let home = home();
    std::fs::write(home.path().join(".env"), "PDFCO_API_KEY=sim_of_the_folder\n").unwrap();
    let run = |args: &[&str]| Pdfco::new(home.path()).folder(home.path()).env("PDFCO_APIKEY", "x").args(args).run();
    let doctor = run(&["doctor", "--simulate"]).code(0);
    assert!(doctor.stdout.contains("PDFCO_APIKEY is no setting"), "{doctor:#?}");
    assert!(doctor.stdout.contains("pdfco env allow"), "{doctor:#?}");
    run(&["credits"]).code(3);
    run(&["env", "allow"]).code(0).says("PDFCO_API_KEY");
    run(&["env", "--json"]).code(0).says("allowed .env");
    run(&["env", "deny"]).code(0).says("is not read");
    run(&["credits"]).code(3);
}

#[cfg(target_os = "linux")]
#[test]
fn pdfco_alone_says_where_things_stand() {
    use crate::support::terminal::on_terminal;

    let home = home();
    let without = on_terminal(80, home.path(), &[], &[]);
    assert_eq!(without.code, Some(0), "{without:?}");
    assert!(without.stdout.contains("none is set") && without.stdout.contains("pdfco demo"), "{without:?}");
    let with = on_terminal(80, home.path(), &[("PDFCO_API_KEY", "sim_a"), ("PDFCO_LEDGER", "memory")], &[]);
    assert!(with.stdout.contains("environment") && with.stdout.contains("Next:"), "{with:?}");
    // A script that names no command has a mistake in it.
    pdfco(&[]).code(2).prints_nothing().complains("Usage:");
}

#[cfg(unix)]
#[test]
fn next_steps_work_as_they_are_printed() {
    let home = home();
    let mut simulator = Pdfco::new(home.path()).args(&["simulate", "--json"]).start();
    simulator.first_line();
    let run = |args: &[&str]| Pdfco::new(home.path()).folder(home.path()).args(args).run();
    let ledger = "--ledger=my jobs.sqlite";
    for more in [&["--simulate"][..], &["--simulate", ledger]] {
        let begun = run(&[&["call", "pdf-to-text", "--url", "a.pdf", "--background"], more].concat()).code(0);
        let printed = begun.stderr.lines().find_map(|line| line.split("Run: pdfco ").nth(1)).unwrap().to_owned();
        assert!(printed.contains("--simulate"), "{printed}");
        shell(home.path(), &format!("cd && pdfco {printed}")).code(0);
    }
    drop(simulator);
    run(&["jobs", "wait", "--latest", "--simulate"]).code(4).complains("pdfco simulate");
}

#[cfg(unix)]
#[test]
fn an_interrupted_download_says_what_is_saved_and_goes_on() {
    let shared = Shared::start(&["--checks", "0"]);
    let split = shared.call(&["call", "pdf-split", "--url", REPORT, "--pages", "1,2,3", "--json"]).run().code(0);
    let id = split.envelope()["data"]["job_id"].as_str().unwrap().to_owned();
    let fault = r#"{"path_prefix": "*/report_page2-2.pdf", "times": 9, "kind": "stall_body", "seconds": 60}"#;
    let url = format!("{}/simulator/faults", shared.url());
    shared.call(&[]).by("curl", &["-sf", "-H", "content-type: application/json", "-d", fault, &url]).run().code(0);
    let parts = shared.path("my parts");
    let mut download = shared.call(&["jobs", "download", &id, "--save-to", &parts]).start();
    let first = Path::new(&parts).join("report_page1-1.pdf");
    let began = std::time::Instant::now();
    while !first.is_file() {
        assert!(began.elapsed().as_secs() < 20, "the first file never comes");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut said = String::new();
    let mut stderr = download.stderr();
    assert_eq!(download.signalled("-INT"), Some(130));
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    let command = format!("pdfco jobs download {id} --save-to '{parts}");
    assert!(said.contains("1 of 3 files are saved") && said.contains(&command), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn no_bar_is_left_on_the_terminal() {
    use crate::support::terminal::{standing, with_bars};

    let home = home();
    std::fs::copy(REPORT, home.path().join("b.pdf")).unwrap();
    let shared = Shared::start(&["--checks", "1"]);
    let variables = [("PDFCO_BASE_URL", shared.url()), ("PDFCO_API_KEY", shared.key()), ("PDFCO_RATE_LIMIT", "off")];
    let run = |args: &[&str]| with_bars(80, home.path(), &variables, args);
    run(&["call", "pdf-to-text", "--url", "a.pdf", "--background"]);
    for args in [
        &["jobs", "wait", "--latest"][..],
        &["call", "pdf-to-text", "--url", "a.pdf"],
        &["call", "pdf-to-text", "--url", "a.pdf", "b.pdf", "--save-to", "out"],
        &["jobs", "download", "--latest", "--save-to", "c.txt"],
    ] {
        let left = standing(&run(args));
        assert!(left.iter().any(|line| line.len() > 4), "{args:?}: {left:#?}");
        assert!(!left.iter().any(|line| line.contains("───") || line.contains("━━━")), "{args:?}: {left:#?}");
        let quiet =
            run(&[args, &["--quiet", "--overwrite"][..if args.contains(&"--save-to") { 2 } else { 1 }]].concat());
        assert!(!quiet.contains('─') && !quiet.contains('━'), "{args:?}: {quiet}");
    }
}

#[test]
fn the_home_folder_is_filled_in_wherever_a_path_is_taken() {
    let home = home();
    std::fs::write(home.path().join("args.json"), "{\"url\": \"~/a.pdf\"}").unwrap();
    std::fs::create_dir(home.path().join("project")).unwrap();
    std::fs::write(home.path().join("project/.env"), "PDFCO_LOG=warn\n").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Pdfco::new(home.path()).folder(elsewhere.path()).args(args).run();
    run(&["call", "pdf-to-text", "--url", "~/a.pdf", "--simulate"]).code(0).says("Report");
    run(&["call", "pdf-to-text", "--args-file", "~/args.json", "--simulate"]).code(0).says("Report");
    run(&["call", "pdf-to-text", "--url", "~/a.pdf", "--save-to", "~/out/a.txt", "--simulate"]).code(0);
    run(&["call", "pdf-to-text", "--url", "~/*.pdf", "$HOME/p*/a.pdf", "--save-to", "~/both", "--simulate"]).code(2);
    std::fs::copy(REPORT, home.path().join("project/a.pdf")).unwrap();
    run(&["call", "pdf-to-text", "--url", "~/*.pdf", "$HOME/p*/a.pdf", "--save-to", "~/both", "--simulate"]).code(0);
    run(&["ledger", "export", "~/jobs.ndjson"]).code(0);
    run(&["ledger", "import", "~/jobs.ndjson", "--ledger", "~/other.sqlite"]).code(0);
    run(&["env", "allow", "~/project"]).code(0);
    run(&["setup", "cursor", "--config", "~/cursor.json"]).code(0);
    run(&["jobs", "report", "--html", "~/jobs.html", "--simulate"]).code(0);
    run(&["files", "upload", "~/a.pdf", "--simulate"]).code(0);
    for made in ["out/a.txt", "cursor.json", "jobs.html", "both/a.txt", "both/a-2.txt", "jobs.ndjson", "other.sqlite"] {
        assert!(home.path().join(made).is_file(), "{made}");
    }
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "no folder is called ~");
}

#[cfg(unix)]
#[test]
fn a_space_at_the_end_of_a_name_is_part_of_it() {
    let home = home();
    std::fs::rename(home.path().join("a.pdf"), home.path().join("a.pdf ")).unwrap();
    let run = |args: &[&str]| Pdfco::new(home.path()).folder(home.path()).args(args).run();
    run(&["call", "pdf-to-text", "--url", "a.pdf ", "--simulate"]).code(0).says("Report");
    run(&["call", "pdf-to-text", "--url", "a*", "--save-to", "out", "--simulate"]).code(0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_certificate_file_that_is_not_there_is_named_as_the_cause() {
    let home = home();
    for (variable, place, words) in [
        ("SSL_CERT_FILE", "/no/such/file.pem", ["SSL_CERT_FILE names `/no/such/file.pem`", "a file of certificates"]),
        ("SSL_CERT_DIR", "/no/such", ["SSL_CERT_DIR names `/no/such`", "a folder of certificates"]),
        ("SSL_CERT_FILE", "", ["SSL_CERT_FILE is set and empty", "unset it"]),
    ] {
        let ended = Pdfco::new(home.path())
            .env(variable, place)
            .args(&["credits", "--base-url", "https://pdfco.invalid", "--api-key", "k"])
            .run()
            .code(6);
        assert!(words.iter().all(|word| ended.stderr.contains(word)), "{ended:#?}");
    }
}

/// Whether this process ignores SIGHUP, the lowest bit of the mask, as its children then do. Only Linux says so.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1)
}

#[cfg(unix)]
#[test]
fn a_closed_terminal_and_other_ends_leave_nothing_half_done() {
    for (signal, code) in [("-HUP", 129), ("-TERM", 143), ("-INT", 130)] {
        // Tests that were started with nohup hand that on: a closed terminal then ends nothing, on purpose.
        if signal == "-HUP" && is_hangup_ignored() {
            continue;
        }
        let home = home();
        let line = "call pdf-to-text --url a.pdf --save-to out/a.txt --simulate --output ndjson --profiles";
        let args: Vec<&str> = line.split(' ').chain([r#"{"Simulate":{"seconds":60}}"#]).collect();
        let mut running = Pdfco::new(home.path()).folder(home.path()).args(&args).start();
        // An event of the job: it runs, and signals are listened to.
        assert!(running.first_line().starts_with('{'), "{signal}");
        assert_eq!(running.signalled(signal), Some(code), "{signal}");
        let left: Vec<_> = std::fs::read_dir(home.path())
            .unwrap()
            .chain(std::fs::read_dir(home.path().join("out")).into_iter().flatten())
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().ends_with(".part"))
            .collect();
        assert!(left.is_empty(), "{signal}: {left:?}");
    }
}
