"""Conversations over HTTP and what may be asked: turns, filters, pages, neighbours; two users."""
import json
import unittest
import uuid

from harness import STRUCTURED, EndToEnd, psql, structured

TALK = [
    {"role": "user", "content": "Do you know a good dentist in Graz?"},
    {"role": "assistant", "content": "Many people there go to Dr. Novak."},
    {"role": "user", "content": "Is the practice open on Saturdays?"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Yes, until noon."}]},
]


class Conversations(EndToEnd):
    def turns(self, token, conversation, body, wait=20, headers=None):
        answer, data = self.at.request("POST", f"/api/v1/memory/conversations/{conversation}/turns", body, token,
                                       {**(headers or {}), "Prefer": f"wait={wait}"})
        return answer.status, json.loads(data)

    def rows(self, conversation):
        return int(psql(self.at.owner, f"SELECT count(*) FROM app.memory_chunks WHERE doc_id = '{conversation}'")[0][0])

    def test_a_history_that_is_sent_again_is_stored_once_and_found_with_its_question(self):
        token = self.at.token("ada")
        status, first = self.turns(token, "teeth", {"turns": TALK[:2], "tags": ["health"]})
        self.assertEqual((status, first["operation"]["state"], first["operation"]["chunks"]), (200, "succeeded", 2))
        status, second = self.turns(token, "teeth", {"turns": TALK, "tags": ["health"]})
        self.assertEqual((status, second["operation"]["chunks"]), (200, 2), "two turns are new")
        self.assertEqual(second["turn_ids"][:2], first["turn_ids"])
        self.assertIsNone(second["turn_ids"][3])
        status, third = self.turns(token, "teeth", {"turns": TALK[2:]})
        self.assertEqual((status, third["operation"]["chunks"]), (200, 0))
        self.assertEqual(self.rows("teeth"), 4)
        # One turn by itself, with an id; the same again; and by Kafka.
        mine = {"role": "user", "content": "Thanks!", "id": "m9", "created_at": "2026-03-04T05:06:07Z"}
        for _ in range(2):
            self.assertEqual(self.turns(token, "teeth", mine)[1]["turn_ids"], ["m9"])
        self.at.kcat_produce(self.at.chat_topic, "ada", structured("ada", "chat", {
            "conversation_id": "teeth", "messages": [mine, *TALK, {"role": "user", "content": "Bye."}]}), STRUCTURED)
        self.at.wait_for(lambda: self.rows("teeth") == 6, what="the turn by Kafka")

        self.turns(token, "food", {"turns": [{"role": "user", "content": "I do not eat fish."}]})
        found = self.at.results(token, "Is Dr. Novak's practice open on Saturdays?", rerank=False)
        by_text = {hit["text"]: hit for hit in found}
        answer = by_text["Yes, until noon."]
        self.assertEqual((answer["conversation"], answer["doc_id"]), ("teeth", "teeth"))
        self.assertEqual(answer["turn"]["id"], second["turn_ids"][4])
        self.assertEqual(answer["turn"]["role"], "assistant")
        self.assertEqual(answer["turn"]["created_at"], answer["created_at"])
        self.assertEqual((answer["char_start"], answer["char_end"]), (0, len("Yes, until noon.")))
        self.assertEqual(answer["meta"]["roles"], ["assistant"])
        self.assertNotIn("turn", answer["meta"])
        self.assertLess(answer["rank"], by_text["I do not eat fish."]["rank"], "a short answer stands by its question")
        self.assertEqual(by_text["Thanks!"]["created_at"], "2026-03-04T05:06:07.000Z")

        # Another user has a conversation of the same name, and nothing of this one.
        other = self.at.token("bea")
        self.assertEqual(self.turns(other, "teeth", TALK[0])[1]["operation"]["chunks"], 1)
        self.assertEqual([hit["text"] for hit in self.at.results(other, "dentist")], [TALK[0]["content"]])

    def test_requests_that_cannot_be_stored_are_refused_by_name(self):
        token = self.at.token("cleo")
        status, refused = self.turns(token, "c", {"turns": [{"role": "user", "content": "a"}], "tgas": []})
        self.assertEqual((status, refused["code"]), (422, "invalid_field"))
        self.assertIn('did you mean \\"tags\\"', json.dumps(refused))
        self.assertEqual(self.turns(token, "c", {"turns": [{"role": "user", "content": "a"}] * 1001})[0], 422)
        large = {"role": "user", "content": "x" * (1 << 20)}
        self.assertEqual(self.turns(token, "c", large)[0], 413)
        key = {"Idempotency-Key": uuid.uuid4().hex}
        self.assertEqual(self.turns(token, "c", TALK[0], headers=key)[0], 200)
        self.assertEqual(self.turns(token, "c", TALK[1], headers=key)[0], 422)

    def test_a_document_and_a_conversation_of_one_id_are_two_things(self):
        token = self.at.token("gil")
        self.at.request("POST", "/api/v1/memory/index?wait=20", {"doc_id": "trip", "text": "The ferry leaves at noon."}, token)
        self.turns(token, "trip", {"turns": [{"role": "user", "content": "When does the ferry leave?"}]})

        def sources(**filters):
            return sorted(hit["source"] for hit in self.at.results(token, "the ferry", **filters))
        self.assertEqual(sources(documents=["trip"]), ["api"])
        self.assertEqual(sources(conversation="trip"), ["chat"])
        self.assertEqual(sources(doc_ids=["trip"]), ["api", "chat"], "the id that both results show")
        self.assertEqual(sources(exclude=["trip"]), [])
        answer, _ = self.at.request("POST", "/api/v1/memory/query",
                                    {"query": "x", "documents": ["trip"], "source": "chat"}, token)
        self.assertEqual(answer.status, 422)

    def test_no_word_of_a_turn_lies_in_the_database(self):
        token, canary = self.at.token("dana"), "canary" + uuid.uuid4().hex
        self.turns(token, "hidden", {"turns": [
            {"role": "user", "content": f"The word is {canary}."},
            {"role": "assistant", "content": "Noted.", "id": canary}], "attributes": {"word": canary}})
        self.assertIn(canary, json.dumps(self.at.results(token, "the word")))
        for table in [row[0] for row in psql(self.at.owner, "SELECT tablename FROM pg_tables WHERE schemaname = 'app'")]:
            hits = psql(self.at.owner, f"SELECT count(*) FROM app.{table} AS t WHERE t::text LIKE '%{canary}%' "
                                       f"OR t::text LIKE '%{canary.encode().hex()}%'")
            self.assertEqual(hits[0][0], "0", table)
        self.assertNotIn(canary, self.at.server_log())


class Asking(EndToEnd):
    settings = {"search__matrix_chunks_min": 1}  # what is asked is compared in memory too

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mine, cls.theirs = cls.at.token("eva"), cls.at.token("finn")
        for token, owner in ((cls.mine, "eva"), (cls.theirs, "finn")):
            for number in range(12):
                answer, _ = cls.at.request("POST", "/api/v1/memory/index?wait=20", {
                    "doc_id": f"{owner}-{number}", "text": f"Report {number} of {owner} about the harbour.",
                    "tags": ["even" if number % 2 == 0 else "odd", *(["third"] if number % 3 == 0 else [])],
                    "attributes": {"number": number, "kind": "old" if number < 6 else "new"}}, token)
                assert answer.status == 200
            turns = [{"role": "user", "content": f"Line {number} of {owner} on the harbour.",
                      "created_at": f"2026-05-{number + 1:02}T12:00:00Z"} for number in range(6)]
            answer, _ = cls.at.request("POST", "/api/v1/memory/conversations/talk/turns?wait=20", {"turns": turns}, token)
            assert answer.status == 200

    def ask(self, token=None, status=200, **body):
        answer, data = self.at.request("POST", "/api/v1/memory/query", {"query": "the harbour", **body}, token or self.mine)
        self.assertEqual(answer.status, status, data)
        return json.loads(data)

    def reports(self, **body):
        found = self.ask(top_k=100, source="api", **body)["results"]
        self.assertTrue(all(hit["doc_id"].startswith("eva-") for hit in found))
        return {int(hit["doc_id"].split("-")[1]) for hit in found}

    def test_each_filter_finds_what_it_describes_of_its_own_user(self):
        all_of = set(range(12))
        self.assertEqual(self.reports(), all_of)
        self.assertEqual(self.reports(tags=["even", "third"]), {0, 6})
        self.assertEqual(self.reports(tags={"any": ["even", "third"]}), {n for n in all_of if n % 2 == 0 or n % 3 == 0})
        self.assertEqual(self.reports(tags={"none": ["third"], "any": ["odd"]}), {1, 5, 7, 11})
        self.assertEqual(self.reports(documents=["eva-1", "eva-2", "finn-3"]), {1, 2})
        self.assertEqual(self.reports(exclude=["eva-1", "finn-2"]), all_of - {1})
        self.assertEqual(self.reports(attributes={"kind": "new"}), set(range(6, 12)))
        self.assertEqual(self.reports(attributes={"number": {"gt": 3, "lt": 8}, "kind": {"ne": "old"}}), {6, 7})
        self.assertEqual(self.reports(attributes={"or": [{"number": {"in": [1, 2]}}, {"number": {"gt": 10}}]}), {1, 2, 11})
        self.assertEqual(self.reports(created_before="2026-01-01T00:00:00Z"), set())
        self.assertEqual(self.reports(documents=["finn-3"]), set())
        lines = self.ask(top_k=100, conversation="talk", created_after="2026-05-02T12:00:00Z",
                         created_before="2026-05-05T00:00:00+00:00")["results"]
        self.assertEqual({hit["text"] for hit in lines}, {f"Line {n} of eva on the harbour." for n in (2, 3)})
        self.assertGreater(self.at.metrics()['memseal_search_plan_total{plan="matrix"}'], 10)

    def test_pages_show_everything_once(self):
        for rerank in (True, False):
            seen, cursor = [], None
            while True:
                page = self.ask(top_k=4, candidates=6, rerank=rerank, **({"cursor": cursor} if cursor else {}))
                seen += [hit["chunk_id"] for hit in page["results"]]
                cursor = page["next_cursor"]
                if cursor is None:
                    break
            self.assertEqual((len(seen), len(set(seen))), (18, 18))
        first = self.ask(top_k=4)["next_cursor"]
        self.assertIn("another question", json.dumps(self.ask(status=422, top_k=4, cursor=first, tags=["odd"])))
        # Another user's cursor shows nothing that is not the sender's own.
        stolen = self.ask(token=self.theirs, top_k=4, cursor=first)["results"]
        self.assertTrue(all("finn" in hit["text"] for hit in stolen))

    def test_neighbours_questions_scores_and_refusals(self):
        line = self.ask(conversation="talk", created_after="2026-05-02T13:00:00Z", created_before="2026-05-03T13:00:00Z",
                        expand=1)["results"]
        self.assertEqual([hit["text"] for hit in line], ["Line 2 of eva on the harbour."])
        self.assertEqual([turn["text"] for turn in line[0]["before"]], ["Line 1 of eva on the harbour."])
        self.assertEqual([turn["turn"]["role"] for turn in line[0]["after"]], ["user"])
        both = self.ask(query=None, queries=["report 3", "line 4 of the talk"], top_k=6)
        self.assertEqual(len({hit["chunk_id"] for hit in both["results"]}), 6)
        self.assertIsNone(both["next_cursor"])
        self.assertEqual(self.ask(min_score=1, rerank=False)["count"], 0)
        refused = self.ask(status=422, attributes={"number": {"gte": 3}})
        self.assertIn("/attributes/number/gte", json.dumps(refused))
        self.assertIn('did you mean \\"exclude\\"', json.dumps(self.ask(status=422, exclud=["a"])))


if __name__ == "__main__":
    unittest.main()
