//! The markup of the page, made here once. The script puts pieces of newer copies of it in place.
//!
//! Pure functions of what is to be shown. Links of results, keys and markup from a job never get here; everything is
//! escaped, because names and reasons come from the service and from documents.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::asked::Asked;
use super::words::{grouped, known_state, spelled, time};
use super::{chart, details};
use crate::app::{Glance, JobDetails, Overview, states};

const TITLE: &str = "PDF.co jobs";
/// How often a browser without scripts loads the page again, in seconds.
const REFRESH_SECONDS: &str = "10";
/// The columns after the first.
const COLUMNS: &str = "6";

/// Where the page is below the root: what its relative links begin with.
pub const AT_ROOT: &str = "";
/// Where pages of one job are.
pub const AT_JOB: &str = "../";

/// Whose page it is, and which one.
pub struct Scene<'a> {
    /// The jobs are those of the server's own key.
    pub is_server: bool,
    /// Everybody on this machine sees it.
    pub is_open_to_all: bool,
    /// Which jobs were asked for.
    pub asked: &'a Asked,
}

/// The page of jobs.
pub fn jobs(overview: &Overview, scene: &Scene<'_>) -> String {
    let running = overview.jobs.iter().filter(|job| !job.is_terminal).count();
    let title = if running > 0 { format!("{running} running · {TITLE}") } else { TITLE.to_owned() };
    let refresh = html! { noscript { meta http-equiv="refresh" content=(REFRESH_SECONDS); } };
    let body = html! {
        (top(scene, AT_ROOT))
        main #jobs-page {
            (account(overview))
            (chart::spending(&overview.spending))
            (filters(overview, scene.asked))
            div #list { @if overview.jobs.is_empty() { (nothing(scene)) } @else { (table(overview, true)) } }
            nav #pager aria-label="Pages" {
                @if !scene.asked.is_first() { a href={ "./" (scene.asked.query(None)) } { "Newest jobs" } }
                @if let Some(cursor) = &overview.next_cursor { a href={ "./" (scene.asked.query(Some(cursor))) } rel="next" { "Older jobs" } }
            }
            p #updates .unseen role="status" {}
        }
        footer {
            p #live { noscript { "This page loads itself again every " (REFRESH_SECONDS) " s." } }
            p { "Viewing this page costs nothing: it shows what is known here and makes no check." }
            p.version { "pdfco " (env!("CARGO_PKG_VERSION")) }
        }
    };
    page(&title, AT_ROOT, refresh, body)
}

/// The page of one job. While the job runs it loads itself again, with scripts or without.
pub fn job(found: &JobDetails, scene: &Scene<'_>) -> String {
    let glance = &found.glance;
    let title = format!("{} · {} · {TITLE}", glance.status, glance.operation.as_deref().unwrap_or(&glance.job_id));
    let refresh = html! { @if !glance.is_terminal { meta http-equiv="refresh" content=(REFRESH_SECONDS); } };
    let body = html! {
        (top(scene, AT_JOB))
        (details::job(found, true))
        footer {
            @if !glance.is_terminal { p { "This page loads itself again every " (REFRESH_SECONDS) " s." } }
            p { "Looking at this page costs nothing: it shows what is known here and makes no check." }
            p.version { "pdfco " (env!("CARGO_PKG_VERSION")) }
        }
    };
    page(&title, AT_JOB, refresh, body)
}

/// Jobs in one file that needs no other: for mail, and for what a pipeline keeps. Those in `found` with all that is
/// recorded of them.
pub fn report(overview: &Overview, found: &[JobDetails], about: &str, made_at: &str, style: &str) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (about_page(TITLE))
                style { (PreEscaped(style)) }
            }
            body {
                header { h1 { (TITLE) } div.whose { (about) } }
                main {
                    (account(overview))
                    (chart::spending(&overview.spending))
                    div #list { @if overview.jobs.is_empty() { div.empty { h2 { "No jobs" } } } @else { (table(overview, false)) } }
                    @if overview.next_cursor.is_some() {
                        p.faint { (grouped(i64::try_from(overview.jobs.len()).unwrap_or(i64::MAX))) " of " (grouped(overview.total)) " jobs are shown, the newest." }
                    }
                    @if !found.is_empty() {
                        section #each aria-label="Each job" {
                            h2 { "Each job" }
                            @for job in found { (details::folded(job)) }
                            @if found.len() < overview.jobs.len() { p.faint { "The newest " (grouped(i64::try_from(found.len()).unwrap_or(i64::MAX))) " are here." } }
                        }
                    }
                }
                footer { p { "Made " (time(made_at)) } p.version { "pdfco " (env!("CARGO_PKG_VERSION")) } }
            }
        }
    }
    .into_string()
}

fn top(scene: &Scene<'_>, up: &str) -> Markup {
    html! {
        header {
            h1 { (TITLE) }
            div.whose {
                span { @if scene.is_server { "The server’s key" } @else { "Your key" } }
                @if scene.is_open_to_all {
                    a href={ (up) "session" } { "Use another key" }
                } @else {
                    form method="post" action={ (up) "session/end" } { button.quiet type="submit" { "Log out" } }
                }
            }
        }
    }
}

/// Which jobs to show: a form that needs no script.
fn filters(overview: &Overview, asked: &Asked) -> Markup {
    let of_spending = overview.spending.iter().map(|row| row.operation.as_str());
    let of_jobs = overview.jobs.iter().filter_map(|job| job.operation.as_deref());
    let mut operations: Vec<&str> = of_spending.chain(of_jobs).chain([asked.operation.as_str()]).collect();
    operations.retain(|name| !name.is_empty() && *name != "job_check");
    operations.sort_unstable();
    operations.dedup();
    html! {
        form #filters method="get" action="./" role="search" {
            label { "State" select name="status" {
                option value="" { "any" }
                @for word in states() {
                    option value=(word) selected[asked.status == word] { (word) }
                }
            } }
            label { "Operation" select name="operation" {
                option value="" { "any" }
                @for name in operations { option value=(name) selected[asked.operation == name] { (name) } }
            } }
            label { "Since" input type="date" name="since" value=(asked.since); }
            label { "Document" input type="search" name="document" value=(asked.document) maxlength="200" placeholder="part of its name"; }
            button.quiet type="submit" { "Show" }
            @if asked.is_filtered() { a href="./" { "All jobs" } }
        }
    }
}

/// The form that asks who is there.
pub fn form(has_token: bool, has_key: bool, message: Option<&str>) -> String {
    let body = html! {
        main.narrow {
            h1 { (TITLE) }
            form #enter method="post" action="session" autocomplete="off" {
                p #message role="alert" { @if let Some(message) = message { (message) } }
                @if has_token {
                    label for="token" { "Server’s token" }
                    input #token name="token" type="password" autocomplete="off" spellcheck="false" required
                        aria-describedby="about-token" autofocus;
                    p.hint #about-token { "PDFCO_HTTP_TOKEN, from the operator of this server." }
                }
                label for="key" { "PDF.co API key" @if has_key { span.optional { " (optional)" } } }
                input #key name="key" type="password" autocomplete="off" spellcheck="false" required[!has_key]
                    aria-describedby="about-key" autofocus[!has_token];
                p.hint #about-key {
                    @if has_key { "Leave it empty for the jobs of the server’s own key. " }
                    "The key finds its jobs. It is not kept and not passed on."
                }
                button type="submit" { "Show jobs" }
            }
        }
    };
    page(TITLE, AT_ROOT, html! {}, body)
}

/// The page when there is none; `up` leads to the root.
pub fn trouble(message: &str, hint: &str, up: &str) -> String {
    let body = html! {
        main.narrow {
            h1 { (TITLE) }
            p role="alert" { (message) }
            p.hint { (hint) }
            p { a href={ "./" (up) } { "Newest jobs" } }
        }
    };
    page(TITLE, up, html! {}, body)
}

/// What every page says of itself.
fn about_page(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (title) }
    }
}

fn page(title: &str, up: &str, head: Markup, body: Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (about_page(title))
                link rel="icon" type="image/svg+xml" href={ (up) "page/icon.svg" };
                link rel="stylesheet" href={ (up) "page/style.css" };
                script defer src={ (up) "page/script.js" } {}
                (head)
            }
            body { (body) }
        }
    }
    .into_string()
}

fn account(overview: &Overview) -> Markup {
    html! {
        dl #account {
            @if let Some((message, hint)) = &overview.problem {
                div.problem role="alert" { dt { "Nothing can be submitted now" } dd { strong { (message) } small { (hint) } } }
            }
            div {
                dt { "Credits left" }
                dd {
                    @match &overview.balance {
                        Some((credits, as_of)) => {
                            strong { (grouped(*credits)) }
                            small { "as of " (time(as_of)) }
                        }
                        None => { strong { "–" } small { "not reported yet" } }
                    }
                }
            }
            div { dt { "Spent today" } dd { strong { (grouped(overview.spent_today)) } small { "credits, UTC day, from here" } } }
            div { dt { "Jobs" } dd { strong { (grouped(overview.total)) } small { "remembered here" } } }
        }
    }
}

/// The page of a caller who has no job yet.
fn nothing(scene: &Scene<'_>) -> Markup {
    html! {
        div.empty {
            @if scene.asked.is_filtered() {
                h2 { "No such jobs" }
                p { a href="./" { "All jobs" } }
            } @else if scene.asked.is_first() {
                h2 { "No jobs yet" }
                p { "Submit one on the server’s machine, with the same key:" }
                p { code { "pdfco call pdf-to-text --url report.pdf --background" } }
                p { "or ask an assistant that is connected to this server to convert a document. It will appear here." }
                @if !scene.is_server { p.hint { "If you expected jobs, look at the key again: another key has other jobs." } }
            } @else {
                h2 { "No older jobs" }
            }
        }
    }
}

// The roles say what the elements are anyway; browsers forget it when narrow windows show rows as cards.
fn table(overview: &Overview, has_pages: bool) -> Markup {
    html! {
        table #jobs role="table" {
            caption { "Jobs, newest first" }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { "State" }
                    th scope="col" role="columnheader" { "Operation" }
                    th scope="col" role="columnheader" { "Job" }
                    th scope="col" role="columnheader" { "Submitted" }
                    th.number scope="col" role="columnheader" { "Took" }
                    th.number scope="col" role="columnheader" { "Checks" }
                    th.number scope="col" role="columnheader" { "Credits" }
                }
            }
            @for job in &overview.jobs { (row(job, has_pages)) }
        }
    }
}

fn row(job: &Glance, has_page: bool) -> Markup {
    let state = known_state(&job.status);
    let name =
        html! { @match &job.operation { Some(name) => (name), None => { span.faint { "not submitted here" } } } };
    html! {
        tbody id={ "job-" (job.intent_id) } role="rowgroup" data-state=(state) {
            tr role="row" {
                td role="cell" data-label="State" {
                    span class={ "state " (state) } { (job.status) }
                    @if let Some(word) = &job.unrecognized_status { " (" (word) ")" }
                }
                th.operation scope="row" role="rowheader" data-label="Operation" {
                    @if has_page { a href={ "jobs/" (details::segment(&job.job_id)) } { (name) } } @else { (name) }
                    @if let Some(document) = &job.document { " " small.document { (document) } }
                }
                td role="cell" data-label="Job" { code.id title=(job.job_id) { (job.job_id) } }
                td.when role="cell" data-label="Submitted" { (time(&job.submitted_at)) }
                td.number role="cell" data-label="Took" {
                    @if job.is_terminal { (spelled(job.elapsed_seconds)) }
                    @else { span data-elapsed=(job.elapsed_seconds.floor()) { (spelled(job.elapsed_seconds.floor())) } }
                }
                td.number role="cell" data-label="Checks" { (grouped(job.checks_made)) }
                td.number role="cell" data-label="Credits" { @match job.credits_total { Some(credits) => (grouped(credits)), None => "–" } }
            }
            @if job.reason.is_some() || !job.files.is_empty() || (!job.is_terminal && job.last_checked_at.is_some()) {
                tr.more role="row" {
                    td role="cell" {}
                    td role="cell" colspan=(COLUMNS) { (more(job)) }
                }
            }
        }
    }
}

/// The second line of a job: why it failed, what it made, when it was checked.
fn more(job: &Glance) -> Markup {
    html! {
        @if let Some(reason) = &job.reason { p.reason { (reason) } }
        @if !job.files.is_empty() {
            ul {
                @for file in &job.files {
                    li { (file.name) @if let Some(path) = &file.saved_to { span.faint { " saved to " (path) } } }
                }
            }
        }
        @if let Some(at) = job.last_checked_at.as_ref().filter(|_| !job.is_terminal) {
            p.faint { "Last check " (time(at)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{FileGlance, Spending};

    #[test]
    fn nothing_in_a_job_becomes_markup() {
        let hostile = |place: &str| format!("\"><script>alert('{place}')</script><img src=x onerror=alert(1)>&amp;");
        let job = Glance {
            intent_id: crate::jobs::IntentId::from_stored(hostile("intent")),
            job_id: hostile("id"),
            operation: Some(hostile("operation")),
            document: Some(hostile("document")),
            status: hostile("status"),
            unrecognized_status: Some(hostile("word")),
            is_terminal: true,
            submitted_at: hostile("submitted"),
            elapsed_seconds: f64::INFINITY,
            last_checked_at: Some(hostile("checked")),
            checks_made: i64::MIN,
            credits_total: Some(i64::MAX),
            reason: Some(hostile("reason")),
            files: vec![FileGlance { name: hostile("name"), saved_to: Some(hostile("path")) }],
        };
        let running = Glance { is_terminal: false, ..job.clone() };
        let overview = Overview {
            jobs: vec![job, running],
            total: 2,
            next_cursor: Some(hostile("cursor")),
            balance: Some((1, hostile("balance"))),
            spent_today: 0,
            spending: vec![Spending { day: hostile("day"), operation: hostile("name"), requests: 1, credits: 9 }],
            problem: Some((hostile("problem"), hostile("advice"))),
        };
        let asked = Asked {
            status: hostile("state"),
            operation: hostile("asked"),
            since: hostile("since"),
            document: hostile("part"),
            ..Asked::default()
        };
        let scene = Scene { is_server: false, is_open_to_all: false, asked: &asked };
        let found = JobDetails {
            glance: overview.jobs[0].clone(),
            arguments: serde_json::json!({"url": hostile("argument")}),
            timeline: vec![(hostile("at"), hostile("event"))],
            submit_credits: None,
            check_credits: Some(2),
            balance: None,
            page_count: Some(1),
            client_request_id: Some(hostile("request")),
            preview: Some(crate::files::page(&hostile("text"), 0, 500)),
            has_links: true,
        };
        for (shown, scripts) in [
            (jobs(&overview, &scene), 1),
            (super::job(&found, &scene), 1),
            (report(&overview, std::slice::from_ref(&found), &hostile("about"), &hostile("made"), "b {}"), 0),
            (form(true, false, Some(&hostile("message"))), 1),
            (trouble(&hostile("message"), &hostile("hint"), AT_ROOT), 1),
        ] {
            assert_eq!(shown.matches("<script").count(), scripts, "only our own: {shown}");
            let all = shown.matches("alert('").count();
            assert!(all > 0 && !shown.contains("<img"), "{shown}");
            let escaped = shown.matches("&quot;&gt;&lt;script&gt;alert('").count();
            assert_eq!(escaped, all, "{shown}");
        }
    }
}
