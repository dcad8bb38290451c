"""deploy/: the alert rules hold what they say by promtool, name only metrics that the sources have, lead to a place in the
runbook; the dashboards are what tools/dashboards.py makes; Alertmanager routes as its example says."""
import copy
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
sys.path.insert(0, str(ROOT / "tools"))
import dashboards  # noqa: E402
import metrics_table  # noqa: E402

RULES = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text())
TESTS = yaml.safe_load((DEPLOY / "prometheus/tests.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
METRICS = metrics_table.all_metrics()
# Metrics that no rule asks for, by why. A new metric is in a rule, or here with a reason.
UNWATCHED = {
    "another rule sees what it shows": """memseal_rls_errors_total memseal_ready_check memseal_dlq_records_total
        memseal_ingest_brakes_total memseal_ingest_stalled_steps memseal_ingest_retries_total memseal_ingest_isolations_total
        memseal_ingest_status_waiting memseal_sse_streams_cut_total memseal_audit_waiting memseal_kafka_errors_total
        memseal_kafka_paused memseal_kafka_rebalances_total memseal_model_device_faults_total
        memseal_model_device_fallbacks_total memseal_rerank_fallback_total memseal_rerank_partial_total
        memseal_redis_commands_total memseal_ratelimit_decisions_total memseal_guard_transitions_total
        memseal_queries_total memseal_query_duration_seconds memseal_http_request_duration_seconds memseal_db_in_flight
        memseal_db_pool_busy memseal_db_pool_open memseal_db_connections memseal_db_connects_total
        memseal_ingest_stage_duration_seconds memseal_trace_spans_waiting""",
    "a user's budget, which is no fault of the service": """memseal_ratelimit_denied_total memseal_ingest_over_budget_total
        memseal_http_user_refusals_total""",
    "an address's share, which keeps room for the others": """memseal_http_address_refusals_total""",
    "how much is done: for a dashboard": """memseal_documents_active memseal_kafka_partitions memseal_kafka_held_records
        memseal_kafka_held_bytes memseal_kafka_records_total memseal_model_device_waiting memseal_model_device_batches_total
        memseal_model_device_shared_batches_total memseal_chunks_stored_total memseal_ingest_chunks_total
        memseal_ingest_vectors_kept_total memseal_ingest_text_bytes memseal_ingest_adapted_total memseal_files_taken_total
        memseal_files_swept_total memseal_file_bytes_taken_total memseal_file_bytes_sent_total memseal_file_uploads_active
        memseal_file_downloads_active memseal_tenant_key_cache_total memseal_query_results_total memseal_rerank_batch_size
        memseal_rerank_queue_length memseal_search_plan_total memseal_search_words_total
        memseal_search_chunks_without_terms_total memseal_matrix_loads_total memseal_matrix_hits_total
        memseal_matrix_load_seconds memseal_matrix_bytes memseal_matrix_tenants memseal_sse_streams_active
        memseal_sse_streams_started_total memseal_http_waits_active memseal_http_connections_active
        memseal_http_connections_total memseal_http_bytes_held memseal_trace_spans_exported_total""",
    "its limit is the machine's: use an exporter of the node": """memseal_heap_bytes process_cpu_seconds_total
        process_resident_memory_bytes memseal_resident_memory_peak_bytes"""}
FOREIGN = {"up": ["job", "instance"], "ALERTS": ["alertname", "alertstate"]}  # Prometheus' own
EVERY = {"job", "instance", "le"}  # labels that Prometheus or a histogram adds


def run(*words):
    return subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)


def labels_of(name):
    """Labels of a series of the sources, of Prometheus itself, or None: there is no such series."""
    if name in FOREIGN:
        return set(FOREIGN[name])
    if name in METRICS and METRICS[name][0] != "histogram":
        return set(METRICS[name][1])
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    if base != name and base in METRICS and METRICS[base][0] == "histogram":
        return set(METRICS[base][1])
    return None


def series_of(expression):
    """(name, labels asked for) of each series in a query."""
    for name, selector in re.findall(r'\b((?:memseal|memory|process)_\w+|up)\b(?!\s*\()(?:\{([^}]*)\})?', expression):
        yield name, re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', selector))


def grouped_by(expression):
    return {label.strip() for names in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression) for label in names.split(",")}


def run_tests(change=lambda rule: rule):
    """Each alert against its own test, with the rule changed. promtool's answer by alert."""
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, rule in ALERTS.items():
            rules = Path(folder) / f"{name}.rules.yml"
            rules.write_text(yaml.dump({"groups": [{"name": "one", "rules": [change(copy.deepcopy(rule))]}]}))
            tests = Path(folder) / f"{name}.yml"
            own = [test for test in TESTS["tests"] if test["name"] == name]
            tests.write_text(yaml.dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": own}))
            files.append(tests)
        said = run("promtool", "test", "rules", *files).stdout
        for name, part in re.findall(r"Unit Testing: +\S*/(\w+)\.yml\n(.*?)(?=Unit Testing:|\Z)", said, re.S):
            answers[name] = part.strip()
    return answers


def never(rule):
    return dict(rule, expr="vector(0) > 1")


def loosened(rule):
    """The same with every threshold where it holds nobody back."""
    loose = {">": "> -1e9", "<": "< 1e9", ">=": ">= -1e9", "<=": "<= 1e9", "==": ">= 0"}
    return dict(rule, expr=re.sub(r"(<=|>=|<|>|==) (-?[\d.]+)", lambda found: loose[found[1]], rule["expr"]))


class Rules(unittest.TestCase):
    def test_promtool_reads_them(self):
        done = run("promtool", "check", "rules", DEPLOY / "prometheus/rules.yml")
        self.assertEqual(done.returncode, 0, done.stdout)
        done = run("promtool", "check", "config", DEPLOY / "prometheus/prometheus.yml")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_each_fires_on_its_fault_and_not_beside_it(self):
        answers = run_tests()
        self.assertEqual(set(answers), set(ALERTS))
        for name, said in answers.items():
            self.assertEqual(said, "SUCCESS", name)

    def test_the_tests_can_fail(self):
        for name, said in run_tests(never).items():
            self.assertIn("FAILED", said, f"{name} that never fires")
        for name, said in run_tests(loosened).items():
            if loosened(ALERTS[name]) != ALERTS[name]:
                self.assertIn("FAILED", said, f"{name} with loose thresholds")

    def test_without_data_only_the_absence_fires(self):
        with tempfile.TemporaryDirectory() as folder:
            empty = [test for test in TESTS["tests"] if test["name"] == "no data"]
            self.assertEqual(len(empty), 1)
            tests = Path(folder) / "tests.yml"
            tests.write_text(yaml.dump({"rule_files": [str(DEPLOY / "prometheus/rules.yml")], "evaluation_interval": "1m",
                                        "tests": empty}))
            done = run("promtool", "test", "rules", tests)
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_each_has_a_test_with_a_fault_and_a_neighbour(self):
        tests = {test["name"]: test for test in TESTS["tests"]}
        self.assertEqual(len(tests), len(TESTS["tests"]), "two tests have one name")
        self.assertEqual(set(tests), set(ALERTS) | {"no data"})
        for name, rule in ALERTS.items():
            series = " ".join(entry["series"] for entry in tests[name]["input_series"])
            asked = {found for found, _ in series_of(rule["expr"])}
            self.assertEqual({found for found, _ in series_of(series)}, asked, name)
            self.assertIn('="good"', series, name)
            fires = [one for one in tests[name]["promql_expr_test"] if one["exp_samples"]]
            self.assertTrue(fires, name)

    def test_they_name_series_that_the_sources_have(self):
        for name, rule in ALERTS.items():
            found = list(series_of(rule["expr"]))
            self.assertTrue(found, name)
            known = set(EVERY)
            for series, labels in found:
                self.assertIsNotNone(labels_of(series), f"{name}: the sources have no {series}")
                self.assertLessEqual(set(labels), labels_of(series) | EVERY, f"{name}: labels of {series}")
                known |= labels_of(series)
            self.assertLessEqual(grouped_by(rule["expr"]), known, name)

    def test_each_metric_is_in_a_rule_or_has_a_reason_not_to_be(self):
        watched = {name for rule in ALERTS.values() for series, _ in series_of(rule["expr"])
                   for name in (series, re.sub(r"_(bucket|sum|count)$", "", series))}
        unwatched = [name for names in UNWATCHED.values() for name in names.split()]
        self.assertEqual(len(unwatched), len(set(unwatched)), "a metric has two reasons")
        self.assertEqual(set(unwatched) & watched, set(), "a rule asks for it")
        self.assertEqual(set(METRICS) - watched, set(unwatched))

    def test_a_name_that_is_wrong_is_found(self):
        self.assertIsNone(labels_of("memseal_nothing_total"))
        self.assertIsNone(labels_of("memseal_query_ttfv_seconds"), "a histogram has no series of its own name")
        self.assertEqual(list(series_of('sum by (job) (rate(memseal_a_total{x="1", y=~"a|b"}[5m]))')),
                         [("memseal_a_total", ["x", "y"])])

    def test_each_says_how_urgent_it_is_and_what_to_do(self):
        runbook = (ROOT / "docs/runbook.md").read_text()
        for name, rule in ALERTS.items():
            self.assertIn(rule["labels"]["severity"], ("page", "ticket"), name)
            self.assertIn(rule["labels"]["team"], ("memory", "security"), name)
            self.assertEqual(rule["annotations"]["runbook"], f"docs/runbook.md#{name.lower()}")
            self.assertIn(f"\n### {name}\n", runbook)
            self.assertIn(rule["annotations"]["summary"], runbook)
        self.assertEqual(set(re.findall(r"^### (Memseal\w+)$", runbook, re.M)), set(ALERTS), "alerts that are gone")

    def test_the_documents_name_alerts_that_exist(self):
        for page in (ROOT / "docs").glob("*.md"):
            for name in re.findall(r"\bMemseal[A-Z]\w+", page.read_text()):
                self.assertIn(name, ALERTS, page.name)
            for anchor in re.findall(r"\]\((?:runbook\.md)?#(memseal\w+)\)", page.read_text()):
                self.assertIn(anchor, {name.lower() for name in ALERTS}, page.name)


class Alertmanager(unittest.TestCase):
    FILE = DEPLOY / "alertmanager/alertmanager.yml"

    def test_amtool_reads_the_example(self):
        done = run("amtool", "check-config", self.FILE)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_it_routes_by_urgency_and_team(self):
        for labels, receivers in ((("severity=page", "team=security"), "security,on-call"),
                                  (("severity=page", "team=memory"), "on-call"),
                                  (("severity=ticket", "team=security"), "tickets")):
            done = run("amtool", "config", "routes", "test", "--config.file", self.FILE, *labels)
            self.assertIn(receivers, done.stdout.splitlines(), labels)

    def test_it_silences_by_alerts_that_exist(self):
        for rule in yaml.safe_load(self.FILE.read_text())["inhibit_rules"]:
            for matcher in rule["source_matchers"] + rule["target_matchers"]:
                for name in re.findall(r"Memseal\w+", matcher):
                    self.assertIn(name, ALERTS)


class Dashboards(unittest.TestCase):
    def test_the_files_are_up_to_date(self):
        files = {path.stem: path.read_text() for path in (DEPLOY / "grafana/dashboards").glob("*.json")}
        self.assertEqual(files, {name: dashboards.text_of(name) for name in dashboards.DASHBOARDS},
                         "run: tools/dashboards.py")

    def test_they_ask_for_series_that_the_sources_have(self):
        for name, title, query in dashboards.queries():
            for series, labels in series_of(query):
                self.assertIsNotNone(labels_of(series), f"{name}, {title}: the sources have no {series}")
                self.assertLessEqual(set(labels), labels_of(series) | EVERY, f"{name}, {title}: {series}")

    def test_grafana_is_provisioned_with_them(self):
        provisioning = DEPLOY / "grafana/provisioning"
        source = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"][0]
        used = {target["datasource"]["uid"] for name in dashboards.DASHBOARDS
                for target in dashboards.dashboard(name)["panels"]}
        self.assertEqual(used, {source["uid"]})
        folder = yaml.safe_load((provisioning / "dashboards/memseal.yml").read_text())["providers"][0]["options"]["path"]
        services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        self.assertEqual({service for service in services if services[service].get("profiles") == ["observability"]},
                         {"prometheus", "alertmanager", "grafana"})
        self.assertIn(f"./deploy/grafana/dashboards:{folder}:ro", services["grafana"]["volumes"])
        for service in ("prometheus", "alertmanager", "grafana"):
            for volume in services[service]["volumes"]:
                if volume.startswith("./"):
                    self.assertTrue((ROOT / volume.split(":")[0]).exists(), volume)


if __name__ == "__main__":
    unittest.main()
