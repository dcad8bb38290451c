"""What is stored can be listed, read and deleted by its owner, and by nobody else; what is deleted stays deleted."""
import json
import unittest
import uuid

from harness import STRUCTURED, EndToEnd, psql, structured

DOCUMENTS, CONVERSATIONS = "/api/v1/memory/documents", "/api/v1/memory/conversations"


class LifeOfData(EndToEnd):
    settings = {"search__matrix_chunks_min": 1}  # what is deleted must be gone from memory too

    def ask(self, method, path, token, status=200, body=None, **headers):
        answer, data = self.at.request(method, path, body, token, {key.replace("_", "-"): value for key, value in headers.items()})
        self.assertEqual(answer.status, status, data)
        return json.loads(data)

    def remember(self, token, doc_id, text, **more):
        told = self.ask("POST", "/api/v1/memory/index?wait=20", token, body={"doc_id": doc_id, "text": text, **more})
        self.assertEqual(told["operation"]["state"], "succeeded")

    def say(self, token, conversation, *turns):
        self.ask("POST", f"{CONVERSATIONS}/{conversation}/turns?wait=20", token, body={"turns": list(turns)})

    def bytes_of(self, method, path, token):
        """All of an answer but what names this very request."""
        answer, data = self.at.request(method, path, None, token, {"X-Request-ID": "r"})
        passing = ("date", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit")
        return answer.status, data, [pair for pair in answer.getheaders() if pair[0].lower() not in passing]

    def rows(self, doc_id):
        return int(psql(self.at.owner, f"SELECT count(*) FROM app.memory_chunks WHERE doc_id = '{doc_id}'")[0][0])

    def test_the_owner_lists_reads_and_deletes(self):
        token = self.at.token("ada")
        for number in range(3):
            self.remember(token, f"notes/{number}.md", f"Note {number}: the harbour opens at nine.", name=f"note {number}.md",
                          mime_type="text/markdown", tags=["work"], attributes={"number": number})
        page = self.ask("GET", f"{DOCUMENTS}?limit=2", token)
        rest = self.ask("GET", f"{DOCUMENTS}?limit=2&cursor={page['next_cursor']}", token)
        listed = page["documents"] + rest["documents"]
        self.assertIsNone(rest["next_cursor"])
        self.assertEqual([(one["doc_id"], one["name"], one["kind"], one["chunks"], one["tags"]) for one in listed],
                         [(f"notes/{n}.md", f"note {n}.md", "api", 1, ["work"]) for n in range(3)])
        self.assertEqual(self.ask("GET", f"{DOCUMENTS}/notes%2F1.md", token)["document"]["attributes"], {"number": 1})
        self.remember(token, "tea", "Ada likes tea.", name="tea.txt", attributes={"cups": 2})
        one = self.ask("GET", f"{DOCUMENTS}/tea", token)["document"]
        self.assertEqual((one["name"], one["mime_type"], one["attributes"]), ("tea.txt", "text/plain", {"cups": 2}))
        self.assertEqual([chunk["text"] for chunk in self.ask("GET", f"{DOCUMENTS}/tea/chunks", token)["chunks"]], ["Ada likes tea."])

        turns = [{"role": "user", "content": f"Line {n}.", "created_at": f"2026-05-0{n + 1}T12:00:00Z"} for n in range(5)]
        self.say(token, "talk", *turns)
        self.assertEqual([one["conversation"] for one in self.ask("GET", CONVERSATIONS, token)["conversations"]], ["talk"])
        page = self.ask("GET", f"{CONVERSATIONS}/talk/turns?order=desc&limit=3", token)
        self.assertEqual([(turn["text"], turn["role"]) for turn in page["turns"]], [(f"Line {n}.", "user") for n in (4, 3, 2)])
        page = self.ask("GET", f"{CONVERSATIONS}/talk/turns?order=desc&limit=3&cursor={page['next_cursor']}", token)
        self.assertEqual([turn["text"] for turn in page["turns"]], ["Line 1.", "Line 0."])

        told = self.ask("DELETE", f"{CONVERSATIONS}/talk?before=2026-05-03T00:00:00Z", token, Prefer="wait=20")["operation"]
        self.assertEqual((told["state"], told["kind"], told["deleted"]), ("succeeded", "chat", {"chunks": 2}))
        self.assertEqual(len(self.ask("GET", f"{CONVERSATIONS}/talk/turns", token)["turns"]), 3)
        told = self.ask("DELETE", f"{DOCUMENTS}/tea?wait=20", token, Idempotency_Key="k")["operation"]
        self.assertEqual((told["state"], told["deleted"]), ("succeeded", {"chunks": 1}))
        again = self.ask("DELETE", f"{DOCUMENTS}/tea?wait=20", token, 200, Idempotency_Key="k")["operation"]
        self.assertEqual(again["id"], told["id"])
        self.ask("DELETE", f"{DOCUMENTS}/tea", token, 404)
        self.ask("GET", f"{DOCUMENTS}/tea", token, 404)
        self.assertNotIn("Ada likes tea.", [hit["text"] for hit in self.at.results(token, "tea", top_k=100)])
        self.remember(token, "tea", "Ada likes coffee now.")
        self.assertEqual([hit["text"] for hit in self.at.results(token, "coffee", top_k=1)], ["Ada likes coffee now."])

    def test_what_is_deleted_is_not_brought_back_by_what_was_sent_before(self):
        token, source = self.at.token("bea"), f"/life/{uuid.uuid4().hex}"

        def upload(number, text):
            return structured("bea", "upload", {"doc_id": "plan", "file": {"mime_type": "text/plain"},
                                                "content": {"encoding": "utf8", "data": text}}, f"u{number}", source)

        def delete(number, data):
            return structured("bea", "delete", data, f"d{number}", source)
        # In one go, so that the events are in work together: Kafka's order decides.
        for event in (upload(1, "Old."), delete(1, {"doc_id": "plan"}), upload(2, "New."), upload(1, "Old.")):
            self.at.kcat_produce(self.at.upload_topic, "bea", event, STRUCTURED)
        self.at.wait_for(lambda: [chunk["text"] for chunk in self.ask("GET", f"{DOCUMENTS}/plan/chunks", token)["chunks"]] == ["New."]
                         if self.rows("plan") else False, what="the newer upload")
        self.at.kcat_produce(self.at.upload_topic, "bea", delete(2, {"doc_id": "plan"}), STRUCTURED)
        self.at.wait_for(lambda: self.rows("plan") == 0, what="the deletion")
        for event in (upload(1, "Old."), upload(2, "New."), delete(1, {"doc_id": "plan"})):
            self.at.kcat_produce(self.at.upload_topic, "bea", event, STRUCTURED)
        self.remember(token, "after", "All before this is done.")
        self.assertEqual(self.rows("plan"), 0)

    def test_another_user_sees_and_changes_nothing(self):
        mine, theirs = self.at.token("cleo"), self.at.token("dan")
        self.remember(mine, "diary", "Cleo was in Graz.", name="diary.txt")
        self.say(mine, "private", {"role": "user", "content": "Nobody reads this."})
        self.remember(theirs, "own", "Dan has one document.")
        for method, thing, missing in (("GET", f"{DOCUMENTS}/diary", f"{DOCUMENTS}/absent"),
                                       ("GET", f"{DOCUMENTS}/diary/chunks", f"{DOCUMENTS}/absent/chunks"),
                                       ("GET", f"{CONVERSATIONS}/private/turns", f"{CONVERSATIONS}/absent/turns"),
                                       ("DELETE", f"{DOCUMENTS}/diary", f"{DOCUMENTS}/absent"),
                                       ("DELETE", f"{CONVERSATIONS}/private", f"{CONVERSATIONS}/absent")):
            seen = self.bytes_of(method, thing, theirs)
            self.assertEqual(seen[0], 404)
            self.assertEqual(seen, self.bytes_of(method, missing, theirs), f"{method} {thing}")
        self.assertEqual([one["doc_id"] for one in self.ask("GET", DOCUMENTS, theirs)["documents"]], ["own"])
        self.assertEqual(self.ask("GET", CONVERSATIONS, theirs)["conversations"], [])
        # By Kafka, as the other user: the deletion is of that user's own things.
        self.at.kcat_produce(self.at.upload_topic, "dan", structured("dan", "delete", {"doc_id": "diary"}), STRUCTURED)
        self.at.kcat_produce(self.at.chat_topic, "dan", structured("dan", "delete", {"conversation_id": "private"}), STRUCTURED)
        self.remember(theirs, "last", "Behind both.")
        self.say(theirs, "last", {"role": "user", "content": "Behind both."})
        self.assertEqual((self.rows("diary"), self.rows("private")), (1, 1))
        self.assertEqual(self.ask("GET", f"{DOCUMENTS}/diary", mine)["document"]["name"], "diary.txt")

    def test_a_person_lists_shows_and_deletes_from_a_shell(self):
        token = self.at.token("eve")
        self.remember(token, "a note", "Eve plays chess.", name="chess.txt")
        self.say(token, "c1", {"role": "user", "content": "Hello there."})
        env, url = {"MEMSEAL_TOKEN": token}, ("--url", f"http://127.0.0.1:{self.at.port}")
        self.assertIn("a note  (chess.txt)", self.at.cli("ls", *url, env=env).stdout)
        self.assertEqual(json.loads(self.at.cli("--json", "ls", "--conversations", *url, env=env).stdout)["conversation"], "c1")
        self.assertEqual(self.at.cli("show", "a note", *url, env=env).stdout, "Eve plays chess.\n")
        self.assertIn("user: Hello there.", self.at.cli("show", "c1", "--conversation", *url, env=env).stdout)
        self.assertEqual(self.at.cli("rm", "a note", *url, env=env).stdout, "deleted 1 chunk of a note\n")
        done = self.at.cli("--json", "rm", "c1", "--conversation", *url, env=env)
        self.assertEqual(json.loads(done.stdout)["deleted"], {"chunks": 1})
        gone = self.at.cli("--json", "rm", "a note", *url, env=env, check=False)
        self.assertEqual((gone.returncode, json.loads(gone.stdout)["error"]["code"]), (4, "not_found"))


if __name__ == "__main__":
    unittest.main()
