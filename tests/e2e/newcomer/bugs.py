"""Bugs: the lines F. Those that are a line of wrong usage as well stand there."""
import json
import re
import subprocess
import time
from pathlib import Path

from newcomer import PROGRAM, row

ROOT = Path(__file__).resolve().parents[3]


def bar_of(figure):
    """What a figure of bench/ must be."""
    return json.loads(re.search(rf'{{"id": "{figure}",.*}}', (ROOT / "bench/figures.json").read_text()).group())["bar"]


@row("F1 one Idempotency-Key, one doc_id, another text: acknowledged and dropped")
def one_key_two_texts(at):
    key = {"Idempotency-Key": "newcomer-1"}
    index = "/api/v1/memory/index"
    first = at.post(index + "?wait=20", {"text": "The lamp is copper.", "doc_id": "lamp"}, key)
    other = at.post(index, {"text": "The lamp is amber.", "doc_id": "lamp"}, key)
    again = at.post(index, {"text": "The lamp is copper.", "doc_id": "lamp"}, key)
    at.assertEqual([first[0], other[0], again[0]], [200, 422, 202])
    at.assertEqual(again[1]["operation"]["id"], first[1]["operation"]["id"])


@row("F3 README's lines gave `0 results`")
def lines_of_the_readme(at):
    lines = re.findall(r"^build/release/memseal ((?:publish chat|query) .*)$", (ROOT / "README.md").read_text(), re.M)
    chat, query = lines
    done = at.shell(f"{PROGRAM} {chat} && {PROGRAM} {query}")
    at.assertIn("stored conversation c1, ", done)
    at.assertRegex(done, r"(?m)^ *1\. .*\n? .*My dentist is Dr\. Novak\.")


@row("F4 README's rerank curl was 503 and nobody said that a model is needed")
def rerank_without_a_model(at):
    status, problem = at.post("/api/v1/rerank", {"query": "tea", "documents": ["green tea", "a car"]})
    at.assertEqual((status, problem["code"]), (503, "no_model"))
    at.assertIn("rerank.model", problem["detail"] + problem.get("suggestion", ""))
    at.assertIn("Reranking needs a cross-encoder (`rerank.model`", (ROOT / "docs/clients.md").read_text())
    at.assertNotIn("api/v1/rerank", (ROOT / "README.md").read_text())


@row("F5 the limit stopped an app after 8 turns, in `dev` too; polls counted")
def enough_for_a_chat(at):
    status, answer = at.post("/api/v1/memory/index", {"text": "Tea."})
    at.assertEqual(status, 202)
    for _ in range(110):
        at.assertEqual(at.get("/api/v1/operations/" + answer["operation"]["id"])[0], 200)
    for _ in range(101):
        at.assertEqual(at.post("/api/v1/memory/query", {"query": ""})[0], 422)
    at.assertEqual(at.post("/api/v1/memory/query", {"query": "tea"})[0], 200)
    rows = dict(re.findall(r"^\| `ratelimit\.(\w+)` .*?\| `?(\d+)`? \|", (ROOT / "docs/settings.md").read_text(), re.M))
    at.assertGreaterEqual(int(rows["query_requests"]), 100)
    at.assertGreaterEqual(int(rows["write_requests"]), 200)  # a turn of each side


@row("F6 `publish` stalled for a second in a tenth of its runs")
def publish_returns(at):
    at.assertEqual({bar_of(one) for one in ("publish", "publish_dev")}, {"ours <= 100"})
    (at.folder / "tea.txt").write_text("Green tea, no sugar.")
    done = at.run("publish", "upload", "--user", "alice", "--no-wait", "tea.txt")
    at.assertRegex(done.stdout, r"^published tea.txt as event \S+ on memory.upload.v1\n$")


@row("F7 standard input twice, three spellings of a path, an empty file")
def one_document_one_id(at):
    at.says(["publish", "upload", "--user", "alice", "-"], 1, "give the document one with --doc-id")
    gym = at.folder / "gym.md"
    gym.write_text("I train on Mondays.")
    ids = {json.loads(at.run("publish", "upload", "--user", "alice", "--dry-run", path).stdout)["data"]["doc_id"]
           for path in ("gym.md", "./gym.md", gym)}
    at.assertEqual(ids, {"gym.md"})
    at.run("publish", "upload", "--user", "alice", "gym.md")
    for text in ("", " \n"):
        gym.write_text(text)
        at.says(["publish", "upload", "--user", "alice", "gym.md"], 1, "there is nothing to remember")
    at.assertIn("I train on Mondays.", at.run("show", "gym.md", "--url", at.url).stdout)


@row("F10 PDF and HTML were stored as text, binary was `not valid JSON`")
def no_text(at):
    for name, content, says in (("a.pdf", b"%PDF-1.4\n1 0 obj<</Type/Catalog", "is a PDF, not text: `memseal upload --index`"),
                                ("a.html", b"<!doctype html><script>var x=1;</script>", "is a page of HTML, not text: `memseal"),
                                ("a.dat", b"\x00\x01\xff", "is binary, not text"), ("a.txt", b"\x9elu\x9d", "is not UTF-8")):
        (at.folder / name).write_bytes(content)
        at.says(["publish", "upload", "--user", "alice", name], 1, f"{name} {says}")


@row("F18 `dev` was three times slower to findable than Kafka")
def soon_findable(at):
    # The embedded broker let each fetch wait 100 ms. How long it takes is a figure: a machine that is busy shows another one.
    at.assertEqual({bar_of(one) for one in ("findable", "findable_dev")}, {"ours <= 40"})
    said = json.loads(at.remember("c18", "user:The tram stops at the mill.", "--json").stdout)
    at.assertEqual((said["state"], said["chunks"]), ("stored", 1))
    at.assertIn("The tram stops at the mill.", at.ask("where does the tram stop?").stdout)


@row("F19 `POST index` waited 10 s although Kafka was known to be away")
def kafka_away(at):
    token = at.away.token("alice")
    begun = 0

    def refused():
        nonlocal begun
        begun = time.monotonic()
        answer, data = at.away.request("POST", "/api/v1/memory/index", {"text": "Tea."}, token)
        at.assertEqual(answer.status, 503)
        return "Kafka cannot be reached" in json.loads(data)["detail"]
    at.until(refused)  # once it is known
    at.assertLess(time.monotonic() - begun, 5)


@row("F20 U+009B passed the filter of `query`")
def controls(at):
    at.remember("c20", "user:My zither is \x9b31m red \u202e and \x1b[5m loud.")
    shown = at.ask("zither").stdout
    at.assertIn("My zither is", shown)
    at.assertIsNone(re.search("[\x9b\x1b\u202e]", shown))


@row("F21 dead letters without the field, status without the id, an empty turn, an upload within a conversation")
def refused_events(at):
    event = {"specversion": "1.0", "id": "no-type", "source": "/test", "type": "dev.memseal.memory.upload.v1",
             "subject": "alice", "data": {"doc_id": "x", "content": {"encoding": "utf8", "data": "x"}}}
    subprocess.run(["kcat", "-b", at.ready["kafka"], "-P", "-t", "memory.upload.v1", "-k", "alice"], input=json.dumps(event), text=True,
                   check=True, timeout=30)
    letter = at.until(lambda: at.consume("memory.upload.v1.dlq", "%h"))[0]
    at.assertIn("memseal-error-field=/data/file", letter)
    at.assertIn("memseal-error-message=/data/file is missing", letter)
    status = at.until(lambda: [one for one in at.consume("memory.status.v1", "%s") if '"no-type"' in one])
    at.assertEqual(json.loads(status[0])["data"]["event_source"], "/test")
    at.says(["publish", "chat", "--user", "alice", "--conversation", "c", "user:"], 2, "turn 1 (user) says nothing")
    at.remember("trip", "user:Let us plan the trip.")
    at.post("/api/v1/memory/index?wait=20", {"text": "The trip is a document.", "doc_id": "trip"})
    turns = at.ask("--conversation", "trip", "--json", "trip").stdout
    at.assertIn("Let us plan the trip.", turns)
    at.assertNotIn("is a document", turns)


@row("F22 `dev` named a program that is not on PATH, and took 3 s to see a used port")
def program_and_port(at):
    at.assertEqual(at.ready["program"], str(Path(PROGRAM).resolve()))
    done = at.run("dev", "--set", "http.listen=" + at.ready["env"]["MEMSEAL__HTTP__LISTEN"], code=2)
    at.assertIn("--set http.listen=127.0.0.1:0", done.stderr)
    at.assertNotIn("PostgreSQL", done.stderr)  # seen before one is made


@row("F2 a large upload of one user held everybody's chats")
def nobody_waits_for_a_large_upload(at):
    lines = (f"Line {number} of a long report about the river.\n" for number in range(3_000))
    (at.folder / "large.txt").write_text("".join(lines))
    sent = json.loads(at.run("publish", "upload", "--user", "alice", "--no-wait", "--json", "large.txt").stdout)
    done = at.run("publish", "chat", "--user", "bob", "--conversation", "c2", "user:My boat is the Halcyon.")
    at.assertIn("stored conversation c2, 1 chunk", done.stdout)
    status, answer = at.get("/api/v1/operations/" + sent["event_id"])
    at.assertIn((answer.get("operation") or {}).get("state", status), ("queued", 404))
