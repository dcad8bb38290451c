"""memseal models pull against a hub that this test plays: redirects, ranges, tokens, a proxy, an end."""
import fcntl
import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MEMSEAL_PROGRAM", str(ROOT / "build/release/memseal"))
sys.path.insert(0, str(ROOT / "kernels"))
from check.tiny_bert import TinyBert  # noqa: E402

COMMIT, REPOSITORY = "0123456789abcdef0123456789abcdef01234567", "me/tiny"


def git_name(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(http.server.ThreadingHTTPServer):
    """Both the hub and, on another address, the host that large files lie on."""
    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.seen, self.large, self.break_off, self.token = files, [], None, 0, ""
        self.names = git_name  # the ETag of a file that lies here; None: no such field
        self.wrong_ranges, self.has_lengths = 0, True
        self.etag = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self):
        self.server.seen.append(("CONNECT", self.path))
        port = self.path.split(":")[1]
        with socket.create_connection(("127.0.0.1", int(port))) as far:
            self.send_response_only(200)
            self.end_headers()
            near = self.connection
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join(5)
        self.close_connection = True

    def do_GET(self):
        hub = self.server
        hub.seen.append((self.path, self.headers.get("Authorization"), self.headers.get("Range")))
        if hub.token and hub.token != (self.headers.get("Authorization") or "")[7:]:
            return self.answer(401)
        if self.path == f"/api/models/{REPOSITORY}/revision/main" or self.path.endswith("/" + COMMIT):
            files = [{"rfilename": name} for name in [*hub.files, "pytorch_model.bin", "../evil"]]
            return self.answer(200, json.dumps({"sha": COMMIT, "siblings": files}).encode())
        name = self.path.split("?")[0].removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/").removeprefix("/far/")
        if name not in hub.files:
            return self.answer(404)
        if hub.large is not None and name == "model.safetensors":
            return self.answer(302, b"elsewhere", Location=f"{hub.large.address}/far/{name}?signed=1",
                               X_Linked_Etag=f'"{hub.etag[name]}"', X_Linked_Size=str(len(hub.files[name])))
        return self.file(hub, hub.files[name])

    def head_of_file(self, hub, data, start, body):
        self.send_response(206 if start else 200)
        first = start
        if start and hub.wrong_ranges:
            hub.wrong_ranges -= 1
            first, body = 0, data
        if start:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        if hub.names:
            self.send_header("ETag", f'"{hub.names(data)}"')
        if hub.has_lengths:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        return body

    def file(self, hub, data):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if start >= len(data) > 0 and start:
            return self.answer(416)
        body = self.head_of_file(hub, data, start, data[start:])
        if hub.break_off > 0:
            hub.break_off -= 1
            self.wfile.write(body[:len(body) // 2])
            self.close_connection = True
            return None
        self.wfile.write(body)
        return None


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Pull(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.place = Path(folder.name)
        TinyBert(True).save(self.place / "origin")
        files = {path.name: path.read_bytes() for path in (self.place / "origin").iterdir()}
        self.hub, self.far = Hub(files), Hub(files)
        self.far.names = lambda _: "f" * 40  # A store of large files has names of its own.
        self.addCleanup(self.far.server_close)
        self.addCleanup(self.hub.server_close)
        self.models = self.place / "models"
        self.models.mkdir()

    def memseal(self, *words, **env):
        clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        return subprocess.run([PROGRAM, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=120, cwd=self.place,
                              env={**clean, "MEMSEAL_MODELS": str(self.models), "HF_ENDPOINT": self.hub.address, **env})

    def pull(self, *words, **env):
        return self.memseal("models", "pull", REPOSITORY, *words, **env)

    def ranges(self, hub):
        return [seen[2] for seen in hub.seen if seen[0] != "CONNECT" and seen[2]]

    def test_a_model_that_was_pulled_is_found_by_its_name_and_locked(self):
        self.hub.large = self.far
        self.hub.token = "hf_secret"
        (self.place / "token").write_text("hf_secret\n")
        (self.place / "token").chmod(0o600)
        self.assertEqual(self.pull().returncode, 5)
        done = self.pull("--token-file", "token")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, data in self.hub.files.items():
            self.assertEqual((self.models / "tiny" / name).read_bytes(), data)
        self.assertEqual([seen[1] for seen in self.far.seen], [None], "the token is the hub's alone")
        lock = json.loads((self.models / "tiny/memseal.lock.json").read_text())
        self.assertEqual((lock["repository"], lock["revision"]), (REPOSITORY, COMMIT))
        self.assertEqual({file["name"]: file["sha256"] for file in lock["files"]}, self.hub.etag)
        self.assertEqual([path.name for path in self.models.iterdir()], ["tiny"])
        self.assertEqual(self.memseal("models", "verify", "tiny").returncode, 0)
        self.assertEqual(self.pull().returncode, 2, "it is there")

    def test_what_broke_off_is_continued_within_a_call_and_by_the_next(self):
        self.hub.large = self.far
        self.far.break_off = 2
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.ranges(self.far)), 2)
        self.assertEqual((self.models / "tiny/model.safetensors").read_bytes(), self.hub.files["model.safetensors"])
        self.far.break_off, self.far.seen = 4, []
        self.assertEqual(self.pull("--to", "again").returncode, 3)
        began = len(self.hub.seen)
        done = self.pull("--to", "again")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.hub.seen) - began, 2, "the list and the one file that was missing")
        self.assertEqual((self.place / "again/tiny/model.safetensors").read_bytes(),
                         self.hub.files["model.safetensors"])

    def test_other_bytes_than_named_are_thrown_away(self):
        self.hub.large = self.far
        self.hub.etag["model.safetensors"] = "ab" * 32
        done = self.pull()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("model.safetensors holds other bytes than the hub names", done.stderr)
        self.assertFalse((self.models / "tiny").exists())
        self.assertFalse((self.models / ".tiny.part/model.safetensors").exists())

    def test_a_lock_file_brings_the_same_bytes_or_none(self):
        self.assertEqual(self.pull().returncode, 0)
        lock = str(self.models / "tiny/memseal.lock.json")
        done = self.memseal("--json", "models", "pull", "--lock", lock, "--to", "other")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["revision"], COMMIT)
        self.hub.files["vocab.txt"] += b"more\n"
        done = self.memseal("models", "pull", "--lock", lock, "--to", "third")
        self.assertEqual(done.returncode, 1)
        self.assertIn("vocab.txt holds other bytes than the lock file names", done.stderr)

    def test_a_lock_file_brings_no_file_that_it_does_not_name(self):
        self.assertEqual(self.pull().returncode, 0)
        place = self.models / "tiny/memseal.lock.json"
        self.hub.files["1_Pooling/config.json"] = b'{"pooling_mode_cls_token": true}'
        left = self.place / "other/.tiny.part/1_Pooling/config.json"
        left.parent.mkdir(parents=True)
        left.write_bytes(self.hub.files["1_Pooling/config.json"])
        done = self.memseal("models", "pull", "--lock", str(place), "--to", "other")
        self.assertEqual(done.returncode, 0, done.stderr)
        lock = json.loads(place.read_text())
        there = {str(path.relative_to(self.place / "other/tiny"))
                 for path in (self.place / "other/tiny").rglob("*") if path.is_file()}
        self.assertEqual(there, {file["name"] for file in lock["files"]} | {"memseal.lock.json"})
        for missing in ("", "config.json", "model.safetensors"):
            kept = [file for file in lock["files"] if missing and file["name"] != missing]
            (self.place / "bad.json").write_text(json.dumps({**lock, "files": kept}))
            asked = len(self.hub.seen)
            done = self.memseal("models", "pull", "--lock", "bad.json", "--to", "third")
            self.assertEqual(done.returncode, 2, missing)
            self.assertIn("the lock file has no config.json or no model.safetensors", done.stderr)
            self.assertEqual(len(self.hub.seen), asked, "nothing is asked for")

    def test_another_part_than_was_asked_for_is_not_taken_for_the_rest(self):
        self.hub.names = None
        self.hub.break_off = self.hub.wrong_ranges = 1
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.hub.wrong_ranges, 0)
        self.assertEqual(len(self.ranges(self.hub)), 1, "the third request asks for all of it")
        for name, data in self.hub.files.items():
            self.assertEqual((self.models / "tiny" / name).read_bytes(), data)

    def test_a_part_that_is_longer_than_the_file_is_fetched_anew(self):
        part = self.models / ".tiny.part"
        part.mkdir()
        (part / "memseal.lock.json").write_text(
            json.dumps({"repository": REPOSITORY, "revision": COMMIT, "files": []}))
        (part / "vocab.txt.part").write_bytes(self.hub.files["vocab.txt"] + b"more\n")
        self.hub.names = None
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.models / "tiny/vocab.txt").read_bytes(), self.hub.files["vocab.txt"])

    def test_a_small_file_has_the_name_that_git_gives_it(self):
        original = self.hub.files["vocab.txt"]
        named = {data: git_name(data) for data in self.hub.files.values()}
        tampered = original[:-2] + b"~\n"
        named[tampered] = named[original]
        self.hub.files["vocab.txt"], self.hub.names = tampered, named.get
        done = self.pull()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("vocab.txt holds other bytes than the hub names", done.stderr)
        self.hub.files["vocab.txt"], self.hub.has_lengths = original, False
        self.assertEqual(self.pull().returncode, 0, "the name says that all of it came")

    def test_a_file_without_length_and_hash_is_refused(self):
        self.hub.names, self.hub.has_lengths, self.hub.break_off = None, False, 1
        done = self.pull()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("comes without its length and without a hash", done.stderr)
        self.assertEqual(list((self.models / ".tiny.part").glob("*.part")), [])

    def test_a_file_ends_where_the_hub_says(self):
        self.hub.large, self.far.has_lengths, self.far.break_off = self.far, False, 1
        done = self.pull()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.ranges(self.far)), 1, "the half that came is continued")

    def test_two_pulls_do_not_write_one_folder(self):
        part = self.models / ".tiny.part"
        part.mkdir()
        other = os.open(part, os.O_RDONLY)
        fcntl.flock(other, fcntl.LOCK_EX)
        done = self.pull()
        os.close(other)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("another `memseal models pull` is writing", done.stderr)
        self.assertEqual(list(part.glob("*.part")), [])
        self.assertEqual(self.pull().returncode, 0)

    def test_it_goes_through_a_proxy_unless_the_host_is_excepted(self):
        proxy = Hub({})
        self.addCleanup(proxy.server_close)
        far = {"HF_ENDPOINT": f"http://hub.invalid:{self.hub.server_port}", "http_proxy": proxy.address}
        done = self.pull(**far)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(proxy.seen[0], ("CONNECT", f"hub.invalid:{self.hub.server_port}"))
        proxy.seen = []
        self.assertEqual(self.pull("--to", "direct", **far, NO_PROXY=".invalid").returncode, 3)
        self.assertEqual(proxy.seen, [])

    def test_what_is_for_this_machine_goes_through_no_proxy(self):
        proxy = Hub({})
        self.addCleanup(proxy.server_close)
        self.hub.token = "hf_secret"
        done = self.pull(http_proxy=proxy.address, ALL_PROXY=proxy.address, HF_TOKEN="hf_secret")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(proxy.seen, [])

    def test_without_a_network_it_says_what_to_do_by_hand(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            done = self.pull(HF_ENDPOINT=f"http://127.0.0.1:{closed.getsockname()[1]}")
        self.assertEqual(done.returncode, 3)
        for words in (f"/{REPOSITORY}/resolve/main/FILE", "model.safetensors", str(self.models / "tiny"),
                      "memseal models verify tiny", "HTTPS_PROXY", "HF_ENDPOINT"):
            self.assertIn(words, done.stderr)

    def test_a_name_that_the_hub_does_not_know_is_said(self):
        self.assertEqual(self.memseal("models", "pull", "me/unknown").returncode, 4)
        done = self.memseal("models", "pull", "unknown")
        self.assertEqual(done.returncode, 2)
        self.assertIn("OWNER/NAME", done.stderr)


if __name__ == "__main__":
    unittest.main()
