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


def with_bytes(traces: dict) -> dict:
    """Ids are hexadecimal in OTLP's JSON and base64 in that of protobuf."""
    for resource in traces["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for field in ("traceId", "spanId", "parentSpanId"):
                    span[field] = base64.b64encode(bytes.fromhex(span[field])).decode()
    return traces


def run(binary: str, home: str, endpoint: str) -> None:
    env = {"PATH": os.environ.get("PATH", ""), "HOME": home, "PDFCO_LEDGER": "memory",
           "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    server = subprocess.Popen([binary, "serve", "--simulate"], cwd=home, env=env, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "otlp", "version": "1"}}
    call = {"name": "submit_job", "arguments": {"operation": "barcode_generate", "options": {"value": "a"}, "wait": 20}}
    for message in [{"id": 1, "method": "initialize", "params": hello}, {"method": "notifications/initialized"},
                    {"id": 2, "method": "tools/call", "params": call}]:
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        server.stdin.flush()
    while json.loads(server.stdout.readline()).get("id") != 2:
        pass
    server.stdin.close()
    assert server.wait(20) == 0


def main() -> int:
    collector = http.server.HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as home:
        run(os.path.realpath(sys.argv[1]), home, f"http://127.0.0.1:{collector.server_port}")
    spans, metrics = [], {}
    for path, body in arrived:
        if path == "/v1/traces":
            traces = json_format.Parse(json.dumps(with_bytes(body)), ExportTraceServiceRequest())
            spans += [span for resource in traces.resource_spans for scope in resource.scope_spans for span in scope.spans]
        else:
            assert path == "/v1/metrics", path
            read = json_format.Parse(json.dumps(body), ExportMetricsServiceRequest())
            metrics |= {metric.name: metric.WhichOneof("data") for resource in read.resource_metrics
                        for scope in resource.scope_metrics for metric in scope.metrics}
    call = next(span for span in spans if span.name == "tools/call submit_job")
    assert all(span.trace_id == call.trace_id for span in spans if span.parent_span_id == call.span_id)
    assert all(len(span.trace_id) == 16 and len(span.span_id) == 8 for span in spans)
    print(f"ok - {len(spans)} spans: {sorted({span.name for span in spans})}")
    assert metrics["mcp.server.operation.duration"] == "histogram" and metrics["pdfco_tool_calls_total"] == "sum"
    print(f"ok - {len(metrics)} metrics: {metrics}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
