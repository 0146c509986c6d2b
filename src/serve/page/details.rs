//! The page of one job: what was asked, what happened when, what it cost, and what it made.

use maud::{Markup, html};

use super::words::{grouped, known_state, spelled, time};
use crate::app::JobDetails;

/// The page's main part. `may_fetch` offers the files through this server.
pub fn job(details: &JobDetails, may_fetch: bool) -> Markup {
    let job = &details.glance;
    html! {
        main #job-page {
            p { a href="../" { "All jobs" } }
            h2.job {
                span class={ "state " (known_state(&job.status)) } { (job.status) @if let Some(word) = &job.unrecognized_status { " (" (word) ")" } }
                " " (job.operation.as_deref().unwrap_or("not submitted here"))
            }
            @if let Some(document) = &job.document { p.document { (document) } }
            (parts(details))
            @if !job.files.is_empty() { (files(details, may_fetch)) }
            @if let Some(preview) = &details.preview {
                section aria-label="Start of the text" {
                    h3 { "Start of the text" }
                    pre.text { (preview.text) }
                    p.faint {
                        (grouped(i64::try_from(preview.total_chars).unwrap_or(i64::MAX))) " characters in all; it comes from a document."
                    }
                }
            }
        }
    }
}

/// What is recorded of a job, but for its files: reason, times, charges, arguments.
fn parts(details: &JobDetails) -> Markup {
    let job = &details.glance;
    html! {
        @if let Some(reason) = &job.reason { p.reason { (reason) } }
        dl.facts {
            (fact("Job", html! { code { (job.job_id) } }))
            (fact("Took", html! { (spelled(job.elapsed_seconds)) @if !job.is_terminal { " so far" } }))
            @if let Some(pages) = details.page_count { (fact("Pages", html! { (grouped(pages)) })) }
            @if let Some(id) = &details.client_request_id { (fact("Request id", html! { code { (id) } })) }
        }
        section aria-label="What happened" {
            h3 { "What happened" }
            ol.timeline {
                @for (at, what) in &details.timeline { li { (time(at)) " " span { (what) } } }
            }
            p.faint { (grouped(job.checks_made)) @if job.checks_made == 1 { " check was paid for." } @else { " checks were paid for." } }
        }
        section aria-label="Charges" {
            h3 { "Charges" }
            table.numbers {
                tbody {
                    (charge("Submit", details.submit_credits))
                    @let is_refunded = details.check_credits.is_some_and(|credits| credits < 0);
                    (charge(if is_refunded { "Checks and refund" } else { "Checks" }, details.check_credits))
                    (charge("In all", job.credits_total))
                    (charge("Balance afterwards", details.balance))
                }
            }
        }
        section aria-label="Arguments" {
            h3 { "Arguments" }
            @if details.arguments.is_null() { p.faint { "Not known: the job was submitted elsewhere." } }
            @else { pre { (serde_json::to_string_pretty(&details.arguments).unwrap_or_default()) } }
        }
    }
}

/// The same of one job of several, folded up below a line that names it.
pub fn folded(details: &JobDetails) -> Markup {
    let job = &details.glance;
    html! {
        details {
            summary {
                span class={ "state " (known_state(&job.status)) } { (job.status) }
                " " (job.operation.as_deref().unwrap_or("not submitted here"))
                @if let Some(document) = &job.document { " · " (document) }
                " · " (time(&job.submitted_at))
            }
            (parts(details))
            @if !job.files.is_empty() { (files(details, false)) }
        }
    }
}

fn files(details: &JobDetails, may_fetch: bool) -> Markup {
    let job = &details.glance;
    html! {
        section aria-label="Files" {
            h3 { "Files" }
            ul.files {
                @for (index, file) in job.files.iter().enumerate() {
                    li {
                        @if may_fetch && details.has_links {
                            a href={ (segment(&job.job_id)) "/files/" (index) } download=(file.name) { (file.name) }
                        } @else { (file.name) }
                        @if let Some(path) = &file.saved_to { span.faint { " saved to " (path) } }
                    }
                }
            }
            @if !details.has_links { p.faint { "The links have expired; what was saved is where it was saved." } }
        }
    }
}

/// An id as a part of a path.
pub fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn fact(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn charge(name: &str, credits: Option<i64>) -> Markup {
    html! {
        tr {
            th scope="row" { (name) }
            td.number { @match credits { Some(credits) => (grouped(credits)), None => span.faint { "not reported" } } }
        }
    }
}
