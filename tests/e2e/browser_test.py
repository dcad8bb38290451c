"""A browser's pages against a running service: Chromium decides by the answers what a page may send and read. A page of an
allowed origin streams, uploads a form, reads errors and deletes; a page of another origin does none of it."""
import http.server
import json
import os
import platform
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from harness import EndToEnd

HERE = Path(__file__).resolve().parent
FETCHED = HERE.parents[1] / ".deps/browser/chromium"
TEXT = "First the kiln is lit.\u2028Then the glaze is mixed."


class Pages(http.server.ThreadingHTTPServer):
    """Serves the test's page, and takes what the page has found out."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), PageHandler)
        self.found = queue.Queue()
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class PageHandler(http.server.BaseHTTPRequestHandler):
    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        name = self.path.partition("?")[0]
        if name == "/page.mjs":
            self.answer("text/javascript", (HERE / "clients/browser_page.mjs").read_bytes())
        else:
            self.answer("text/html", b'<!doctype html><title>test</title><script type="module" src="/page.mjs"></script>')

    def do_POST(self):
        self.server.found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer("text/plain", b"")

    def log_message(self, *_):
        pass


def browser():
    """The program and what it needs of the environment."""
    if FETCHED.exists():
        return str(FETCHED), {"LD_LIBRARY_PATH": str(FETCHED.parent / "lib")}
    return next((found for found in map(shutil.which, ("chromium-headless-shell", "chromium")) if found), None), {}


@unittest.skipIf(browser()[0] is None, f"no Chromium on the path, and scripts/deps has none for {platform.machine()}")
class Browser(EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.pages = Pages()
        cls.addClassCleanup(cls.pages.close)
        cls.settings = {"http__cors_origins": f"http://127.0.0.1:{cls.pages.server_port}"}
        super().setUpClass()
        token = cls.at.token("bella")
        cls.at.request("POST", "/api/v1/memory/index?wait=20", {"text": TEXT}, token)
        cls.allowed = cls.visit("127.0.0.1", token)
        cls.foreign = cls.visit("localhost", token)

    @classmethod
    def visit(cls, host, token):
        """What a page of this host has found out: name → null, or the failure."""
        url = (f"http://{host}:{cls.pages.server_port}/#" + json.dumps(
            {"api": f"http://127.0.0.1:{cls.at.port}", "admin": f"http://127.0.0.1:{cls.at.admin_port}", "token": token,
             "adminToken": cls.at.admin_token}).replace(" ", "").replace('"', "%22"))
        program, env = browser()
        with tempfile.TemporaryDirectory(prefix="memseal-browser-") as profile, open(Path(profile) / "log", "w") as log:
            # One process for what draws, because there is nothing to draw on. The sandbox needs more than a container gives.
            child = subprocess.Popen([program, "--headless", "--no-sandbox", "--no-zygote", "--disable-gpu",
                                      "--in-process-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
                                      f"--user-data-dir={profile}/data", url], env={**os.environ, **env},
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            try:
                return cls.pages.found.get(timeout=120)
            except queue.Empty:
                raise RuntimeError("the page said nothing: " + Path(log.name).read_text()[-3000:]) from None
            finally:
                os.killpg(child.pid, signal.SIGKILL)  # its pages are processes too
                child.wait()

    def test_a_page_of_an_allowed_origin(self):
        names = {"streams_an_answer", "reads_why_it_is_refused", "uploads_a_form_and_reads_it_back", "deletes",
                 "lets_the_admin_listener_be"}
        self.assertEqual(set(self.allowed), names)
        for name in names:
            with self.subTest(name):
                self.assertIsNone(self.allowed[name])

    def test_a_page_of_another_origin_reads_nothing(self):
        for name in set(self.allowed) - {"lets_the_admin_listener_be"}:
            with self.subTest(name):
                self.assertIn("Failed to fetch", self.foreign[name] or "")
        self.assertIsNone(self.foreign["lets_the_admin_listener_be"])

    def test_no_page_has_switched_anything(self):
        _, data = self.at.request("GET", "/api/v1/rerank/metrics", token=self.at.token("bella"))
        self.assertTrue(json.loads(data)["enabled"])
        _, data = self.at.request("GET", "/api/v1/knowledge/files", token=self.at.token("bella"))
        self.assertEqual(json.loads(data)["files"], [])


if __name__ == "__main__":
    unittest.main()
