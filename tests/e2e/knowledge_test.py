"""Files through the running service: taken in by real clients, sealed on disk, whole after a kill, in bounded memory."""
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import unittest
import uuid
from pathlib import Path

from harness import EndToEnd, psql

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from made_documents import docx, pdf  # noqa: E402

FILES = "/api/v1/knowledge/files"
MIB = 1 << 20
CANARY = "canary-7f3a-the-cat-sat"


class Knowledge(EndToEnd):
    settings = {"files__user_bytes_max": 40 * MIB, "files__file_bytes_max": 34 * MIB}

    @property
    def store(self):
        return Path(self.at.env["MEMSEAL__FILES__DIRECTORY"])

    def curl(self, token, *words, path=""):
        """Status, head and body of one request of the real client."""
        head, body = self.at.folder / "head", self.at.folder / "body"
        done = subprocess.run(["curl", "-sS", "-H", f"Authorization: Bearer {token}", "-D", str(head), "-o", str(body),
                               "-w", "%{http_code}", *map(str, words), f"http://127.0.0.1:{self.at.port}{FILES}{path}"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        return int(done.stdout or 0), head.read_text(), body.read_bytes() if body.exists() else b""

    def put(self, token, name, content, **more):
        answer, data = self.at.request("POST", FILES, content, token, {"X-Memseal-Name": name, **more})
        return answer.status, json.loads(data)

    def end_of(self, event):
        """Outcome and error code that the status topic has of an event; None: nothing yet."""
        for line in self.at.kcat_raw(self.at.env["MEMSEAL__KAFKA__STATUS_TOPIC"]).splitlines():
            data = json.loads(line)["data"]
            if data["event_id"] == event:
                return data["outcome"], data.get("error_code")

    def content(self, token, id):
        answer, data = self.at.request("GET", f"{FILES}/{id}/content", None, token)
        return answer.status, data

    def bytes_of(self, method, path, token):
        """All of an answer but what names this very request."""
        answer, data = self.at.request(method, path, None, token, {"X-Request-ID": "r"})
        passing = ("date", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit")
        return answer.status, data, [pair for pair in answer.getheaders() if pair[0].lower() not in passing]

    def test_what_curl_sends_comes_back_whole_and_to_its_owner_alone(self):
        token, other = self.at.token("ada"), self.at.token("bob")
        sent = os.urandom(3 * MIB + 17)
        original = self.at.folder / "räport 1.bin"
        original.write_bytes(sent)
        status, _, body = self.curl(token, "-F", f"file=@{original};type=application/pdf", "-F", "tags=work,2026")
        self.assertEqual(status, 201, body)
        file = json.loads(body)["file"]
        self.assertEqual((file["name"], file["media_type"], file["bytes"], file["tags"]),
                         ("räport 1.bin", "application/pdf", len(sent), ["work", "2026"]))
        status, head, body = self.curl(token, path=f"/{file['id']}/content")
        self.assertEqual((status, body == sent), (200, True))
        self.assertIn("Content-Disposition: attachment; filename=", head)
        self.assertIn("X-Content-Type-Options: nosniff", head)
        status, _, body = self.curl(token, "-r", "1000000-1999999", path=f"/{file['id']}/content")
        self.assertEqual((status, body == sent[1000000:2000000]), (206, True))
        self.assertEqual(self.curl(token, "--data-binary", f"@{original}", "-H", "X-Memseal-Name: raw.bin")[0], 201)
        self.assertEqual(self.curl(token, "-T", original, "-X", "POST", "-H", "Transfer-Encoding: chunked",
                                   "-H", "X-Memseal-Name: raw.bin")[0], 200, "the same again, in chunks")
        listed = json.loads(self.curl(token, "-H", "X-Memseal-Tags: work", path="?limit=5")[2])
        self.assertEqual([one["id"] for one in listed["files"]], [file["id"]])
        for method, tail in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            seen = self.bytes_of(method, f"{FILES}/{file['id']}{tail}", other)
            self.assertEqual(seen[0], 404)
            self.assertEqual(seen, self.bytes_of(method, f"{FILES}/{uuid.uuid4()}{tail}", other))
        self.assertEqual(json.loads(self.curl(other)[2])["files"], [])
        self.assertEqual(self.curl(token, "-X", "DELETE", path=f"/{file['id']}")[0], 204)
        self.assertEqual(self.content(token, file["id"])[0], 404)

    def test_a_stored_text_is_found_and_is_forgotten_with_its_file(self):
        token = self.at.token("fay")
        id = self.put(token, "tea.md", b"# Tea\n\nFay drinks oolong.")[1]["file"]["id"]
        answer, data = self.at.request("POST", "/api/v1/knowledge/index?wait=20", {"file_id": id}, token)
        self.assertEqual((answer.status, json.loads(data)["operation"]["state"]), (200, "succeeded"), data)
        self.assertEqual([hit["doc_id"] for hit in self.at.results(token, "oolong", top_k=1)], [id])
        self.assertEqual(self.at.request("DELETE", f"{FILES}/{id}", None, token)[0].status, 204)
        self.at.wait_for(lambda: not self.at.results(token, "oolong", top_k=1), what="the deletion")

    def test_a_long_text_is_read_from_its_file(self):
        token = self.at.token("hal")
        lines = [f"Line {number} of the log says that nothing happened at all.\n" for number in range(2600)]
        lines[2500] = "The vermilion zeppelin landed in Ystad.\n"
        text = "".join(lines).encode()
        self.assertGreater(len(text), 1 << 17, "one event would hold it")
        id = self.put(token, "log.txt", text)[1]["file"]["id"]
        answer, data = self.at.request("POST", "/api/v1/knowledge/index?wait=60", {"file_id": id}, token)
        self.assertEqual((answer.status, json.loads(data)["operation"]["state"]), (200, "succeeded"), data)
        hit = self.at.results(token, "where did the vermilion zeppelin land?", top_k=1)[0]
        self.assertEqual(hit["doc_id"], id)
        self.assertIn("Ystad", hit["text"])
        self.assertIn("Ystad", text.decode()[hit["char_start"]:hit["char_end"]], "offsets are those of the file")
        broken = self.put(token, "cut.docx", b"PK\x03\x04" + os.urandom(1 << 18))[1]["file"]["id"]
        answer, data = self.at.request("POST", "/api/v1/knowledge/index?wait=20", {"file_id": broken}, token)
        operation = json.loads(data)["operation"]
        self.assertEqual((operation["state"], operation["error"]["code"]), ("failed", "file_damaged"), data)
        # A producer may refer to a file of the user of its event, and of nobody else.
        short = self.put(token, "short.txt", b"Hal keeps bees.")[1]["file"]["id"]
        for user, ends in (("hal", ("ingested", None)), ("ivy", ("dead_lettered", "not_found"))):
            event = {"specversion": "1.0", "id": f"by-{user}", "source": "test", "type": "memory.upload.v1",
                     "subject": user, "data": {"doc_id": "bees", "file": {"mime_type": "text/plain"},
                                               "content": {"ref": f"memseal-file:{short}"}}}
            self.at.kcat_produce(self.at.upload_topic, user, json.dumps(event),
                                 [("content-type", "application/cloudevents+json")])
            self.at.wait_for(lambda: self.end_of(event["id"]), 30, f"the event of {user}")
            self.assertEqual(self.end_of(event["id"]), ends)

    def test_what_no_event_holds_is_published_as_one_document(self):
        env, url = {"MEMSEAL_TOKEN": self.at.token("kim")}, f"http://127.0.0.1:{self.at.port}"
        folder = self.at.folder / "long"
        folder.mkdir()

        def publish(*words, stdin=None):
            done = subprocess.run([self.at.program, "publish", "upload", "--user", "kim", "--url", url, *words], input=stdin,
                                  env={**self.at.env, **env}, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        def long(mib, *sentences):
            # Words that are one token each for the model, so that little is to be embedded.
            word = "k\u00f6nigspinguin" * 300 + "\n"
            words = [word] * (mib * MIB // len(word.encode()))
            for place, sentence in sentences:
                words.insert(int(place * len(words)), sentence + "\n")
            return "".join(words)

        def documents():
            _, data = self.at.request("GET", "/api/v1/memory/documents", token=env["MEMSEAL_TOKEN"])
            return {one["doc_id"]: one["chunks"] for one in json.loads(data)["documents"]}

        def found(question):
            return [(hit["doc_id"], hit["text"], hit["char_start"], hit["char_end"])
                    for hit in self.at.results(env["MEMSEAL_TOKEN"], question, top_k=1, min_score=0.3)]
        oboe, mango = "The keeper of the lighthouse plays the oboe.", "The mango tree bears fruit in June."
        text = long(7, (0.01, oboe), (0.99, mango))
        (folder / "log.txt").write_text(text)
        self.assertRegex(publish("log.txt"), r"^stored log\.txt, \d+ chunks, \d+ ms\n$")
        for question, sentence in (("who plays the oboe?", oboe), ("when does the mango tree bear fruit?", mango)):
            (doc, chunk, begin, end), = found(question)
            self.assertEqual((doc, text[begin:end]), ("log.txt", chunk))
            self.assertIn(sentence, chunk)
        whole = documents()
        self.assertGreater(whole["log.txt"], 20)
        # The same again, and twice at once: one document. Nothing of it lies elsewhere.
        publish("log.txt")
        two = [threading.Thread(target=publish, args=("./log.txt",)) for _ in range(2)]
        for one in two:
            one.start()
        for one in two:
            one.join()
        self.assertEqual(documents(), whole)
        self.assertEqual(self.at.cli("files", "list", "--url", url, env=env).stdout, "")
        # A directory, and standard input.
        (folder / "all").mkdir()
        (folder / "all/a.md").write_text("# A\n\nA short one.")
        (folder / "all/b.md").write_text(long(2, (0.5, "# Kilns"), (0.6, "The kiln is lit at dawn.")))
        self.assertRegex(publish("all"), r"^stored 2 documents, \d+ chunks")
        publish("--doc-id", "piped", "-", stdin=long(2, (0, "The tide is low at six.")))
        hit = self.at.results(env["MEMSEAL_TOKEN"], "when is the kiln lit?", top_k=1)[0]
        self.assertEqual((hit["doc_id"], hit["place"]["heading"]), ("all/b.md", "Kilns"))
        self.assertEqual(found("when is the tide low?")[0][0], "piped")
        # A shorter text takes the place of all of it; a deletion leaves nothing.
        (folder / "log.txt").write_text("Now it is short.")
        self.assertRegex(publish("log.txt"), r"^stored log\.txt, 1 chunk, ")
        self.assertEqual((documents()["log.txt"], found("who plays the oboe?")), (1, []))
        for doc in ("piped", "all/b.md", "all/a.md", "log.txt"):
            self.at.cli("rm", doc, "--url", url, env=env)
        self.assertEqual(documents(), {})
        self.assertEqual(self.at.cli("files", "list", "--url", url, env=env).stdout, "")

    def test_documents_are_found_by_their_words_or_say_why_not(self):
        token = self.at.token("hal")

        def index(name, content):
            answer, data = self.at.request("POST", FILES + "?index=true", content, token,
                                           {"X-Memseal-Name": name, "Prefer": "wait=20"})
            self.assertEqual(answer.status, 201, data)
            return json.loads(data)
        for name, content, question, text, place in (
                ("a.docx", docx("Hal sails a ketch", "called Wanderer"), "ketch", "Hal sails a ketch\n\ncalled Wanderer", None),
                ("b.html", b"<!doctype html><nav>no</nav><h1>Tides</h1><p>Spring tide at noon", "spring tide",
                 "# Tides\n\nSpring tide at noon", {"page": None, "page_end": None, "heading": "Tides"}),
                ("c.pdf", pdf("The lighthouse was painted white", "and its keeper left"), "lighthouse",
                 "The lighthouse was painted white\n\nand its keeper left", {"page": "1", "page_end": "2", "heading": None})):
            told = index(name, content)
            self.assertEqual(told["operation"]["state"], "succeeded", told)
            found = self.at.results(token, question, top_k=1)[0]
            self.assertEqual((found["doc_id"], found["text"], found["place"]), (told["file"]["id"], text, place))
        asked = self.at.cli("query", "--url", f"http://127.0.0.1:{self.at.port}", "--top-k", "1", "lighthouse",
                            env={"MEMSEAL_TOKEN": token})
        self.assertIn(f"{found['doc_id']} (c.pdf) · p. 1-2\n", asked.stdout)
        locked = bytearray(docx("x"))
        for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = locked.find(mark)
            while at >= 0:
                locked[at + flags] |= 1
                at = locked.find(mark, at + 1)
        for name, content, code in (("d.docx", bytes(locked), "file_encrypted"), ("e.docx", docx("x")[:-30], "file_damaged"),
                                    ("f.pdf", pdf(""), "file_without_text"), ("g.png", b"\x89PNG\r\n\x1a\n\0\0", "unsupported_media_type")):
            told = index(name, content)
            self.assertEqual((told["operation"], told["index_error"]["code"]), (None, code), name)
            self.assertTrue(told["index_error"]["suggestion"])

    def test_the_command_line_stores_finds_fetches_and_deletes(self):
        env, url = {"MEMSEAL_TOKEN": self.at.token("gus")}, ("--url", f"http://127.0.0.1:{self.at.port}")
        folder = self.at.folder / "notes"
        (folder / "sub").mkdir(parents=True)
        (folder / "tea.md").write_text("# Tea\n\nGus drinks lapsang souchong.")
        large = os.urandom(5 * MIB + 3)
        (folder / "sub" / "l\u00e4rge.bin").write_bytes(large)

        def run(*words, code=0):
            done = self.at.cli(*words, *url, env=env, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            return done.stdout
        out = run("upload", "--index", "--wait", "--tag", "work", folder)
        self.assertRegex(out, r"notes/sub/l\u00e4rge\.bin: stored, not indexed: .*, \d+ m?s \([0-9a-f-]{36}\)\n")
        self.assertRegex(out, r"notes/tea\.md: stored, 1 chunk, \d+ m?s \([0-9a-f-]{36}\)\n")
        files = {one["name"]: one for one in map(json.loads, run("files", "list", "--tag", "work", "--json").splitlines())}
        self.assertEqual(sorted(files), ["sub/l\u00e4rge.bin", "tea.md"])
        tea, bin = files["tea.md"]["id"], files["sub/l\u00e4rge.bin"]["id"]
        self.assertEqual([hit["doc_id"] for hit in self.at.results(env["MEMSEAL_TOKEN"], "lapsang", top_k=1)], [tea])
        again = [json.loads(line) for line in run("upload", "--index", "--json", folder).splitlines()]
        self.assertEqual([(one["state"], one["operation"]) for one in again], [("unchanged", None)] * 2)
        self.assertIn("Gus drinks lapsang souchong.", run("files", "show", tea, "--chunks"))
        run("files", "get", bin, "-o", self.at.folder / "back")
        self.assertEqual((self.at.folder / "back").read_bytes(), large)
        run("files", "rm", tea, code=2)
        run("files", "rm", "--yes", tea, bin)
        self.assertEqual(run("files", "list"), "")
        run("files", "show", tea, code=4)
        self.at.wait_for(lambda: not self.at.results(env["MEMSEAL_TOKEN"], "lapsang", top_k=1), what="the deletion")

    def test_a_quota_is_kept_and_says_what_is_left(self):
        token = self.at.token("cleo")
        self.assertEqual(self.put(token, "one", bytes(30 * MIB))[0], 201)
        for size in (11 * MIB, 35 * MIB):  # by a client that listens while it sends
            large = self.at.folder / "large"
            large.write_bytes(bytes(size))
            status, _, body = self.curl(token, "--data-binary", f"@{large}", "-H", "X-Memseal-Name: two")
            self.assertEqual((status, json.loads(body)["code"]), (413, "payload_too_large"))
            if size < 34 * MIB:
                self.assertIn(f"{10 * MIB} bytes", json.loads(body)["detail"])
        self.assertEqual(self.put(token, "one", bytes(30 * MIB))[0], 200, "a retry at a full quota")

    def test_memory_does_not_grow_with_a_file(self):
        token, pid = self.at.token("dan"), self.at.server.pid

        def kib(name):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))
        self.assertEqual(self.put(token, "warm", bytes(2 * MIB))[0], 201)
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins again
        before = kib("VmRSS")
        status, told = self.put(token, "large", os.urandom(32 * MIB))
        self.assertEqual(status, 201)
        self.assertEqual(len(self.content(token, told["file"]["id"])[1]), 32 * MIB)
        self.assertLess(kib("VmHWM") - before, 16 * 1024, "KiB")

    def test_nothing_stands_in_the_clear(self):
        token = self.at.token(CANARY + "-user")
        text = (CANARY + "\n").encode() * 20000
        status, told = self.put(token, CANARY + ".txt", text, **{"X-Memseal-Tags": CANARY, "Content-Type": f"text/{CANARY}"})
        self.assertEqual((status, told["file"]["tags"]), (201, [CANARY]))
        link = http.client.HTTPConnection("127.0.0.1", self.at.port, timeout=30)  # an upload that goes on
        link.putrequest("POST", FILES)
        for name, value in (("Authorization", f"Bearer {token}"), ("X-Memseal-Name", CANARY), ("Content-Length", str(8 * MIB))):
            link.putheader(name, value)
        link.endheaders()
        link.send(text * 10)
        self.at.wait_for(lambda: sum(one.stat().st_size for one in (self.store / "uploads").iterdir()) > MIB, what="bytes on disk")
        seen = 0
        for one in self.store.rglob("*"):
            self.assertNotIn("canary", str(one).lower())
            if one.is_file():
                data = one.read_bytes()
                seen += len(data)
                self.assertNotIn(b"canary", data)
        self.assertGreater(seen, len(text))
        rows = psql(self.at.owner, "SELECT f::text, encode(facts_cipher, 'escape') FROM app.files f")
        self.assertNotIn("canary", str(rows))
        self.assertNotIn("canary", self.at.server_log())
        link.close()

    def test_kills_lose_nothing_that_was_acknowledged_and_leave_no_orphan(self):
        token, stored, lock = self.at.token("eve"), {}, threading.Lock()

        def upload(number, end):
            count = 0
            while not end.is_set():
                content, count = os.urandom(1 + (count * 70001) % 700000), count + 1
                name = f"{number}-{uuid.uuid4().hex}"
                try:
                    status, told = self.put(token, name, content)
                except (OSError, http.client.HTTPException):
                    return
                if status == 201:
                    with lock:
                        stored[told["file"]["id"]] = content
                elif status == 413:
                    return
        for kill in range(3):
            end = threading.Event()
            workers = [threading.Thread(target=upload, args=(number, end)) for number in range(3)]
            for worker in workers:
                worker.start()
            self.at.wait_for(lambda: len(stored) >= 2 + 2 * kill, what="acknowledged uploads")
            time.sleep(0.03 * kill)
            self.at.kill()
            end.set()
            for worker in workers:
                worker.join()
            self.at.start()
        self.at.wait_for(lambda: not list((self.store / "uploads").iterdir()), what="the sweep")
        self.assertGreater(len(stored), 3)
        for id, content in stored.items():
            self.assertEqual(self.content(token, id), (200, content))
        # A file whose answer was lost may be there too: whole, and with a row; else it has none.
        owner = psql(self.at.owner, "SELECT file_count, file_bytes, (SELECT count(*) FROM app.files f WHERE f.user_hash = t.user_hash), "
                                    "(SELECT sum(bytes) FROM app.files f WHERE f.user_hash = t.user_hash) "
                                    "FROM app.tenants t WHERE file_count > 0")
        for files, size, rows, sum_of_bytes in owner:
            self.assertEqual((files, size), (rows, sum_of_bytes))

    def test_a_store_of_another_database_is_refused(self):
        mark = self.store / "store"
        own = mark.read_text()
        self.at.stop()
        try:
            for text, cause in ((str(uuid.uuid4()), "do not belong together"), (None, "is not there")):
                mark.unlink()
                if text:
                    mark.write_text(text)
                refused = self.at.cli("serve", check=False)
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertIn(cause, refused.stderr + refused.stdout)
        finally:
            mark.write_text(own)
            self.at.start()


if __name__ == "__main__":
    unittest.main()
