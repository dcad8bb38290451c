"""Conversations over HTTP and what may be asked: turns, filters, pages, neighbours; two users."""
import json
import re
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


if __name__ == "__main__":
    unittest.main()
