"""Operating memseal: its metrics by promtool, the dashboards' queries and the alert rules in a real Prometheus that
scrapes a running service, and `memseal smoke` against a good deployment and against broken ones."""
import http.client
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

from harness import EndToEnd, psql

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import dashboards  # noqa: E402


class Prometheus:
    """Debian's Prometheus, which scrapes one service twice a second."""

    def __init__(self, folder, admin_port):
        self.folder = folder / "prometheus"
        self.folder.mkdir()
        shutil.copy(ROOT / "deploy/prometheus/rules.yml", self.folder)
        config = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
        config = config.replace("memseal:7401", f"127.0.0.1:{admin_port}").replace("15s", "500ms")
        config = re.sub(r"alerting:\n.*?\n\n", "", config, flags=re.S)
        (self.folder / "prometheus.yml").write_text(config)
        self.log = open(self.folder / "log", "wb")
        self.child = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
             "--web.listen-address=127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.address = None
        deadline = time.time() + 30
        while self.address is None and time.time() < deadline and self.child.poll() is None:
            found = re.search(r"Listening on\S* address=(\S+)", (self.folder / "log").read_text(errors="replace"))
            self.address = found and found[1]
            time.sleep(0.05)
        if self.address is None:
            self.close()
            raise RuntimeError("prometheus did not start: " + (self.folder / "log").read_text()[-2000:])

    def api(self, path, **parameters):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """The values of an instant query, NaN left out: a quantile of no samples is none."""
        values = [float(series["value"][1]) for series in self.api("query", query=expression)["result"]]
        return [value for value in values if value == value]

    def close(self):
        self.child.terminate()
        self.child.wait(20)
        self.log.close()


class Observability(EndToEnd):
    settings = {"postgres__verify_every_s": 1, "runtime__release": "e2e-1"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.prometheus = Prometheus(cls.at.folder, cls.at.admin_port)
        except BaseException:
            cls.at.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.prometheus.close()
        super().tearDownClass()

    def traffic(self, token):
        """Some of everything that the dashboards show."""
        self.at.request("POST", "/api/v1/memory/index?wait=10", {"text": "The lighthouse counts ships."}, token)
        self.at.results(token, "what counts ships?")
        self.at.request("POST", "/api/v1/memory/query", {"query": "ships?"}, token)
        self.at.request("POST", "/api/v1/memory/query", {"query": "ships?"})

    def page(self, path):
        answer, data = self.at.request("GET", path, admin=True)
        self.assertEqual(answer.status, 200)
        return data.decode()

    def test_promtool_reads_both_pages(self):
        self.traffic(self.at.token("ada"))
        for path in ("/metrics", "/metrics/memory"):
            done = subprocess.run(["promtool", "check", "metrics"], input=self.page(path), text=True, timeout=60,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            # The name of the system before this one, which its operators' rules know.
            self.assertEqual(done.stdout.splitlines(),
                             ["memory_query_response_time_ms metric names should not contain abbreviated units"], path)
        whole = self.page("/metrics")
        self.assertRegex(whole, r'memseal_build_info\{[^}]*release="e2e-1"[^}]*\} 1\n')
        for user in ("ada", "bob"):
            self.assertNotIn(f'"{user}"', whole)
        self.assertRegex(whole, r'memseal_db_pool_max\{pool="readiness"\} 2\n')
        self.assertRegex(whole, r'memseal_ready_check\{check="database",required="yes"\} 1\n')

    def test_every_query_of_the_dashboards_has_data_and_no_rule_fires(self):
        token = self.at.token("ada")
        asked = {(name, title, query): query.replace("$job", ".*").replace("$__rate_interval", "5s")
                 for name, title, query in dashboards.queries()}
        missing = list(asked)

        def all_have_data():
            nonlocal missing
            self.traffic(token)
            missing = [key for key in missing if not self.prometheus.query(asked[key])]
            return not missing
        try:
            self.at.wait_for(all_have_data, 30, "data for every query")
        except AssertionError:
            self.fail(f"no data for {missing}")
        rules = [rule for group in self.prometheus.api("rules")["groups"] for rule in group["rules"]]
        self.assertGreater(len(rules), 30)
        self.assertEqual({rule["health"] for rule in rules}, {"ok"}, [rule.get("lastError") for rule in rules])
        firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
        self.assertEqual(firing, set(), "a healthy service")


def changed_json(data, change):
    value = json.loads(data)
    change(value)
    return json.dumps(value).encode()


class Fault:
    """A deployment with one thing wrong: changes requests before, and answers after, the real service."""

    def __init__(self, failing, request=None, answer=None):
        self.failing, self.request, self.answer = failing, request, answer


class BrokenService:
    """A proxy in front of a good service, which breaks it in one way at a time."""

    def __init__(self, port, tokens):
        self.fault = None
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = {"method": self.command, "path": self.path, "body": body,
                           "token": self.headers.get("Authorization", "").removeprefix("Bearer "),
                           "headers": {name: value for name, value in self.headers.items()
                                       if name.lower() not in ("host", "authorization", "content-length")}}
                fault = service.fault
                if fault and fault.request:
                    fault.request(request, tokens)
                if request["token"]:
                    request["headers"]["Authorization"] = "Bearer " + request["token"]
                link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                link.request(request["method"], request["path"], request["body"] or None, request["headers"])
                seen = link.getresponse()
                answer = {"status": seen.status, "body": seen.read(),
                          "headers": [(name, value) for name, value in seen.getheaders()
                                      if name.lower() not in ("content-length", "transfer-encoding", "connection")]}
                link.close()
                if fault and fault.answer:
                    fault.answer(request, answer)
                self.send_response_only(answer["status"])
                for name, value in answer["headers"]:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer["body"])))
                self.end_headers()
                self.wfile.write(answer["body"])

            do_GET = do_POST = serve

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def faults():
    """For each check, a deployment that fails it, and what else must fail there."""
    def unready(request, answer):
        if request["path"] == "/ready":
            answer["status"] = 503

    def loses(request, answer):
        if answer["status"] == 200 and b'"operation"' in answer["body"]:
            answer["body"] = changed_json(answer["body"], lambda value: value["operation"].update(state="failed"))

    def stops_early(request, answer):
        answer["body"] = answer["body"].split(b"event: query.completed")[0]

    def lets_in(request, tokens):
        if not request["token"]:
            request["token"] = tokens[0]

    def takes_forgeries(request, tokens):
        if request["token"] and request["token"] not in tokens:
            request["token"] = tokens[0]

    def knows_one_user(request, tokens):
        if b"doc_ids" in request["body"] and request["token"] == tokens[1]:
            request["token"] = "expired"

    def searches_everybody(request, tokens):
        if request["token"] == tokens[1] and b"doc_ids" not in request["body"] and b'"query"' in request["body"]:
            request["token"] = tokens[0]

    def finds_by_name(request, tokens):
        if request["token"] == tokens[1] and b"doc_ids" in request["body"]:
            request["token"] = tokens[0]

    def shows_operations(request, tokens):
        if "/operations/" in request["path"]:
            request["token"] = tokens[0]

    def tells_of_operations(request, answer):
        # 404 as it must be, but in other words for what exists.
        if "/operations/" in request["path"] and answer["status"] == 404:
            answer["body"] = changed_json(answer["body"], lambda value: value.update(detail=request["path"]))

    def believes_the_body(request, tokens):
        if b"user_id" in request["body"]:
            request["body"] = changed_json(request["body"], lambda value: value.pop("user_id"))

    def hides_the_rate(request, answer):
        answer["headers"] = [pair for pair in answer["headers"] if pair[0].lower() != "ratelimit-policy"]

    def reads_everything(request, answer):
        if len(request["body"]) > 8192:
            answer["status"], answer["body"] = 200, b"{}"

    def breaks_down(request, answer):
        if request["body"] == b"{":
            answer["status"], answer["body"] = 500, b"Traceback (most recent call last)"
    return {
        "pipeline.ready": Fault(set(), answer=unready),
        # What was not stored cannot be looked for.
        "pipeline.stored": Fault({"isolation.search", "isolation.filter"}, answer=loses),
        "pipeline.streamed": Fault(set(), answer=stops_early),
        "authentication.no_token": Fault({"authentication.forged_token"}, request=lets_in),
        "authentication.forged_token": Fault(set(), request=takes_forgeries),
        "authentication.valid_tokens": Fault({"isolation.filter"}, request=knows_one_user),
        "isolation.search": Fault(set(), request=searches_everybody),
        "isolation.filter": Fault(set(), request=finds_by_name),
        "isolation.operation": Fault(set(), request=shows_operations),
        "isolation.operation (in words)": Fault(set(), answer=tells_of_operations),
        "isolation.user_id": Fault(set(), request=believes_the_body),
        "limits.rate": Fault(set(), answer=hides_the_rate),
        "limits.long_question": Fault(set(), answer=reads_everything),
        "limits.nonsense": Fault(set(), answer=breaks_down),
    }


class Smoke(EndToEnd):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tokens = [cls.at.token("smoke-a"), cls.at.token("smoke-b")]

    def smoke(self, url=None, *more):
        return self.at.cli("smoke", "--url", url or f"http://127.0.0.1:{self.at.port}", "--token", self.tokens[0],
                           "--other-token", self.tokens[1], *more, check=False)

    def test_a_good_deployment_passes_all_and_keeps_one_document(self):
        for _ in range(2):
            done = self.smoke()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertRegex(done.stdout, r"13 of 13 passed in [\d.]+ s\n$")
        report = json.loads(self.smoke(None, "--json").stdout)
        self.assertEqual((report["passed"], report["total"], report["cleaned_up"]), (13, 13, True))
        suites = [check["suite"] for check in report["checks"]]
        self.assertEqual({suite: suites.count(suite) for suite in suites},
                         {"pipeline": 3, "authentication": 3, "isolation": 4, "limits": 3})
        self.at.wait_for(lambda: [hit["text"] for hit in self.at.results(self.tokens[0], "smoke")] ==
                         ["Written by memseal smoke."], 20, "one document without content")
        self.assertEqual(self.at.results(self.tokens[1], "smoke"), [])

    def test_each_check_can_fail_and_is_named(self):
        broken = BrokenService(self.at.port, self.tokens)
        try:
            done = self.smoke(broken.url)
            self.assertEqual(done.returncode, 0, "the proxy alone breaks nothing: " + done.stdout)
            names = set(re.findall(r"^ok +(\S+)", done.stdout, re.M))
            self.assertEqual({name.split(" ")[0] for name in faults()}, names, "a fault for each check")
            for title, fault in faults().items():
                with self.subTest(title):
                    broken.fault = fault
                    done = self.smoke(broken.url, "--json")
                    self.assertEqual(done.returncode, 1, done.stdout)
                    report = json.loads(done.stdout)
                    failed = {f"{check['suite']}.{check['name']}" for check in report["checks"] if not check["passed"]}
                    self.assertEqual(failed, {title.split(" ")[0]} | fault.failing)
                    for name in failed:
                        self.assertIn(name, report["error"]["message"])
        finally:
            broken.close()

    def test_it_says_what_it_needs(self):
        url = f"http://127.0.0.1:{self.at.port}"
        for words, said in ((["--token", self.tokens[0]], "a second user"),
                            (["--token", self.tokens[0], "--other-token", self.tokens[0]], "both tokens are of one user"),
                            (["--token", "nonsense", "--other-token", self.tokens[1]], "names no user")):
            done = self.at.cli("smoke", "--url", url, *words, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(said, done.stderr)
        done = self.smoke("http://127.0.0.1:1")
        self.assertEqual(done.returncode, 3, done.stderr)

    def guard(self, *words):
        done = self.at.cli("guard", "check", "--url", f"http://127.0.0.1:{self.at.admin_port}", "--json", *words,
                           check=False)
        return done.returncode, json.loads(done.stdout)

    def test_the_guard_judges_windows_and_one_refused_statement_is_a_breach(self):
        status, report = self.guard("--window-s", "1")
        self.assertEqual((status, report["verdict"]), (0, "inconclusive"), "too few samples prove nothing")
        baseline = self.at.folder / "baseline.json"
        baseline.write_text(json.dumps(report))
        address = f"http://127.0.0.1:{self.at.admin_port}"
        watch = subprocess.Popen([self.at.program, "guard", "watch", "--url", address, "--every-s", "1", "--window-s", "30",
                                  "--baseline", str(baseline), "--json"], env=self.at.env, text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        self.assertEqual(json.loads(watch.stdout.readline())["verdict"], "inconclusive")
        revoked = "SELECT ON app.memory_chunks"
        psql(self.at.owner, f"REVOKE {revoked} FROM app_user")
        try:
            self.at.request("POST", "/api/v1/memory/query", {"query": "smoke"}, self.tokens[0])
        finally:
            psql(self.at.owner, f"GRANT {revoked} TO app_user")
        looks, _ = watch.communicate(timeout=20)
        looks = [json.loads(line) for line in looks.splitlines()]
        self.assertEqual((watch.returncode, looks[-2]["verdict"]), (6, "breach"), "zero tolerance needs no second look")
        self.assertEqual(looks[-1]["error"]["message"], "breached: rls_errors")
        calm = self.at.cli("guard", "watch", "--url", address, "--every-s", "1", "--window-s", "1", "--for-s", "1")
        self.assertEqual(calm.stdout, "inconclusive\n")
        status, report = self.guard("--window-s", "0")
        self.assertEqual((status, report["verdict"]), (6, "breach"))
        found = {rail["name"]: rail for rail in report["guardrails"]}
        self.assertEqual((found["rls_errors"]["verdict"], found["rls_errors"]["value"]), ("breach", 1))
        self.assertEqual(found["aad_mismatches"]["verdict"], "ok")
        self.assertIn("rls_errors", report["error"]["message"])
        status, report = self.guard("--window-s", "1")
        self.assertEqual(status, 0, "of an earlier window")

    def test_the_guard_says_where_it_looks(self):
        done = self.at.cli("guard", "check", "--url", f"http://127.0.0.1:{self.at.port}", check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("http.admin_listen", done.stderr)
        done = self.at.cli("guard", "watch", "--baseline", self.at.keyring, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("is no report of `memseal guard check --json`", done.stderr)


if __name__ == "__main__":
    unittest.main()
