//! `pdfco simulate`: the service, offline, on a port of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::api::Pace;
use crate::cli::exit_code::SUCCESS;
use crate::cli::output::Printer;
use crate::cli::session::signalled;
use crate::cli::simulators::{USUAL_LIFE, announce};
use crate::cli::value_parsers::plain_seconds;
use crate::config::{Config, Origin};
use crate::error::Result;
use crate::simulator::{CallbackBody, Callbacks, Charging, DEFAULT_KEY, Failure, Life, Options, Shape, spawn};

/// Examples of `--help`.
pub const EXAMPLES: &str = "Examples:
  pdfco simulate
  pdfco simulate --port 8910 --seconds 6 --rate-limit 2     about as fast as the service on the free plan
  pdfco simulate --shape link --charge flat                 answers in another of the shapes that sources show
  pdfco simulate --json                                     the address and the key as one line of JSON

Faults on request: POST /simulator/faults takes {\"path_prefix\": \"/v1/job/check\", \"times\": 2, \"kind\": \"status\", \"code\": 503}
as application/json. A prefix that starts with * matches anywhere in the path. Kinds, and the fields that they know:
  status (code, retry_after, body), html (code), invalid_json, wrong_types, huge_body and gzip_bomb (bytes),
  redirect_to (location), clock (seconds ahead), slow, stall_headers and stall_body (seconds), truncate,
  lose_answer, reset, bad_chunks, garbage
GET /simulator/stats counts the requests.";

/// Standard deviation of the logarithm of a job's seconds, as seen with the service.
const SIGMA: f64 = 0.8;

/// Flags of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Credits that each key starts with
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    credits: i64,
    /// A job is done after so many checks, however long they take
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    checks: Option<u32>,
    /// Half of the jobs are done after so many seconds; they differ as those of the service do [default: about 1]
    #[arg(long, value_name = "MEDIAN", value_parser = plain_seconds)]
    seconds: Option<Duration>,
    /// Where results stand: as-asked, inline (in the answer), body (in the answer and behind a link), link
    #[arg(long, value_name = "SHAPE", default_value = "as-asked")]
    shape: Shape,
    /// What the pages of a job cost: per-page, flat
    #[arg(long, value_name = "MODEL", default_value = "per-page")]
    charge: Charging,
    /// How a failed job says so: word (`failed`), error (the documented error shape)
    #[arg(long, value_name = "FORM", default_value = "word")]
    failure: Failure,
    /// Content type of callbacks; empty for none
    #[arg(long, value_name = "MIME", default_value = "application/json")]
    callback_type: String,
    /// What a callback costs
    #[arg(long, value_name = "N", default_value_t = 2)]
    callback_credits: i64,
    /// What a callback says: check (as a check would), sync (a numeric status), unreadable
    #[arg(long, value_name = "BODY", default_value = "check")]
    callback_body: CallbackBody,
    /// A job is unknown for so long after its submit
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = plain_seconds)]
    unknown_seconds: Duration,
    /// A result is not there yet for so long after the job has ended
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = plain_seconds)]
    result_delay: Duration,
    /// The number of a workbook's first sheet: 0, 1
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=1))]
    first_sheet: i64,
}

/// Runs the simulator until a signal comes.
///
/// # Errors
/// As `simulator::spawn`.
pub async fn run(args: &SimulateArgs, config: &Config, printer: &Printer) -> Result<u8> {
    let limit = match config.pace {
        Pace::PerSecond(limit) if config.origin("PDFCO_RATE_LIMIT") == Origin::Flag => Some(limit),
        _ => None,
    };
    let life = match (args.seconds, args.checks) {
        (Some(median), _) => Life::Time { median, sigma: SIGMA },
        (None, Some(checks)) => Life::Checks(checks),
        (None, None) => USUAL_LIFE,
    };
    let options = Options {
        address: SocketAddr::new(args.host, args.port),
        credits: args.credits,
        requests_per_second: limit,
        life,
        shape: args.shape,
        charging: args.charge,
        failure: args.failure,
        callbacks: Callbacks {
            content_type: args.callback_type.clone(),
            credits: args.callback_credits,
            body: args.callback_body,
            ..Callbacks::default()
        },
        unknown_for: args.unknown_seconds,
        result_delay: args.result_delay,
        first_sheet: args.first_sheet,
        ..Options::default()
    };
    let simulator = spawn(options).await?;
    let url = simulator.url();
    // Before it is said where it runs: what is typed next finds it.
    let announced = announce(url, DEFAULT_KEY);
    if printer.is_human() {
        let set = if cfg!(windows) {
            format!("$env:PDFCO_BASE_URL='{url}'; $env:PDFCO_API_KEY='{DEFAULT_KEY}'")
        } else {
            format!("export PDFCO_BASE_URL={url} PDFCO_API_KEY={DEFAULT_KEY}")
        };
        printer.say(&format!(
            "The simulator listens on {url}\n\nIn another terminal:\n\n  {set}\n  pdfco call pdf-to-text --url report.pdf\n\nor, without these variables:\n\n  pdfco call pdf-to-text --url report.pdf --simulate\n\nAny key that starts with sim_ works; sim_broke has no credits. Ctrl-C ends it."
        ));
    } else {
        printer.line(&json!({"url": url, "key": DEFAULT_KEY}));
    }
    // Without its address a simulator is of no use.
    if !printer.lost_output() {
        signalled().await;
    }
    drop(announced);
    simulator.stop().await;
    Ok(SUCCESS)
}
