//! Metrics in the text format of Prometheus, as OTLP writes them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::value::text;

/// Names and labels that have another one in the conventions of OpenTelemetry.
const CONVENTIONAL: &[(&str, &str)] = &[
    ("mcp_server_operation_duration_seconds", "mcp.server.operation.duration"),
    ("mcp_server_session_duration_seconds", "mcp.server.session.duration"),
    ("mcp_method_name", "mcp.method.name"),
    ("gen_ai_tool_name", "gen_ai.tool.name"),
    ("error_type", "error.type"),
    ("network_transport", "network.transport"),
    ("mcp_protocol_version", "mcp.protocol.version"),
];

/// Names and values.
type Labels = Vec<(String, String)>;

/// Totals since the start, not since the last time.
const CUMULATIVE: u8 = 2;

/// One series: its numbers by the end of their name and the label that distinguishes them.
#[derive(Default)]
struct Series {
    value: f64,
    sum: f64,
    count: f64,
    /// Upper bounds and counts up to them, or quantiles and values, in the order of the text.
    parts: Vec<(f64, f64)>,
}

/// The metrics of a page, counted since `began`, as of `now`.
pub(super) fn of_text(page: &str, began: &str, now: &str) -> Vec<Value> {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut families: BTreeMap<&str, BTreeMap<Labels, Series>> = BTreeMap::new();
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            kinds.extend(kind.split_once(' '));
            continue;
        }
        let Some((name, mut labels, value)) = sample(line) else { continue };
        let own = |end: &str| name.strip_suffix(end).filter(|family| kinds.contains_key(family));
        let (family, end) = match (own("_bucket"), own("_sum"), own("_count")) {
            (Some(family), _, _) => (family, "bucket"),
            (_, Some(family), _) => (family, "sum"),
            (_, _, Some(family)) => (family, "count"),
            _ => (name, ""),
        };
        let part = labels.iter().position(|(label, _)| label == "le" || label == "quantile");
        let part = part.map(|at| labels.remove(at).1.parse().unwrap_or(f64::INFINITY));
        let series = families.entry(family).or_default().entry(labels).or_default();
        match (end, part) {
            ("sum", _) => series.sum = value,
            ("count", _) => series.count = value,
            (_, Some(part)) => series.parts.push((part, value)),
            _ => series.value = value,
        }
    }
    let made = families.into_iter().filter_map(|(family, all)| {
        let kind = *kinds.get(family)?;
        let points: Vec<Value> =
            all.into_iter().map(|(labels, series)| series.point(kind, &labels, began, now)).collect();
        let data = match kind {
            "counter" => {
                json!({"sum": {"aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points}})
            }
            "gauge" => json!({"gauge": {"dataPoints": points}}),
            "histogram" => json!({"histogram": {"aggregationTemporality": CUMULATIVE, "dataPoints": points}}),
            "summary" => json!({"summary": {"dataPoints": points}}),
            _ => return None,
        };
        let mut metric = data;
        let unit = if family.ends_with("_seconds") { "s" } else { "" };
        let fields = metric.as_object_mut()?;
        fields.insert("name".into(), json!(conventional(family)));
        fields.insert("unit".into(), json!(unit));
        Some(metric)
    });
    made.collect()
}

impl Series {
    fn point(self, kind: &str, labels: &[(String, String)], began: &str, now: &str) -> Value {
        let attributes: Vec<Value> = labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| text(conventional(label), value))
            .collect();
        let mut point = json!({"attributes": attributes, "startTimeUnixNano": began, "timeUnixNano": now});
        let more = match kind {
            "histogram" => {
                let bounds: Vec<f64> =
                    self.parts.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect();
                let mut below = 0.0;
                let counts = self.parts.iter().map(|(_, up_to)| {
                    let own = up_to - below;
                    below = *up_to;
                    whole(own)
                });
                let counts: Vec<String> = counts.collect();
                json!({"count": whole(self.count), "sum": self.sum, "bucketCounts": counts, "explicitBounds": bounds})
            }
            "summary" => {
                let quantiles = self.parts.iter().filter(|(_, value)| value.is_finite());
                let quantiles: Vec<Value> =
                    quantiles.map(|(quantile, value)| json!({"quantile": quantile, "value": value})).collect();
                json!({"count": whole(self.count), "sum": self.sum, "quantileValues": quantiles})
            }
            _ => json!({"asDouble": self.value}),
        };
        if let (Some(point), Value::Object(more)) = (point.as_object_mut(), more) {
            point.extend(more);
        }
        point
    }
}

/// A count as OTLP writes it.
fn whole(count: f64) -> String {
    format!("{:.0}", count.max(0.0))
}

fn conventional(name: &str) -> &str {
    CONVENTIONAL.iter().find(|(known, _)| *known == name).map_or(name, |(_, conventional)| conventional)
}

/// Name, labels and value of a line.
fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    if line.starts_with('#') {
        return None;
    }
    let (head, value) = line.trim().rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = head.split_once('{') else { return Some((head, Vec::new(), value)) };
    let mut rest = labels.strip_suffix('}')?;
    let mut labels = Vec::new();
    while let Some((label, after)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut signs = after.char_indices();
        let mut end = after.len();
        while let Some((at, sign)) = signs.next() {
            match sign {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => text.extend(signs.next().map(|(_, sign)| if sign == 'n' { '\n' } else { sign })),
                sign => text.push(sign),
            }
        }
        labels.push((label.trim_start_matches(',').to_owned(), text));
        rest = after.get(end..).unwrap_or_default();
    }
    Some((name, labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_metric_becomes_its_own() {
        let page = "# TYPE pdfco_checks_total counter\npdfco_checks_total 3\n\n# TYPE pdfco_waits gauge\npdfco_waits{a=\"x, \\\"y\\\"}\"} 2\n# TYPE mcp_server_operation_duration_seconds histogram\nmcp_server_operation_duration_seconds_bucket{mcp_method_name=\"ping\",error_type=\"\",le=\"0.01\"} 4\nmcp_server_operation_duration_seconds_bucket{mcp_method_name=\"ping\",error_type=\"\",le=\"0.1\"} 6\nmcp_server_operation_duration_seconds_bucket{mcp_method_name=\"ping\",error_type=\"\",le=\"+Inf\"} 7\nmcp_server_operation_duration_seconds_sum{mcp_method_name=\"ping\",error_type=\"\"} 1.5\nmcp_server_operation_duration_seconds_count{mcp_method_name=\"ping\",error_type=\"\"} 7\n# TYPE pdfco_tool_seconds summary\npdfco_tool_seconds{quantile=\"0.5\"} 0.2\npdfco_tool_seconds_sum 0.4\npdfco_tool_seconds_count 2\nnot a line\n";
        let metrics = of_text(page, "1", "2");
        let named = |name: &str| {
            metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("{name}: {metrics:?}"))
        };
        let counter = &named("pdfco_checks_total")["sum"];
        assert_eq!((&counter["isMonotonic"], &counter["dataPoints"][0]["asDouble"]), (&json!(true), &json!(3.0)));
        let gauge = &named("pdfco_waits")["gauge"]["dataPoints"][0];
        assert_eq!(
            (&gauge["asDouble"], &gauge["attributes"][0]["value"]["stringValue"]),
            (&json!(2.0), &json!("x, \"y\"}"))
        );
        let histogram = named("mcp.server.operation.duration");
        let point = &histogram["histogram"]["dataPoints"][0];
        assert_eq!((&histogram["unit"], &point["bucketCounts"]), (&json!("s"), &json!(["4", "2", "1"])));
        assert_eq!(
            (&point["explicitBounds"], &point["count"], &point["sum"]),
            (&json!([0.01, 0.1]), &json!("7"), &json!(1.5))
        );
        assert_eq!(point["attributes"], json!([{"key": "mcp.method.name", "value": {"stringValue": "ping"}}]));
        let summary = &named("pdfco_tool_seconds")["summary"]["dataPoints"][0];
        assert_eq!((&summary["count"], &summary["quantileValues"][0]["value"]), (&json!("2"), &json!(0.2)));
        assert_eq!(metrics.len(), 4);
    }
}
