#!/usr/bin/env python3
"""Writes deploy/grafana/dashboards/*.json, the dashboards of Grafana.

    tools/dashboards.py         writes them
    tools/dashboards.py --list  prints each query, a line each

A test compares the files with the tables below, and another one asks a Prometheus that scrapes a running
service each of the queries."""
import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "deploy/grafana/dashboards"
RATE = "$__rate_interval"  # Grafana's: at least four scrapes
FAILED, ANSWERED, COMPLETED = 'code=~"5.."', 'outcome="answered"', 'outcome="completed"'
NOT_LEFT = 'outcome!="client_closed"'


def rate(metric, selector="", by="", interval=RATE):
    """Sum of the rates of a counter, by labels."""
    grouped = f"sum by ({by}) " if by else "sum"
    return f'{grouped}(rate({metric}{{job=~"$job"{", " + selector if selector else ""}}}[{interval}]))'


def p(quantile, histogram, by="", selector=""):
    """A quantile of a histogram."""
    return f'histogram_quantile({quantile}, {rate(histogram + "_bucket", selector, "le" + (", " + by if by else ""))})'


def gauge(metric, how="sum", by="", selector=""):
    grouped = f"{how} by ({by})" if by else how
    return f'{grouped}({metric}{{job=~"$job"{", " + selector if selector else ""}}})'


def increase(metric, window="1h", by=""):
    return f'sum{f" by ({by})" if by else ""} (increase({metric}{{job=~"$job"}}[{window}]))'


# dashboard → its title and rows of panels: title, unit, {legend: query}. A unit is Grafana's: s, ms, reqps, percentunit.
DASHBOARDS = {
    "overview": ("memseal: overview", [
        [("Ready", "bool_yes_no", {"{{instance}}": gauge("memseal_ready", "min", "instance")}),
         ("What runs", "short", {"{{release}} {{version}}": gauge("memseal_build_info", "count", "release, version")}),
         ("Checks of /ready", "bool_yes_no", {"{{check}}": gauge("memseal_ready_check", "min", "check")}),
         ("Actions of the guard", "bool_yes_no", {"{{action}}": gauge("memseal_guard_action_active", "max", "action"),
                                                  "{{action}} wanted": gauge("memseal_guard_action_wanted", "max", "action")})],
        [("Requests", "reqps", {"{{route}}": rate("memseal_http_requests_total", by="route")}),
         ("Answers by status", "reqps", {"{{code}}": rate("memseal_http_requests_total", by="code")}),
         ("Share of 5xx (limit 0.5 %)", "percentunit", {
             "5xx": f'({rate("memseal_http_requests_total", FAILED)} or vector(0)) / {rate("memseal_http_requests_total")}'})],
        [("p95 by route", "s", {"{{route}}": p(0.95, "memseal_http_request_duration_seconds", "route")}),
         ("Event streams that completed (limit 99.6 %)", "percentunit", {
             "completed": f'{rate("memseal_sse_streams_total", COMPLETED)} / '
                          f'({rate("memseal_sse_streams_total", NOT_LEFT)} > 0)'}),
         ("Streams: open, started", "short", {
             "open": gauge("memseal_sse_streams_active"), "started a second": rate("memseal_sse_streams_started_total")})],
        [("Memory", "bytes", {"{{instance}} resident": gauge("process_resident_memory_bytes", "sum", "instance"),
                              "{{instance}} heap": gauge("memseal_heap_bytes", "sum", "instance", "state=\"used\"")}),
         ("Processor", "short", {"{{instance}}": rate("process_cpu_seconds_total", by="instance")}),
         ("Connections of the database in use (limit 85 %)", "percentunit", {
             "{{pool}}": f'{rate("memseal_db_pool_busy_seconds_total", by="pool")} / {gauge("memseal_db_pool_max", "sum", "pool")}'})],
    ]),
    "ingest": ("memseal: ingest", [
        [("Events by outcome", "short", {"{{outcome}}": rate("memseal_ingest_events_total", by="outcome")}),
         ("Records that wait", "short", {"{{topic}}": gauge("memseal_kafka_consumer_lag_records", "sum", "topic")}),
         ("Stalled, braked", "bool_yes_no", {"stalled": gauge("memseal_ingest_stalled", "max"),
                                             "braked": gauge("memseal_ingest_brake", "max")})],
        [("From publish to findable", "s", {"p50": p(0.5, "memseal_ingest_end_to_end_seconds"),
                                            "p95": p(0.95, "memseal_ingest_end_to_end_seconds")}),
         ("p95 by stage", "s", {"{{stage}}": p(0.95, "memseal_ingest_stage_duration_seconds", "stage")}),
         ("Chunks stored a second", "short", {"chunks": rate("memseal_ingest_chunks_total")})],
        [("Dead letters an hour", "short", {
            "dead letters": 'sum(increase(memseal_ingest_events_total{job=~"$job", outcome="dead_lettered"}[1h]))'}),
         ("Held in memory", "bytes", {"bytes": gauge("memseal_kafka_held_bytes")}),
         ("Brokers", "bool_yes_no", {"{{role}}": gauge("memseal_kafka_connected", "min", "role")})],
        [("Repeated steps, halved batches an hour", "short", {"repeated": increase("memseal_ingest_retries_total"),
                                                              "halved": increase("memseal_ingest_isolations_total")}),
         ("Status events lost an hour", "short", {"lost": increase("memseal_ingest_status_lost_total")}),
         ("Partitions of each process", "short", {"{{instance}}": gauge("memseal_kafka_partitions", "sum", "instance")})],
    ]),
    "query": ("memseal: query", [
        [("Queries by outcome", "reqps", {"{{outcome}}": rate("memseal_queries_total", by="outcome")}),
         ("Time to the first result (limit p95 1.5 s)", "s", {"p50": p(0.5, "memseal_query_ttfv_seconds"),
                                                             "p95": p(0.95, "memseal_query_ttfv_seconds"),
                                                             "p99": p(0.99, "memseal_query_ttfv_seconds")}),
         ("Response time (objective p95 400 ms)", "ms", {"p50": p(0.5, "memory_query_response_time_ms"),
                                                        "p95": p(0.95, "memory_query_response_time_ms")})],
        [("p95 by stage", "s", {"{{stage}}": p(0.95, "memseal_query_stage_duration_seconds", "stage")}),
         ("p95 of database calls", "s", {"{{op}}": p(0.95, "memseal_db_seconds", "op")}),
         ("Results a query", "short", {
             "results": f'{rate("memseal_query_results_total")} / ({rate("memseal_queries_total", ANSWERED)} > 0)'})],
        [("Order of the answers", "reqps", {"{{reason}}": rate("memseal_rerank_fallback_total", by="reason")}),
         ("Breaker open, queue", "short", {"open": gauge("memseal_rerank_circuit_open", "max"),
                                           "queue": gauge("memseal_rerank_queue_length")}),
         ("Refused for the rate", "reqps", {"{{outcome}}": rate("memseal_ratelimit_decisions_total", by="outcome")})],
        [("Streams by end", "reqps", {"{{outcome}}": rate("memseal_sse_streams_total", by="outcome")}),
         ("Connections", "short", {"active": gauge("memseal_http_connections_active")}),
         ("Pool of the database", "short", {"{{pool}} open": gauge("memseal_db_pool_open", "sum", "pool"),
                                            "{{pool}} in use": gauge("memseal_db_pool_busy", "sum", "pool"),
                                            "{{pool}} most": gauge("memseal_db_pool_max", "sum", "pool")})],
    ]),
    "isolation": ("memseal: isolation", [
        [("Refused by row-level security, a day (must be 0)", "short", {"refused": increase("memory_rls_policy_errors_total", "1d")}),
         ("Rows of another tenant, a day (must be 0)", "short", {"mismatches": increase("memory_aad_mismatch_total", "1d"),
             "attempts": increase("memseal_cross_tenant_decrypt_attempts_total", "1d")}),
         ("Findings in the catalog (must be 0)", "short", {"findings": gauge("memseal_isolation_findings", "max")})],
        [("Age of the last look at the catalog", "s", {"age": f'time() - {gauge("memseal_isolation_checked_seconds", "min")}'}),
         ("Rows that do not open, a day", "short", {"{{cause}}": increase("memseal_open_failures_total", "1d", "cause")}),
         ("Requests without a valid token", "reqps", {"refused": rate("memseal_auth_failures_total")})],
        [("Refused for their framing", "reqps", {"refused": rate("memseal_http_gate_refusals_total")}),
         ("Tenants' keys: cache", "short", {"{{outcome}}": rate("memseal_tenant_key_cache_total", by="outcome")}),
         ("Ids that existed, a day (must be 0)", "short", {"collisions": increase("memseal_chunk_id_collisions_total", "1d")})],
    ]),
}


def panel(number, at, row, width, title, unit, queries):
    return {
        "id": number, "type": "timeseries", "title": title,
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "gridPos": {"x": at * width, "y": row * 8, "w": width, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"fillOpacity": 10}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [{"refId": chr(ord("A") + i), "expr": query, "legendFormat": legend}
                    for i, (legend, query) in enumerate(queries.items())],
    }


def dashboard(name):
    title, rows = DASHBOARDS[name]
    panels = []
    for row, entries in enumerate(rows):
        for at, entry in enumerate(entries):
            panels.append(panel(len(panels) + 1, at, row, 24 // len(entries), *entry))
    job = {"name": "job", "type": "query", "label": "job", "includeAll": True, "allValue": ".*", "multi": True,
           "datasource": {"type": "prometheus", "uid": "prometheus"}, "current": {"text": "All", "value": "$__all"},
           "query": "label_values(memseal_build_info, job)", "refresh": 2}
    return {"uid": f"memseal-{name}", "title": title, "tags": ["memseal"], "schemaVersion": 39, "editable": True,
            "time": {"from": "now-1h", "to": "now"}, "refresh": "30s", "timezone": "", "templating": {"list": [job]},
            "links": [{"type": "dashboards", "title": "memseal", "tags": ["memseal"], "asDropdown": False}],
            "panels": panels}


def text_of(name):
    return json.dumps(dashboard(name), indent=1) + "\n"


def queries():
    """(dashboard, panel, query) of each line of each panel."""
    for name in DASHBOARDS:
        for shown in dashboard(name)["panels"]:
            for target in shown["targets"]:
                yield name, shown["title"], target["expr"]


def main(words):
    if words == ["--list"]:
        for name, title, query in queries():
            print(f"{name}: {title}: {query}")
        return
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(text_of(name))


if __name__ == "__main__":
    main(sys.argv[1:])
