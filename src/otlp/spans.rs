//! Spans of our own for a collector, under the conventional names where there are any.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanBuilder, SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span, SpanData, SpanProcessor};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Registry;

use crate::text::shorten;

/// Longest value of an attribute, in characters.
const VALUE_CHARS_MAX: usize = 200;
/// The span of a tool call, which is what a client asked for.
const CALL: &str = "call";
/// The span of a request to the service.
const REQUEST: &str = "request";
const TRACEPARENT: &str = "traceparent";

/// What collects spans, without places in the source, threads and timings.
pub(super) fn layer(tracer: SdkTracer) -> OpenTelemetryLayer<Registry, Asked> {
    tracing_opentelemetry::layer()
        .with_tracer(Asked(tracer))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
}

/// Starts a span that has no parent here in the trace that its `traceparent` names.
pub(super) struct Asked(SdkTracer);

impl Tracer for Asked {
    type Span = Span;

    fn build_with_context(&self, span: SpanBuilder, parent: &Context) -> Span {
        let named = span.attributes.iter().flatten().find(|field| field.key.as_str() == TRACEPARENT);
        let Some(named) = named.filter(|_| !parent.has_active_span()) else {
            return self.0.build_with_context(span, parent);
        };
        let named = HashMap::from([(TRACEPARENT.to_owned(), named.value.as_str().into_owned())]);
        self.0.build_with_context(span, &TraceContextPropagator::new().extract_with_context(parent, &named))
    }
}

/// Hands spans on with the names that a collector knows them by, before they wait to be sent.
#[derive(Debug)]
pub(super) struct Named<P>(pub(super) P);

impl<P: SpanProcessor> SpanProcessor for Named<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.0.on_end(named(span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn named(mut span: SpanData) -> SpanData {
    let fields = std::mem::take(&mut span.attributes);
    span.attributes = fields.iter().filter_map(attribute).collect();
    let tool = fields.iter().find(|field| field.key.as_str() == "tool");
    match (span.name.as_ref(), tool) {
        (CALL, Some(tool)) => {
            span.name = format!("tools/call {}", tool.value).into();
            span.span_kind = SpanKind::Server;
            span.attributes.push(KeyValue::new("mcp.method.name", "tools/call"));
        }
        (REQUEST, _) => span.span_kind = SpanKind::Client,
        _ => {}
    }
    span
}

/// A field as an attribute; none for one that says nothing, and for the trace, which is no attribute.
fn attribute(field: &KeyValue) -> Option<KeyValue> {
    let value = field.value.as_str();
    let name = match field.key.as_str() {
        _ if value.is_empty() => return None,
        TRACEPARENT => return None,
        "tool" => "gen_ai.tool.name".to_owned(),
        "request" => "jsonrpc.request.id".to_owned(),
        other => format!("pdfco.{other}"),
    };
    Some(KeyValue::new(name, shorten(&value, VALUE_CHARS_MAX)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SimpleSpanProcessor, SpanExporter};
    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Ended(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Ended {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().extend(batch);
            Ok(())
        }
    }

    #[test]
    fn spans_are_of_the_trace_that_they_were_asked_in() {
        let ended = Ended::default();
        let processor = Named(SimpleSpanProcessor::new(ended.clone()));
        let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).with_span_processor(processor);
        let tracer = provider.build().tracer("test");
        let (trace, long) = ("0af7651916cd43dd8448eb211c80319c", "x".repeat(1_000));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer(tracer)), || {
            let asked = format!("00-{trace}-b7ad6b7169203331-00");
            let call = tracing::info_span!("call", tool = "a_tool", request = %long, traceparent = asked.as_str());
            let _entered = call.entered();
            let operation = tracing::field::Empty;
            let inner = tracing::info_span!("wait", job_id = "J1", operation).entered();
            inner.record("operation", "pdf_to_text");
        });
        let ended = ended.0.lock();
        let (inner, call) = (&ended[0], &ended[1]);
        assert_eq!((call.name.as_ref(), &call.span_kind), ("tools/call a_tool", &SpanKind::Server));
        assert_eq!(call.span_context.trace_id().to_string(), trace);
        assert_eq!(call.parent_span_id.to_string(), "b7ad6b7169203331");
        assert_eq!(
            (inner.span_context.trace_id(), inner.parent_span_id),
            (call.span_context.trace_id(), call.span_context.span_id())
        );
        let of = |span: &SpanData, name: &str| {
            span.attributes.iter().find(|field| field.key.as_str() == name).map(|field| field.value.to_string())
        };
        assert_eq!(of(inner, "pdfco.job_id").as_deref(), Some("J1"));
        assert_eq!(of(inner, "pdfco.operation").as_deref(), Some("pdf_to_text"));
        assert_eq!(of(call, "jsonrpc.request.id").unwrap().chars().count(), VALUE_CHARS_MAX + 1);
        assert_eq!((call.attributes.len(), inner.attributes.len(), call.events.len()), (3, 2, 0), "{call:?}");
    }
}
