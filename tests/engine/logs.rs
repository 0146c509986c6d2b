//! What a log line can say about a job: the spans of a run, with whose job it is, which, and of what operation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::product::{Product, invoice_text, request};
use pdfco::simulator;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// A span: its name, then its fields with what they are called in the log.
#[derive(Clone, Debug, Default)]
struct Span {
    name: String,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Span {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// Keeps every span of the product.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Span>>>);

/// Where a span is in the list.
struct Index(usize);

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes.metadata().target().starts_with("pdfco") {
            return;
        }
        let mut span = Span { name: attributes.metadata().name().to_owned(), ..Span::default() };
        attributes.record(&mut span);
        let mut spans = self.0.lock().unwrap();
        context.span(id).unwrap().extensions_mut().insert(Index(spans.len()));
        spans.push(span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(Index(index)) = context.span(id).unwrap().extensions().get::<Index>() {
            values.record(&mut self.0.lock().unwrap()[*index]);
        }
    }
}

/// The spans of one job's way through the product: uploaded, submitted, waited for, checked and downloaded.
#[tokio::test]
async fn every_span_of_a_job_names_job_operation_and_tenant() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let service = simulator::spawn(simulator::Options::default()).await.unwrap();
    let product = Product::new(service.url(), "sim_logs");
    let (app, caller) = (&product.app, &product.caller);

    let submit = request("pdf_to_text", invoice_text(json!({"checks": 1})), Duration::ZERO);
    let id = app.submit(caller, submit).await.unwrap().job.unwrap().job_id;
    app.wait(caller, &id, Some(Duration::from_secs(20)), None).await.unwrap();
    app.check(caller, &id, true).await.unwrap();
    app.download(caller, &id, None, false).await.unwrap();

    let spans = spans.0.lock().unwrap();
    let tenant = caller.owner.tenant.to_string();
    let with = |name: &str, what: Option<&str>| -> Vec<&Span> {
        let is_it = |span: &&Span| span.name == name && span.fields.get("what").map(String::as_str) == what;
        spans.iter().filter(is_it).collect()
    };
    for (name, what) in [
        ("upload", None),
        ("submit", None),
        ("wait", None),
        ("job", Some("poll")),
        ("job", Some("check")),
        ("job", Some("download")),
    ] {
        let found = with(name, what);
        assert!(!found.is_empty(), "{name} {what:?} has no span: {spans:#?}");
        for span in found {
            assert_eq!(span.fields.get("tenant"), Some(&tenant), "{span:?}");
            assert_eq!(span.fields.get("operation").map(String::as_str), Some("pdf_to_text"), "{span:?}");
            let job_id = span.fields.get("job_id").map(String::as_str);
            match name {
                // There is no job yet.
                "upload" => assert_eq!(job_id, None),
                // Before the service has named the job, it goes by our own id.
                "submit" => assert!(job_id.is_some_and(|id| id.starts_with("local-")), "{span:?}"),
                _ => assert_eq!(job_id, Some(id.as_str()), "{span:?}"),
            }
        }
    }
}
