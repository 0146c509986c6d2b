//! What can be known before paying is known before paying: names, folders, several files, places that cannot be written.

use crate::support::command::Shared;

const REPORT: &str = "fixtures/documents/report.pdf";

#[test]
fn a_result_that_is_there_already_is_not_paid_for_again() {
    let shared = Shared::start(&["--checks", "0"]);
    let balance = || shared.call(&["credits", "--json"]).run().code(0).envelope()["data"]["credits_remaining"].clone();
    for operation in [
        &["pdf-to-text"][..],
        &["pdf-to-xlsx"],
        &["pdf-to-xls"],
        &["pdf-to-tiff"],
        &["pdf-rotate", "--angle", "90"],
        &["pdf-to-png"],
        &["pdf-to-jpg"],
        &["pdf-to-webp"],
        &["pdf-split", "--pages", "1-2,3"],
        &["pdf-to-text", "--name", "r.txt"],
        &["pdf-to-png", "--name", "r"],
        &["pdf-info-reader"],
        &["read-pdf-forms-info"],
        &["barcode-read"],
        &["document-classifier"],
        &["ai-invoice-parser"],
    ] {
        let folder = format!("{}/", shared.path(&operation.join("_")));
        let save = |more: &[&str]| {
            let args = [&["call"][..], operation, &["--url", REPORT, "--save-to", &folder], more].concat();
            shared.call(&args).run()
        };
        save(&[]).code(0);
        let before = balance();
        save(&[]).code(2).complains("exists already");
        assert_eq!(balance(), before, "{operation:?}");
        save(&["--overwrite"]).code(0);
        assert_ne!(balance(), before, "{operation:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_that_cannot_be_written_is_refused_before_paying() {
    let shared = Shared::start(&["--checks", "0"]);
    let balance = || shared.call(&["credits", "--json"]).run().code(0).envelope()["data"]["credits_remaining"].clone();
    let before = balance();
    for operation in ["pdf-to-text", "pdf-to-png", "pdf-info-reader"] {
        let args = ["call", operation, "--url", REPORT, "--save-to", "/proc/no-such-folder/"];
        shared.call(&args).run().code(2).complains("cannot be written");
        assert_eq!(balance(), before, "{operation}");
    }
    let many = ["call", "pdf-to-text", "--url", REPORT, "fixtures/documents/invoice.pdf", "--save-to", "/proc/none/"];
    shared.call(&many).run();
    assert_eq!(balance(), before, "a batch");
    // Trying leaves nothing behind.
    let folder = shared.path("deep/er/");
    let refused = shared.call(&["call", "pdf-to-text", "--url", "no-such.pdf", "--save-to", &folder]).run();
    refused.code(2);
    assert!(!std::path::Path::new(&shared.path("deep")).exists());
}

#[test]
fn a_documented_reason_of_a_failure_says_what_to_do() {
    let shared = Shared::start(&["--checks", "0"]);
    let locked = shared.call(&["call", "pdf-to-text", "--url", "fixtures/documents/locked.pdf"]).run();
    let locked = locked.code(1);
    assert!(locked.stderr.contains("password") && !locked.stderr.contains("Change the arguments"), "{locked:#?}");
}

#[test]
fn data_that_is_there_already_is_not_paid_for_in_any_shape() {
    for shape in ["as-asked", "inline", "body", "link"] {
        let shared = Shared::start(&["--checks", "0", "--shape", shape]);
        let balance =
            || shared.call(&["credits", "--json"]).run().code(0).envelope()["data"]["credits_remaining"].clone();
        let folder = format!("{}/", shared.path("out"));
        let one = ["call", "pdf-info-reader", "--url", REPORT, "--save-to", &folder];
        shared.call(&one).run().code(0);
        let written = std::fs::read_to_string(shared.path("out/report.json")).unwrap();
        assert!(written.contains("PageCount"), "{shape}: {written}");
        let before = balance();
        shared.call(&one).run().code(2).complains("exists already");
        let invoice = "fixtures/documents/invoice.pdf";
        let many = ["call", "barcode-read", "--url", REPORT, invoice, "--save-to", &folder, "--json"];
        let ended = shared.call(&many).run();
        let lines = ended.envelope()["data"]["items"].clone();
        assert!(lines[0].to_string().contains("exists already"), "{shape}: {lines}");
        assert!(std::path::Path::new(&shared.path("out/invoice.json")).exists(), "{shape}: {lines}");
        let spent = before.as_i64().unwrap() - balance().as_i64().unwrap();
        assert!((37..=7 + 35 + 4).contains(&spent), "{shape}: one document is paid for: {spent}");
    }
}
