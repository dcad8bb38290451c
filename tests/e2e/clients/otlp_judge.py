"""Reads bodies of OTLP exports by the official schema (package opentelemetry-proto) and prints their spans as JSON.
A field that the schema does not know fails."""
import json
import sys
from pathlib import Path

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def refuse_unknown(message):
    if len(UnknownFieldSet(message)):
        raise SystemExit(f"unknown fields in {message.DESCRIPTOR.full_name}")
    for field, value in message.ListFields():
        if field.message_type:
            for one in value if hasattr(value, "add") else [value]:
                refuse_unknown(one)


def attributes_of(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


spans = []
for path in sorted(Path(sys.argv[1]).iterdir()):
    request = ExportTraceServiceRequest.FromString(path.read_bytes())
    refuse_unknown(request)
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                assert len(span.trace_id) == 16 and len(span.span_id) == 8 and len(span.parent_span_id) in (0, 8)
                assert not span.trace_state and not any(link.trace_state for link in span.links)
                assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
                spans.append({
                    "resource": attributes_of(resource.resource.attributes), "scope": scope.scope.name,
                    "trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                    "name": span.name, "kind": Span.SpanKind.Name(span.kind),
                    "failed": span.status.code == Status.STATUS_CODE_ERROR,
                    "start": span.start_time_unix_nano, "end": span.end_time_unix_nano,
                    "attributes": attributes_of(span.attributes),
                    "links": [link.span_id.hex() for link in span.links]})
json.dump(spans, sys.stdout)
