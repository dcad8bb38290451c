"""From Kafka to SSE: the whole path on real input."""
import base64
import json
import re
import unittest
import uuid

from harness import STRUCTURED, EndToEnd, psql, structured

TEA = ("# Drinks\n\nAlice prefers green tea to coffee. She takes it without sugar.\n\n"
       "# Travel\n\nIn May she flies to Lisbon with her sister.\n")
BACKUP = "The database is backed up every night at two. Restores are rehearsed each quarter."


class WholePath(EndToEnd):
    def test_an_upload_by_kcat_is_found_by_sse(self):
        event = structured("alice", "upload", {
            "doc_id": "notes/tea.md", "file": {"name": "tea.md", "mime_type": "text/markdown"},
            "content": {"encoding": "utf8", "data": TEA}})
        self.at.kcat_produce(self.at.upload_topic, "alice", event, STRUCTURED)
        token = self.at.token("alice")
        self.at.wait_for(lambda: self.at.results(token, "what does she drink?"), what="tea found")
        events = self.at.query(token, "what does she drink?")
        kinds = [kind for _, kind, _ in events]
        self.assertEqual(kinds[0], "query.started")
        self.assertEqual(kinds[-1], "query.completed")
        self.assertEqual(kinds.count("query.completed") + kinds.count("query.failed"), 1)
        first = json.loads(next(data for _, kind, data in events if kind == "query.result"))
        self.assertEqual(first["doc_id"], "notes/tea.md")
        self.assertIn("green tea", first["text"])
        last = json.loads(events[-1][2])
        self.assertIs(last["reranked"], False)
        self.assertEqual(last["fallback_reason"], "no_model")
        ids = [re.fullmatch(r".+:(\d+)(:end)?", eid) for eid, _, _ in events]
        numbers = [int(eid.group(1)) for eid in ids]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual([bool(eid.group(2)) for eid in ids], [False] * (len(ids) - 1) + [True])
        for eid, kind, data in events:
            parsed = json.loads(data)
            self.assertEqual(parsed["type"], kind)
            self.assertEqual(parsed["sequence_number"], int(re.fullmatch(r".+?:(\d+)(:end)?", eid).group(1)))

    def test_binary_mode_with_base64_is_understood(self):
        data = {"file": {"name": "backup.txt", "mime_type": "text/plain"},
                "content": {"encoding": "base64", "data": base64.b64encode(BACKUP.encode()).decode()}}
        headers = [("ce_specversion", "1.0"), ("ce_id", str(uuid.uuid4())), ("ce_source", "/e2e"),
                   ("ce_type", "dev.memseal.memory.upload.v1"), ("ce_subject", "bert"),
                   ("content-type", "application/json")]
        self.at.kcat_produce(self.at.upload_topic, "bert", json.dumps(data), headers)
        token = self.at.token("bert")
        self.at.wait_for(lambda: self.at.results(token, "when do backups run?"), what="backup found")
        self.assertIn("every night", self.at.results(token, "when do backups run?")[0]["text"])

    def test_the_command_line_publishes_and_asks(self):
        note = self.at.folder / "garden.md"
        note.write_text("# Garden\n\nThe apple tree is pruned in February, before the buds swell.\n")
        self.at.cli("publish", "upload", "--user", "carla", "--tag", "garden", note)
        self.at.cli("publish", "chat", "--user", "carla", "--conversation", "c1",
                    "user:My dentist is called Dr. Novak.", "assistant:I will remember Dr. Novak.")
        token = self.at.token("carla")
        self.at.wait_for(lambda: len(self.at.results(token, "tree or dentist")) >= 2, what="both found")
        shown = self.at.cli("query", "--url", f"http://127.0.0.1:{self.at.port}",
                            "when is the apple tree pruned?", env={"MEMSEAL_TOKEN": token})
        self.assertIn("February", shown.stdout)
        self.assertIn("in search order (no_model)", shown.stdout)
        chats = self.at.results(token, "who is the dentist?", source="chat")
        self.assertTrue(chats and all(hit["source"] == "chat" for hit in chats))
        self.assertIn("Novak", chats[0]["text"])

    def test_one_user_finds_nothing_of_the_others(self):
        for user, secret in (("dora", "The code of the safe is 4711."), ("emil", "Emil collects stamps.")):
            self.at.kcat_produce(self.at.upload_topic, user, structured(user, "upload", {
                "doc_id": f"{user}.txt", "file": {"name": f"{user}.txt", "mime_type": "text/plain"},
                "content": {"encoding": "utf8", "data": secret}}), STRUCTURED)
        dora, emil = self.at.token("dora"), self.at.token("emil")
        self.at.wait_for(lambda: self.at.results(dora, "safe") and self.at.results(emil, "stamps"),
                         what="both indexed")
        found = self.at.results(emil, "What is the code of the safe?")
        self.assertEqual({hit["doc_id"] for hit in found}, {"emil.txt"})
        nobody = self.at.results(self.at.token("nobody"), "What is the code of the safe?")
        self.assertEqual(nobody, [])

    def test_plaintext_is_nowhere_in_the_database(self):
        canary = "canary" + uuid.uuid4().hex
        self.at.kcat_produce(self.at.upload_topic, "fred", structured("fred", "upload", {
            "doc_id": "d", "file": {"name": f"{canary}.txt", "mime_type": "text/plain"},
            "content": {"encoding": "utf8", "data": f"The word is {canary}."}}), STRUCTURED)
        token = self.at.token("fred")
        self.at.wait_for(lambda: self.at.results(token, "the word"), what="canary indexed")
        self.assertIn(canary, self.at.results(token, "the word")[0]["text"])
        tables = [row[0] for row in psql(self.at.owner, "SELECT tablename FROM pg_tables WHERE schemaname = 'app'")]
        self.assertIn("memory_chunks", tables)
        for table in tables:
            hits = psql(self.at.owner, f"SELECT count(*) FROM app.{table} AS t WHERE t::text LIKE '%{canary}%' "
                                       f"OR t::text LIKE '%{canary.encode().hex()}%'")
            self.assertEqual(hits[0][0], "0", table)
            users = psql(self.at.owner, f"SELECT count(*) FROM app.{table} AS t WHERE t::text LIKE '%fred%'")
            self.assertEqual(users[0][0], "0", table)
        self.assertNotIn(canary, self.at.server_log())
        self.assertNotIn("fred", self.at.server_log())

    def test_a_name_that_vectors_rank_low_comes_first_by_its_word(self):
        token = self.at.token("hanna")
        texts = {f"contract-{n}": f"Person {n} is responsible for the contract of department {n} and signs it."
                 for n in range(12)}
        texts["minutes"] = "Lunch was late and the heating failed again; Quorvex brought cake for everybody."
        for name, text in texts.items():
            answer, data = self.at.request("POST", "/api/v1/memory/index?wait=20", {"doc_id": name, "text": text}, token)
            self.assertEqual(answer.status, 200, data)

        def ask(**more):
            answer, data = self.at.request("POST", "/api/v1/memory/query", {
                "query": "who is responsible for the contract with Quorvex?", **more}, token,
                {"Accept": "application/json"})
            self.assertEqual(answer.status, 200, data)
            return json.loads(data)

        both, vectors = ask(), ask(hybrid=False)
        self.assertIs(both["hybrid"], True)
        self.assertIs(vectors["hybrid"], False)
        self.assertNotEqual(vectors["results"][0]["doc_id"], "minutes")
        self.assertEqual(both["results"][0]["doc_id"], "minutes")
        self.assertGreater(both["results"][0]["scores"]["lexical"], 0)
        self.assertIsNone(vectors["results"][0]["scores"]["lexical"])
        blocks = psql(self.at.owner, "SELECT count(*) FROM app.term_blocks WHERE doc_id = 'minutes'")
        self.assertEqual(blocks[0][0], "1")
        self.at.request("DELETE", "/api/v1/memory/documents/minutes?wait=20", None, token)
        blocks = psql(self.at.owner, "SELECT count(*) FROM app.term_blocks WHERE doc_id = 'minutes'")
        self.assertEqual(blocks[0][0], "0")
        self.assertNotIn("minutes", [hit["doc_id"] for hit in ask()["results"]])

    def test_an_http_index_becomes_an_operation_and_is_found(self):
        token = self.at.token("gina")
        answer, data = self.at.request("POST", "/api/v1/memory/index", {
            "text": "The spare key lies under the blue flower pot.", "name": "keys.txt"}, token)
        self.assertEqual(answer.status, 202, data)
        operation = json.loads(data)["operation"]
        path = answer.getheader("Location")
        self.assertTrue(path.endswith(operation["id"]))

        def state():
            return json.loads(self.at.request("GET", path, token=token)[1])["operation"]["state"]
        self.at.wait_for(lambda: state() == "succeeded", what="operation succeeded")
        self.assertIn("flower pot", self.at.results(token, "where is the key?")[0]["text"])
        foreign, other = self.at.request("GET", path, token=self.at.token("hugo"))
        self.assertEqual(foreign.status, 404)
        random, same = self.at.request("GET", f"/api/v1/operations/{uuid.uuid4()}", token=token)
        self.assertEqual(random.status, 404)
        blank = [re.sub(rb'"request_id":"[^"]*"', b"", body) for body in (other, same)]
        self.assertEqual(blank[0], blank[1])

    def test_an_edit_embeds_what_it_changed(self):
        token = self.at.token("jana")
        goods = ("ropes", "lamps", "nets", "sails", "anchors", "charts", "oars", "flags")
        parts = [" ".join(f"Harbour {n} keeps its {what} in shed number {n + i} until the ships come back."
                          for i, what in enumerate(goods)) for n in range(50)]

        def send():
            before = self.at.metrics()
            answer, data = self.at.request("POST", "/api/v1/memory/index?wait=20",
                                           {"doc_id": "harbours", "text": "\n\n".join(parts)}, token)
            self.assertEqual(json.loads(data)["operation"]["state"], "succeeded", data)
            after = self.at.metrics()
            kept, calls = "memseal_ingest_vectors_kept_total", 'memseal_ingest_stage_duration_seconds_count{outcome="ok",stage="embed"}'
            return json.loads(data)["operation"]["chunks"], *(after[name] - before[name] for name in (kept, calls))

        chunks, kept, _ = send()
        self.assertGreaterEqual(chunks, 50)
        self.assertEqual(kept, 0)
        parts[20] = parts[20].replace("lamps", "lanterns")
        chunks, kept, calls = send()
        self.assertIn(chunks - kept, (1, 2), "the paragraph, and the chunk that repeats its end")
        self.assertEqual(calls, 1)
        self.assertIn("lanterns", self.at.results(token, "where are the lanterns of harbour 20?")[0]["text"])
        self.assertEqual(send(), (chunks, chunks, 0), "the same text again")
        vectors = psql(self.at.owner, "SELECT count(*), count(embedding), count(embed_mac) FROM app.memory_chunks WHERE doc_id = 'harbours'")
        self.assertEqual(vectors[0], [str(chunks)] * 3)

    def test_a_newer_revision_replaces_the_document(self):
        token = self.at.token("ida")
        before = self.at.succeeded()
        for revision, text in ((2, "The meeting is on Tuesday."), (1, "The meeting is on Monday.")):
            self.at.kcat_produce(self.at.upload_topic, "ida", structured("ida", "upload", {
                "doc_id": "meeting", "revision": revision,
                "file": {"name": "m.txt", "mime_type": "text/plain"},
                "content": {"encoding": "utf8", "data": text}}), STRUCTURED)
        self.at.wait_for(lambda: self.at.succeeded() == before + 2, what="both handled")
        texts = [hit["text"] for hit in self.at.results(token, "when is the meeting?")]
        self.assertEqual(texts, ["The meeting is on Tuesday."])


class PoisonEvents(EndToEnd):
    def dead_letters(self):
        return sum(value for name, value in self.at.metrics().items()
                   if name.startswith("memseal_dlq_records_total"))

    def test_bad_events_go_to_the_dead_letters_and_the_next_is_processed(self):
        topic = self.at.upload_topic
        good = structured("alice", "upload", {"doc_id": "good", "file": {"name": "g", "mime_type": "text/plain"},
                                              "content": {"encoding": "utf8", "data": "A good sentence."}})
        bad = [b"not json at all", b"\xff\xfe\x00", b"{}", b'{"specversion":"1.0"}',
               structured("alice", "upload", {"content": {"encoding": "utf8"}}).encode(),
               structured("alice", "upload", {"file": {"name": "x", "mime_type": "application/pdf"},
                                              "content": {"encoding": "utf8", "data": "x"}}).encode(),
               structured("alice", "upload", {"file": {"name": "x", "mime_type": "text/plain"},
                                              "content": {"encoding": "base64", "data": "***"}}).encode(),
               json.dumps({"specversion": "1.0", "id": "1", "source": "/x", "type": "other.v1",
                           "subject": "alice", "data": {}}).encode()]
        for value in bad:
            self.at.kcat_produce(topic, "alice", value, STRUCTURED)
        self.at.kcat_produce(topic, "alice", good, STRUCTURED)
        token = self.at.token("alice")
        self.at.wait_for(lambda: self.at.results(token, "good sentence"), what="the good event")
        self.at.wait_for(lambda: self.dead_letters() >= len(bad), what="all bad events refused")
        letters = self.at.kcat_headers(topic + ".dlq", len(bad))
        self.assertEqual(len(letters), len(bad))
        for headers in letters:
            self.assertEqual(headers["memseal-original-topic"], topic)
            self.assertTrue(headers["memseal-error-code"])
            self.assertTrue(headers["memseal-error-message"])
        self.assertNotIn(b"specversion", self.at.kcat_raw(topic + ".dlq"))
        self.assertEqual(self.at.server.poll(), None)

    def test_an_event_without_a_user_is_dead_lettered(self):
        headers = [("content-type", "application/cloudevents+json")]
        value = json.dumps({"specversion": "1.0", "id": "u1", "source": "/x",
                            "type": "dev.memseal.memory.chat.v1",
                            "data": {"conversation_id": "c", "messages": [{"role": "user", "content": "x"}]}})
        import subprocess
        words = ["kcat", "-b", self.at.broker, "-P", "-t", self.at.chat_topic, "-D", "\x01"]
        for name, content in headers:
            words += ["-H", f"{name}={content}"]
        subprocess.run(words, input=value.encode(), check=True, timeout=30)
        self.at.wait_for(lambda: any("event_without_user" in key and value > 0
                                     for key, value in self.at.metrics().items()),
                         what="the dead letter counted")
        letters = self.at.kcat_headers(self.at.chat_topic + ".dlq", 1)
        self.assertEqual(letters[0]["memseal-error-code"], "event_without_user")


if __name__ == "__main__":
    unittest.main()
