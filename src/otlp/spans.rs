//! Spans of our own, collected as they end.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value, json};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::value::{nanos, text};
use crate::text::shorten;

/// Spans that wait to be sent; more are lost.
const WAITING_MAX: usize = 4_096;
/// Longest value of an attribute, in characters.
const VALUE_CHARS_MAX: usize = 200;
/// The span of a tool call, which is what a client asked for.
const CALL: &str = "call";
/// The span of a request to the service.
const REQUEST: &str = "request";
const TRACEPARENT: &str = "traceparent";

/// See the head of this file. Copies share what they collect.
#[derive(Clone, Default)]
pub struct Spans(Arc<Mutex<VecDeque<Value>>>);

/// A span that has not ended.
struct Open {
    trace: String,
    id: String,
    parent: String,
    began: SystemTime,
    fields: Map<String, Value>,
}

impl Spans {
    /// Those of this process.
    pub fn shared() -> Spans {
        static SHARED: OnceLock<Spans> = OnceLock::new();
        SHARED.get_or_init(Spans::default).clone()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Value>> {
        self.0.lock()
    }

    fn is_full(&self) -> bool {
        self.waiting().len() >= WAITING_MAX
    }

    /// At most `most` of the spans that have ended, oldest first.
    pub(super) fn take(&self, most: usize) -> Vec<Value> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let named = fields.0.remove(TRACEPARENT);
        let own = random(8);
        let above = span.parent().and_then(|parent| {
            let extensions = parent.extensions();
            extensions.get::<Open>().map(|open| (open.trace.clone(), open.id.clone()))
        });
        let above = above.or_else(|| named.as_ref().and_then(Value::as_str).and_then(trace_and_parent));
        let (trace, parent) = above.unwrap_or_else(|| (random(16), String::new()));
        let open = Open { trace, id: own, parent, began: SystemTime::now(), fields: fields.0 };
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            open.fields.extend(fields.0);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        // It is made outside of the lock, and only where there is room for it.
        if self.is_full() {
            return;
        }
        let ended = open.ended(span.name());
        let mut waiting = self.waiting();
        if waiting.len() < WAITING_MAX {
            waiting.push_back(ended);
        }
    }
}

impl Open {
    /// The span as OTLP writes it, under the conventional names where there are any.
    fn ended(self, name: &str) -> Value {
        let tool = self.fields.get("tool").and_then(Value::as_str);
        let (shown, kind) = match (name, tool) {
            (CALL, Some(tool)) => (format!("tools/call {tool}"), 2),
            (REQUEST, _) => (name.to_owned(), 3),
            _ => (name.to_owned(), 1),
        };
        let mut attributes: Vec<Value> = self
            .fields
            .iter()
            .filter_map(|(field, value)| {
                let field = match field.as_str() {
                    "tool" => "gen_ai.tool.name".to_owned(),
                    "request" => "jsonrpc.request.id".to_owned(),
                    other => format!("pdfco.{other}"),
                };
                value.as_str().map(|value| text(&field, value))
            })
            .collect();
        if name == CALL {
            attributes.push(text("mcp.method.name", "tools/call"));
        }
        json!({
            "traceId": self.trace, "spanId": self.id, "parentSpanId": self.parent, "name": shown, "kind": kind,
            "startTimeUnixNano": nanos(self.began), "endTimeUnixNano": nanos(SystemTime::now()),
            "attributes": attributes, "status": {},
        })
    }
}

/// The trace and the span that a `traceparent` names; it was judged when the request came.
fn trace_and_parent(text: &str) -> Option<(String, String)> {
    let mut parts = text.split('-').skip(1);
    let (trace, parent) = (parts.next()?, parts.next()?);
    (trace.len() == 32 && parent.len() == 16).then(|| (trace.to_owned(), parent.to_owned()))
}

/// So many random bytes, in hexadecimal.
fn random(bytes: usize) -> String {
    let random = uuid::Uuid::new_v4().into_bytes();
    hex::encode(random.get(..bytes).unwrap_or(&random))
}

/// The fields of a span, as texts.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if !value.is_empty() {
            self.0.insert(field.name().to_owned(), Value::String(shorten(value, VALUE_CHARS_MAX)));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn spans_are_of_the_trace_that_they_were_asked_in() {
        let spans = Spans::default();
        let trace = "0af7651916cd43dd8448eb211c80319c";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(spans.clone()), || {
            let asked = format!("00-{trace}-b7ad6b7169203331-01");
            let call = tracing::info_span!("call", tool = "a_tool", request = %7, traceparent = asked.as_str());
            let _entered = call.entered();
            let _inner = tracing::info_span!("submit", job_id = "J1", operation = "pdf_to_text").entered();
        });
        let ended = spans.take(10);
        let (inner, call) = (&ended[0], &ended[1]);
        assert_eq!((&call["traceId"], &call["parentSpanId"]), (&json!(trace), &json!("b7ad6b7169203331")));
        assert_eq!((&call["name"], &call["kind"]), (&json!("tools/call a_tool"), &json!(2)));
        assert_eq!((&inner["traceId"], &inner["parentSpanId"]), (&json!(trace), &call["spanId"]));
        assert!(inner["attributes"].to_string().contains("pdfco.job_id"), "{inner}");
        assert!(!call.to_string().contains("traceparent"), "{call}");
    }

    #[test]
    fn spans_that_no_one_takes_are_bounded() {
        let spans = Spans::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(spans.clone()), || {
            for _ in 0..WAITING_MAX + 10 {
                drop(tracing::info_span!("wait").entered());
            }
        });
        assert_eq!((spans.take(usize::MAX).len(), spans.take(1).len()), (WAITING_MAX, 0));
    }
}
