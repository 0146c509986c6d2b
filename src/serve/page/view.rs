//! What the page looks like: markup, made here once. The script puts pieces of newer copies of it in place.
//!
//! Pure functions of what is to be shown. Links of results, keys and markup from a job never get here; everything is
//! escaped, because names and reasons come from the service and from documents.

use maud::{DOCTYPE, Markup, html};

use crate::app::{Glance, Overview};

const TITLE: &str = "PDF.co jobs";
/// How often a browser without scripts loads the page again, in seconds.
const REFRESH_SECONDS: &str = "10";
/// The columns after the first.
const COLUMNS: &str = "6";

/// Whose page it is, and which one.
pub struct Scene {
    /// The jobs are those of the server's own key.
    pub is_server: bool,
    /// Everybody on this machine sees it.
    pub is_open_to_all: bool,
    /// The first page, which holds the newest jobs.
    pub is_first: bool,
}

/// The page of jobs.
pub fn jobs(overview: &Overview, scene: &Scene) -> String {
    let running = overview.jobs.iter().filter(|job| !job.is_terminal).count();
    let title = if running > 0 { format!("{running} running · {TITLE}") } else { TITLE.to_owned() };
    let refresh = html! { noscript { meta http-equiv="refresh" content=(REFRESH_SECONDS); } };
    let body = html! {
        header {
            h1 { (TITLE) }
            div.whose {
                span { @if scene.is_server { "The server’s key" } @else { "Your key" } }
                @if scene.is_open_to_all {
                    a href="session" { "Use another key" }
                } @else {
                    form method="post" action="session/end" { button.quiet type="submit" { "Log out" } }
                }
            }
        }
        main #jobs-page {
            (account(overview))
            div #list { @if overview.jobs.is_empty() { (nothing(scene)) } @else { (table(overview)) } }
            nav #pager aria-label="Pages" {
                @if !scene.is_first { a href="./" { "Newest jobs" } }
                @if let Some(cursor) = &overview.next_cursor { a href={ "./?after=" (cursor) } rel="next" { "Older jobs" } }
            }
            p #updates .unseen role="status" {}
        }
        footer {
            p #live { noscript { "This page loads itself again every " (REFRESH_SECONDS) " s." } }
            p { "Viewing this page costs nothing: it shows what is known here and makes no check." }
            p.version { "pdfco " (env!("CARGO_PKG_VERSION")) }
        }
    };
    page(&title, refresh, body)
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
    page(TITLE, html! {}, body)
}

/// The page when there is none.
pub fn trouble(message: &str, hint: &str) -> String {
    let body = html! {
        main.narrow {
            h1 { (TITLE) }
            p role="alert" { (message) }
            p.hint { (hint) }
            p { a href="./" { "Newest jobs" } }
        }
    };
    page(TITLE, html! {}, body)
}

fn page(title: &str, head: Markup, body: Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" type="image/svg+xml" href="page/icon.svg";
                link rel="stylesheet" href="page/style.css";
                script defer src="page/script.js" {}
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
fn nothing(scene: &Scene) -> Markup {
    html! {
        div.empty {
            @if scene.is_first {
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
fn table(overview: &Overview) -> Markup {
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
            @for job in &overview.jobs { (row(job)) }
        }
    }
}

fn row(job: &Glance) -> Markup {
    let state = known_state(&job.status);
    html! {
        tbody id={ "job-" (job.intent_id) } role="rowgroup" data-state=(state) {
            tr role="row" {
                td role="cell" data-label="State" {
                    span class={ "state " (state) } { (job.status) }
                    @if let Some(word) = &job.unrecognized_status { " (" (word) ")" }
                }
                th.operation scope="row" role="rowheader" data-label="Operation" {
                    @match &job.operation { Some(name) => (name), None => { span.faint { "not submitted here" } } }
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

/// A time in UTC, which the script shows in the reader's own zone.
fn time(rfc3339: &str) -> Markup {
    let words = rfc3339.replace('T', " ").replace('Z', " UTC");
    html! { time datetime=(rfc3339) { (words) } }
}

/// The state as the style sheet names it; `other` for one that it does not know.
fn known_state(status: &str) -> &'static str {
    ["queued", "working", "success", "failed", "aborted", "unknown", "cancelled"]
        .into_iter()
        .find(|known| *known == status)
        .unwrap_or("other")
}

/// `12345678` as `12 345 678`, with spaces that do not break.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    if number < 0 {
        text.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A duration in the two units that matter. `script.js` spells the seconds of running jobs the same way.
fn spelled(seconds: f64) -> String {
    let whole = seconds.max(0.0).floor() as u64;
    match whole {
        _ if whole < 10 && seconds >= 0.05 && seconds.fract() != 0.0 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::FileGlance;

    #[test]
    fn durations_and_numbers_are_spelled_for_people() {
        for (seconds, expected) in [
            (0.0, "0 s"),
            (0.04, "0 s"),
            (0.44, "0.4 s"),
            (9.96, "10.0 s"),
            (12.7, "12 s"),
            (61.0, "1 min 01 s"),
            (3_725.0, "1 h 02 min"),
            (190_000.0, "2 d 04 h"),
            (-1.0, "0 s"),
        ] {
            assert_eq!(spelled(seconds), expected);
        }
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1\u{202f}000"), (-1_234_567, "−1\u{202f}234\u{202f}567")]
        {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn nothing_in_a_job_becomes_markup() {
        let hostile = |place: &str| format!("\"><script>alert('{place}')</script><img src=x onerror=alert(1)>&amp;");
        let job = Glance {
            intent_id: crate::jobs::IntentId::from_stored(hostile("intent")),
            job_id: hostile("id"),
            operation: Some(hostile("operation")),
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
        };
        let scene = Scene { is_server: false, is_open_to_all: false, is_first: true };
        for shown in [
            jobs(&overview, &scene),
            form(true, false, Some(&hostile("message"))),
            trouble(&hostile("message"), &hostile("hint")),
        ] {
            assert_eq!(shown.matches("<script").count(), 1, "only our own: {shown}");
            let all = shown.matches("alert('").count();
            assert!(all > 0 && !shown.contains("<img"), "{shown}");
            assert_eq!(shown.matches("&quot;&gt;&lt;script&gt;alert('").count(), all, "{shown}");
        }
    }
}
