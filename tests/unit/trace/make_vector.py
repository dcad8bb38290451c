#!/usr/bin/env python3
"""Prints the bytes that the official schema's own encoder makes of the spans in otlp_test.cpp, as hex.
Needs the package opentelemetry-proto: .deps/clients/bin/python tests/unit/trace/make_vector.py"""
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TRACE, SPAN, PARENT, OTHER = bytes(range(1, 17)), bytes(range(17, 25)), bytes(range(33, 41)), bytes(range(49, 57))


def pair(attributes, key, **value):
    one = attributes.add(key=key)
    for kind, content in value.items():
        setattr(one.value, kind, content)


request = ExportTraceServiceRequest()
resource = request.resource_spans.add()
pair(resource.resource.attributes, "service.name", string_value="shop")
pair(resource.resource.attributes, "empty", string_value="")
scope = resource.scope_spans.add()
scope.scope.name, scope.scope.version = "memseal", "1.2.3"
span = scope.spans.add(
    trace_id=TRACE, span_id=SPAN, parent_span_id=PARENT, name="POST /x", kind=Span.SPAN_KIND_SERVER,
    start_time_unix_nano=1_700_000_000_000_000_001, end_time_unix_nano=1_700_000_000_250_000_002,
    dropped_links_count=300, flags=0x301)
pair(span.attributes, "http.response.status_code", int_value=503)
pair(span.attributes, "negative", int_value=-1)
pair(span.attributes, "zero", int_value=0)
pair(span.attributes, "no", bool_value=False)
pair(span.attributes, "yes", bool_value=True)
pair(span.attributes, "word", string_value="é" * 100)
span.links.add(trace_id=TRACE, span_id=OTHER, flags=0x101)
span.links.add(trace_id=TRACE, span_id=PARENT, flags=0x100)
span.status.code = Status.STATUS_CODE_ERROR
scope.spans.add(trace_id=TRACE, span_id=OTHER, name="first", kind=Span.SPAN_KIND_INTERNAL,
                start_time_unix_nano=5, end_time_unix_nano=5, flags=0x101)
print(request.SerializeToString(deterministic=True).hex())
