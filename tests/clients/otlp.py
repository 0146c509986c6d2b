#!/usr/bin/env python3
"""What a server sends to a collector, read by the official definitions of OTLP, against the simulator, offline.

    python -m venv /tmp/otlp && /tmp/otlp/bin/pip install opentelemetry-proto
    /tmp/otlp/bin/python tests/clients/otlp.py target/debug/pdfco
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

arrived: list[tuple[str, dict]] = []


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        arrived.append((self.path, json.loads(body)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def with_bytes(value: object) -> object:
    """Ids are hexadecimal in OTLP's JSON and base64 in that of protobuf."""
    if isinstance(value, list):
        return [with_bytes(part) for part in value]
    if not isinstance(value, dict):
        return value
    ids = ("traceId", "spanId", "parentSpanId")
    return {name: base64.b64encode(bytes.fromhex(part)).decode() if name in ids else with_bytes(part)
            for name, part in value.items()}


def run(binary: str, home: str, endpoint: str) -> None:
    env = {"PATH": os.environ.get("PATH", ""), "HOME": home, "PDFCO_LEDGER": "memory", "PDFCO_LOG": "info",
           "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    server = subprocess.Popen([binary, "serve", "--simulate"], cwd=home, env=env, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "otlp", "version": "1"}}
    call = {"name": "submit_job", "arguments": {"operation": "barcode_generate", "options": {"value": "a"}, "wait": 20}}
    wrong = {"name": "submit_job", "arguments": {"operation": "no_such_operation"}}
    for message in [{"id": 1, "method": "initialize", "params": hello}, {"method": "notifications/initialized"},
                    {"id": 2, "method": "tools/call", "params": call}, {"id": 3, "method": "tools/call", "params": wrong}]:
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        server.stdin.flush()
    waiting = {2, 3}
    while waiting:
        waiting.discard(json.loads(server.stdout.readline()).get("id"))
    server.stdin.close()
    assert server.wait(20) == 0


def main() -> int:
    collector = http.server.HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as home:
        run(os.path.realpath(sys.argv[1]), home, f"http://127.0.0.1:{collector.server_port}")
    spans, metrics, lines = [], {}, []
    for path, body in arrived:
        text = json.dumps(with_bytes(body))
        if path == "/v1/traces":
            traces = json_format.Parse(text, ExportTraceServiceRequest())
            spans += [span for resource in traces.resource_spans for scope in resource.scope_spans for span in scope.spans]
        elif path == "/v1/logs":
            logs = json_format.Parse(text, ExportLogsServiceRequest())
            lines += [line for resource in logs.resource_logs for scope in resource.scope_logs for line in scope.log_records]
        else:
            assert path == "/v1/metrics", path
            read = json_format.Parse(text, ExportMetricsServiceRequest())
            metrics |= {metric.name: metric.WhichOneof("data") for resource in read.resource_metrics
                        for scope in resource.scope_metrics for metric in scope.metrics}
    call = next(span for span in spans if span.name == "tools/call submit_job")
    assert all(span.trace_id == call.trace_id for span in spans if span.parent_span_id == call.span_id)
    assert all(len(span.trace_id) == 16 and len(span.span_id) == 8 for span in spans)
    print(f"ok - {len(spans)} spans: {sorted({span.name for span in spans})}")
    assert metrics["mcp.server.operation.duration"] == "histogram" and metrics["pdfco_tool_calls_total"] == "sum"
    print(f"ok - {len(metrics)} metrics: {metrics}")
    line = next(line for line in lines if line.body.string_value == "tool call failed")
    assert (line.severity_text, line.severity_number) == ("INFO", 9), line
    assert any((span.trace_id, span.span_id) == (line.trace_id, line.span_id) for span in spans), line
    fields = {field.key: field.value.string_value for field in line.attributes}
    assert fields["tool"] == "submit_job" and len(fields) == len(line.attributes), fields
    print(f"ok - {len(lines)} lines, with fields such as {sorted(fields)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
