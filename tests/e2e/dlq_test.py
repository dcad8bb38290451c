"""Dead letters: listed, shown, replayed and dropped by the command line; and the events of producers as they are."""
import json
import unittest
import uuid

from harness import STRUCTURED, EndToEnd, psql, structured

TEXT = {"mime_type": "text/plain"}


def content(text):
    return {"encoding": "utf8", "data": text}


class DeadLetters(EndToEnd):
    def dlq(self, *words, status=0):
        done = self.at.cli("dlq", *words, "--json", check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def wait_letters(self, count):
        self.at.wait_for(lambda: sum(value for name, value in self.at.metrics().items()
                                     if name.startswith("memseal_dlq_records_total")) >= count, what="letters")

    def test_a_letter_comes_back_once(self):
        at, topic = self.at, self.at.upload_topic
        secret = "The spare key hangs behind the clock."
        at.kcat_produce(topic, "alice", structured("alice", "upload", {
            "doc_id": "first", "file": TEXT, "content": content("Tea at five.")}), STRUCTURED)
        at.wait_documents(1)
        at.kcat_produce(topic, "alice", structured("alice", "upload", {
            "doc_id": "d", "file": {"mime_type": "application/pdf"}, "content": content(secret)}, "wrong"), STRUCTURED)
        at.kcat_produce(topic, "mallory", b"not json", STRUCTURED)
        self.wait_letters(2)

        letters = self.dlq("list")
        self.assertEqual({one["code"] for one in letters}, {"bad_event"})
        self.assertEqual({one["sealed_for"] for one in letters}, {"tenant", "nobody"})
        mine = self.dlq("list", "--user", "alice")
        self.assertEqual(len(mine), 1)
        self.assertEqual(mine[0]["field"], "/data/file/mime_type")
        self.assertEqual(psql(at.owner, "SELECT count(*) FROM app.tenants"), [["1"]])
        plain = at.cli("dlq", "list")
        self.assertNotIn(secret, plain.stdout)
        self.assertIn("/data/file/mime_type must be", plain.stdout)

        letter = mine[0]["id"]
        self.assertNotIn(secret, json.dumps(self.dlq("show", letter)))
        opened = self.dlq("show", letter, "--reveal")[0]["record"]
        self.assertEqual(opened["key"], "alice")
        self.assertIn(secret, opened["value"])
        self.assertEqual(opened["headers"], [["content-type", "application/cloudevents+json"]])
        self.dlq("show", f"{topic}.dlq/0/999", status=4)
        self.dlq("replay", "--id", str(uuid.uuid4()), status=4)
        self.dlq("list", "--since", "yesterday", status=2)
        self.assertEqual(self.dlq("list", "--until", "1h"), [])

        # Refused again: a new letter, and the old one is closed.
        self.assertEqual(self.dlq("replay", "--user", "alice", "--dry-run"),
                         [{"replayed": 1, "failed": 0, "dry_run": True}])
        self.assertEqual(self.dlq("replay", "--user", "alice"), [{"replayed": 1, "failed": 0, "dry_run": False}])
        self.wait_letters(3)
        again = self.dlq("list", "--user", "alice")
        self.assertEqual(len(again), 1)
        self.assertNotEqual(again[0]["id"], letter)
        self.assertEqual(again[0]["source"]["time"], mine[0]["source"]["time"], "its own time")
        self.assertEqual({one["state"] for one in self.dlq("list", "--user", "alice", "--all")}, {"open", "replayed"})

        self.dlq("drop", status=2)
        self.assertEqual(self.dlq("drop", "--id", again[0]["id"])[0]["dropped"], 1)
        self.assertEqual(self.dlq("list", "--user", "alice"), [])
        self.assertEqual(len(self.dlq("list")), 1, "the other user's letter")
        self.assertEqual(self.dlq("drop", "--every", "--purge")[0]["dropped"], 1)
        self.assertEqual(self.dlq("list", "--all"), [])
        self.assertEqual(at.kcat_raw(f"{topic}.dlq"), b"")

    def test_what_failed_succeeds_after_a_replay(self):
        at, topic = self.at, self.at.upload_topic
        doc = f"doc-{uuid.uuid4()}"
        # The database refuses this one document, so the event is to blame until the rule is gone.
        psql(at.owner, f"ALTER TABLE app.documents ADD CONSTRAINT refuses CHECK (doc_id <> '{doc}')")
        try:
            at.kcat_produce(topic, "bob", structured("bob", "upload", {
                "doc_id": doc, "file": TEXT, "content": content("The ladder is in the shed.")}, "ladder"), STRUCTURED)
            at.wait_for(lambda: self.dlq("list", "--user", "bob"), what="the letter")
        finally:
            psql(at.owner, "ALTER TABLE app.documents DROP CONSTRAINT refuses")
        letter = self.dlq("list", "--user", "bob")[0]
        self.assertEqual(letter["stage"], "process")
        token = at.token("bob")

        def state():
            answer, data = at.request("GET", f"/api/v1/operations/{letter['event_id']}", token=token)
            return json.loads(data)["operation"]["state"] if answer.status == 200 else answer.status

        self.assertEqual(state(), "failed")
        self.dlq("replay", "--id", letter["id"])
        at.wait_for(lambda: state() == "succeeded", what="the replayed event")
        self.assertEqual(self.dlq("list", "--user", "bob"), [])
        self.assertTrue(at.results(token, "where is the ladder", rerank=False))

    def test_an_old_event_that_is_replayed_leaves_what_was_written_since(self):
        at, topic = self.at, self.at.upload_topic
        doc = f"doc-{uuid.uuid4()}"

        def upload(text, event):
            at.kcat_produce(topic, "carol", structured("carol", "upload", {
                "doc_id": doc, "file": TEXT, "content": content(text)}, event), STRUCTURED)

        psql(at.owner, f"ALTER TABLE app.documents ADD CONSTRAINT refuses CHECK (doc_id <> '{doc}')")
        try:
            upload("The meeting is on Monday.", "old")
            at.wait_for(lambda: self.dlq("list", "--user", "carol"), what="the letter")
        finally:
            psql(at.owner, "ALTER TABLE app.documents DROP CONSTRAINT refuses")
        upload("The meeting is on Friday.", "new")
        token = at.token("carol")
        at.wait_for(lambda: at.results(token, "when is the meeting", rerank=False), what="the newer text")
        letter = self.dlq("list", "--user", "carol")[0]
        self.dlq("replay", "--id", letter["id"])

        def state():
            _, data = at.request("GET", f"/api/v1/operations/{letter['event_id']}", token=token)
            return json.loads(data)["operation"]["state"]

        at.wait_for(lambda: state() == "superseded", what="the replayed event")
        self.assertIn("Friday", at.results(token, "when is the meeting", rerank=False)[0]["text"])


    def test_a_replay_decides_by_places_and_one_letter_that_is_refused_ends_nothing(self):
        at, topic = self.at, self.at.upload_topic
        docs = [f"doc-{uuid.uuid4()}", f"doc-{uuid.uuid4()}"]

        def upload(doc, text, event, **more):
            at.kcat_produce(topic, "dan", structured("dan", "upload", {
                "doc_id": doc, "file": TEXT, "content": content(text), **more}, event), STRUCTURED)

        names = ", ".join(f"'{doc}'" for doc in docs)
        psql(at.owner, f"ALTER TABLE app.documents ADD CONSTRAINT refuses CHECK (doc_id NOT IN ({names}))")
        try:
            upload(docs[0], "The canoe is red.", "old", revision=7)
            upload(docs[1], "The kayak is blue. " * 400, "large")
            at.wait_for(lambda: len(self.dlq("list", "--user", "dan")) == 2, what="the letters")
        finally:
            psql(at.owner, "ALTER TABLE app.documents DROP CONSTRAINT refuses")
        upload(docs[0], "The canoe is green.", "new", revision=7)
        token = at.token("dan")
        at.wait_for(lambda: at.results(token, "what colour has the canoe", rerank=False), what="the newer text")

        small = {"MEMSEAL__KAFKA__PROPERTIES": "message.max.bytes=4000"}
        done = at.cli("dlq", "replay", "--user", "dan", "--json", check=False, env=small)
        self.assertEqual(done.returncode, 1, done.stderr)
        said = done.stdout + done.stderr
        self.assertEqual(json.loads(done.stdout.splitlines()[0]), {"replayed": 1, "failed": 1, "dry_run": False}, said)
        left = self.dlq("list", "--user", "dan")
        self.assertEqual(len(left), 1)
        self.assertIn(left[0]["id"], said)
        at.wait_for(lambda: psql(at.owner, "SELECT count(*) FROM app.ingest_events WHERE error_code = 'superseded' "
                                           f"AND doc_id = '{docs[0]}'") == [["1"]], what="the old one superseded")
        self.assertIn("green", at.results(token, "what colour has the canoe", rerank=False)[0]["text"])
        self.dlq("replay", "--user", "dan")
        at.wait_for(lambda: at.results(token, "what colour has the kayak", rerank=False), what="the large one")

    def test_an_event_of_the_greatest_size_can_be_replayed(self):
        at, topic = self.at, self.at.upload_topic
        frame = structured("eve", "upload", {"doc_id": "full", "file": {"mime_type": "application/pdf"},
                                             "content": content("%")}, "full")
        room = (1 << 20) - len(frame.encode()) - len("eve") - sum(len(name) + len(value) for name, value in STRUCTURED)
        value = frame.replace('"%"', '"' + "%" * (room + 1) + '"')
        at.kcat_produce(topic, "eve", value, STRUCTURED, "-z", "gzip", "-X", "message.max.bytes=2000000")
        at.wait_for(lambda: len(self.dlq("list", "--user", "eve", "--all")) == 1, what="the letter")
        self.dlq("replay", "--user", "eve")
        at.wait_for(lambda: len(self.dlq("list", "--user", "eve", "--all")) == 2, what="the second letter")
        self.assertEqual({one["code"] for one in self.dlq("list", "--user", "eve", "--all")}, {"bad_event"})


class Producers(EndToEnd):
    def test_chats_as_clients_keep_them_are_remembered(self):
        cases = [
            [{"role": "user", "content": "Book the quartz workshop."},
             {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function"}]},
             {"role": "tool", "tool_call_id": "c1", "content": "booked"}],
            [{"role": "user", "content": [{"type": "text", "text": "The quartz boat is called Halcyon."},
                                          {"type": "image_url", "image_url": {"url": "data:,"}}]}],
            [{"role": "developer", "content": "Be brief."}, {"role": "user", "name": "al", "content": "Quartz!"}],
            [{"role": "assistant", "content": None}]]
        for number, messages in enumerate(cases):
            self.at.kcat_produce(self.at.chat_topic, "alice", structured("alice", "chat", {
                "conversation_id": f"c{number}", "messages": messages}), STRUCTURED)
        self.at.kcat_produce(self.at.chat_topic, "alice", b"")
        self.at.wait_for(lambda: self.at.succeeded() >= len(cases), what="the chats")
        metrics = self.at.metrics()
        self.assertFalse([name for name, value in metrics.items() if "memseal_dlq_records_total" in name and value])
        self.assertIn("Halcyon", self.at.results(self.at.token("alice"), "name of the boat", rerank=False)[0]["text"])

    def test_one_idempotency_key_is_one_request(self):
        token = self.at.token("dora")
        key = {"Idempotency-Key": uuid.uuid4().hex}
        answers = [self.at.request("POST", "/api/v1/memory/index", body, token, key)[0].status for body in (
            {"text": "The first text speaks of copper.", "doc_id": "d"},
            {"text": "The first text speaks of copper.", "doc_id": "d"},
            {"text": "The second text speaks of amber.", "doc_id": "d"},
            {"text": "The first text speaks of copper.", "doc_id": "d", "tags": ["new"]})]
        self.assertEqual(answers, [202, 202, 422, 422])


if __name__ == "__main__":
    unittest.main()
