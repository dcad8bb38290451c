"""The service's own guard: a real fault begins its actions in their order, its end takes them back; an operator overrides."""
import json
import re
import threading
import time
import unittest

from harness import EndToEnd, psql

ORDER = ["rerank_off", "ingest_paused", "unready"]


class Requests:
    """Sends one request again and again while the block runs."""

    def __init__(self, at, *request):
        self.at, self.request, self.ends = at, request, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ends.is_set():
            self.at.request(*self.request)
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()


class Guard(EndToEnd):
    settings = {"guard__mode": "act", "guard__interval_s": 1, "guard__window_s": 2, "guard__clean_windows": 1,
                "guard__hold_s": 1, "guard__hold_max_s": 2, "guard__requests_min": 20, "guard__errors_permille": 100}

    def state(self):
        answer, data = self.at.request("GET", "/guard", admin=True)
        self.assertEqual(answer.status, 200, data)
        return json.loads(data)

    def active(self):
        return [action["name"] for action in self.state()["actions"] if action["active"]]

    def ready(self):
        answer, data = self.at.request("GET", "/ready")
        return answer.status, {check["name"]: check["ok"] for check in json.loads(data)["checks"]}

    def fallback(self, token):
        _, data = self.at.request("POST", "/api/v1/memory/query", {"query": "what counts ships?"}, token)
        return json.loads(data)["fallback_reason"]

    def moves(self):
        """(begun or ended, action) of each line of the log that tells one."""
        lines = [line for line in self.at.server_log().splitlines() if "guard.action_" in line]
        return [(re.search(r"guard\.action_(\w+)", line)[1], re.search(r'action"?[=:]"?(\w+)', line)[1]) for line in lines]

    def index(self, token, name, wait=""):
        answer, data = self.at.request("POST", "/api/v1/memory/index" + wait,
                                       {"text": f"Lighthouse {name} counts ships.", "doc_id": name}, token)
        self.assertIn(answer.status, (200, 202), data)

    def test_a_fault_begins_actions_in_order_and_its_end_takes_them_back(self):
        token = self.at.token("ada")
        self.index(token, "first", "?wait=10")
        self.at.wait_documents(1)
        self.assertEqual(self.fallback(token), "no_model", "no reranker is configured here")
        self.assertEqual(self.active(), [])
        # Each of these is answered with a 503, because no model can do what it asks.
        with Requests(self.at, "POST", "/rerank", {"query": "ships?", "texts": ["a"]}, token):
            self.at.wait_for(lambda: "rerank_off" in self.active(), 20, "reranking off")
            self.assertEqual(self.fallback(token), "disabled")
            self.at.wait_for(lambda: "ingest_paused" in self.active(), 20, "ingest paused")
            for number in range(12):
                self.index(token, f"while-paused-{number}")
            self.at.wait_for(lambda: self.ready()[0] == 503, 20, "unready")
            self.assertFalse(self.ready()[1]["guard"])
            self.assertEqual(self.active(), ORDER)
            self.assertEqual(self.state()["causes"], ["errors"])
            self.assertEqual(self.at.succeeded(), 1, "what was published waits in Kafka")
            self.assertEqual(self.at.metrics()["memseal_kafka_partitions"] > 0, True, "and its partitions are kept")
        with Requests(self.at, "GET", "/version"):
            self.at.wait_for(lambda: self.ready()[0] == 200, 20, "ready again")
            self.at.wait_for(lambda: self.active() == [], 20, "every action ended")
        self.assertTrue(self.ready()[1]["guard"])
        self.assertEqual(self.fallback(token), "no_model")
        self.at.wait_documents(13, 20)
        rows = psql(self.at.owner, "SELECT state, count(*), count(DISTINCT event_id) FROM app.ingest_events GROUP BY state")
        self.assertEqual(rows, [["succeeded", "13", "13"]], "none lost")
        found = self.at.results(token, "what counts ships?", top_k=24)
        self.assertEqual(len({one["doc_id"] for one in found}), len(found), "none doubled")
        self.assertEqual(self.moves(), [("begun", action) for action in ORDER] +
                         [("ended", action) for action in reversed(ORDER)])
        self.assertNotIn("guard.unreadable", self.at.server_log(), "every series is there from the start")
        metrics = self.at.metrics()
        self.assertEqual(
            metrics['memseal_guard_transitions_total{action="unready",cause="errors",mode="act",to="on"}'], 1)
        self.assertEqual(metrics['memseal_guard_action_active{action="unready"}'], 0)

    def test_an_operator_overrides(self):
        admin = ("--url", f"http://127.0.0.1:{self.at.admin_port}")
        token = self.at.folder / "admin-token"
        token.write_text("x" * 40)
        for env, words in (({"MEMSEAL__HTTP__ADMIN_TOKEN": ""}, ()), ({}, ("--token-file", token))):
            done = self.at.cli("guard", "hold", "unready", *admin, *words, env=env, check=False)
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn("http.admin_token", done.stderr)
        self.assertEqual(self.ready()[0], 200, "a stranger gives no orders")
        token.write_text(self.at.admin_token + "\n")
        here = {"MEMSEAL__HTTP__ADMIN_TOKEN": "", "MEMSEAL__HTTP__ADMIN_LISTEN": f"127.0.0.1:{self.at.admin_port}"}
        said = self.at.cli("guard", "hold", "unready", "--token-file", token, env=here).stdout
        self.assertRegex(said, r"unready +active held by an operator\n")
        self.assertEqual(self.ready()[0], 503)
        self.at.cli("guard", "mode", "observe", *admin)
        self.assertEqual(self.ready()[0], 503, "who holds an action holds it in every mode")
        told = json.loads(self.at.cli("--json", "guard", "release", "unready", *admin).stdout)
        self.assertEqual((told["mode"], [action["active"] for action in told["actions"]]), ("observe", [False] * 3))
        self.assertEqual(self.ready()[0], 200)
        self.assertIn("mode act", self.at.cli("guard", "mode", "act", *admin).stdout)
        self.assertIn("mode act", self.at.cli("guard", "show", *admin).stdout)
        done = self.at.cli("guard", "show", "--url", f"http://127.0.0.1:{self.at.port}", check=False)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("http.admin_listen", done.stderr)
        self.assertEqual(self.at.cli("guard", "hold", "everything", *admin, check=False).returncode, 2)
        answer, _ = self.at.request("POST", "/guard/hold/everything", admin=True)
        self.assertEqual(answer.status, 400)


if __name__ == "__main__":
    unittest.main()
