//! `pdfco audit`: calls that spent or wrote something, or were refused.

use clap::Args;
use serde_json::json;

use crate::cli::report::Report;
use crate::cli::session::CliSession;
use crate::cli::table::Table;
use crate::cli::tenant_args::TenantArgs;
use crate::cli::value_parsers::since;
use crate::clock::{Millis, rfc3339};
use crate::error::Result;
use crate::jobs::ledger::AuditFilter;

/// Examples of `audit --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco audit --since 24h\n  pdfco audit --subject 00u1x2 --since 7d --json | jq '[.data.items[].credits] | add'\n  pdfco audit --refused\n\nA tenant is shown as the ledger keeps it; --subject and --own-key find one by name. Commands of this command line are not written down.";

/// Flags of `audit`.
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    who: TenantArgs,
    /// Only calls since this time: a date, a time (RFC 3339), or an age such as 90m, 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Millis>,
    /// Only calls of this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only calls about this job
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// Only calls with this outcome: success, or the kind of an error
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
    /// Only calls that did not succeed
    #[arg(long, conflicts_with = "outcome")]
    refused: bool,
    /// Most calls to list, newest first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// `pdfco audit`.
///
/// # Errors
/// When the ledger cannot be read; as [`TenantArgs::meant`].
pub async fn run(session: &CliSession, args: &AuditArgs) -> Result<Report> {
    let filter = AuditFilter {
        since: args.since,
        tenant: args.who.meant(session).await?.map(|meant| meant.stored),
        tool: args.tool.clone(),
        job_id: args.job.clone(),
        outcome: args.outcome.clone(),
        is_refused: args.refused,
    };
    // One more shows whether there are more.
    let mut rows = session.app.jobs().ledger().audited(&filter, args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let table = Table {
        header: vec!["at", "tenant", "client", "tool", "operation", "job_id", "status", "credits"],
        rows: rows
            .iter()
            .map(|row| {
                vec![
                    rfc3339(row.at),
                    row.tenant.clone(),
                    row.client.clone(),
                    row.tool.clone(),
                    word(&row.operation),
                    word(&row.job_id),
                    row.outcome.clone(),
                    row.credits.map_or_else(|| "-".to_owned(), |credits| credits.to_string()),
                ]
            })
            .collect(),
        spare: &["client", "operation", "tenant", "job_id"],
    };
    let items: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "at": rfc3339(row.at), "tenant": row.tenant, "account": row.account, "client": row.client, "tool": row.tool,
                "operation": row.operation, "job_id": row.job_id, "outcome": row.outcome, "credits": row.credits,
            })
        })
        .collect();
    let total = items.len();
    let mut report = Report::list(items, total, table, "no calls recorded", "call");
    if has_more {
        report.notes.push(format!("More than {limit} calls; --since and --limit show others."));
    }
    if let Some(data) = report.data.as_object_mut() {
        data.insert("has_more".to_owned(), json!(has_more));
    }
    Ok(report)
}
