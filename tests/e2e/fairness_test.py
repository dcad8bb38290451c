"""Ten large uploads of one user do not hold the chats of others."""
import random
import statistics
import time
import unittest

from harness import STRUCTURED, EndToEnd, structured

WORDS = ("the garden tea meeting report budget river letter quarter invoice kitchen train window "
         "plan music doctor winter bridge market teacher").split()
LINES = 12


class Fairness(EndToEnd):
    settings = {"log__level": "warn"}

    def upload(self, user, number, size):
        chance = random.Random(number)
        text, length = [], 0
        while length < size:
            text.append(" ".join(chance.choices(WORDS, k=12)) + ".")
            length += len(text[-1]) + 1
        return structured(user, "upload", {
            "doc_id": f"large-{number}.txt", "file": {"name": "large.txt", "mime_type": "text/plain"},
            "content": {"encoding": "utf8", "data": "\n".join(text)}})

    def test_a_chat_line_is_findable_while_another_user_uploads_ten_mebibytes(self):
        for number in range(11):
            self.at.kcat_produce(self.at.upload_topic, "alice", self.upload("alice", number, 900_000),
                                 STRUCTURED)
        self.at.wait_for(lambda: self.at.metrics().get(
            'memseal_ingest_stage_duration_seconds_count{outcome="ok",stage="embed"}', 0) >= 2, what="embedding")
        waits = []
        for number in range(LINES):
            user = f"user{number}"
            token = self.at.token(user)
            self.at.kcat_produce(self.at.chat_topic, user, structured(user, "chat", {
                "conversation_id": "talk",
                "messages": [{"role": "user", "content": f"My dentist is Dr. Number {number}."}]}),
                STRUCTURED)
            start = time.time()
            self.at.wait_for(lambda: self.at.results(token, "who is the dentist?"), what="the line")
            waits.append(time.time() - start)
        self.assertLess(self.at.succeeded(), LINES + 11, "the uploads were still being embedded")
        print(f"chat lines findable after {statistics.median(waits):.2f} s, at most {max(waits):.2f} s",
              flush=True)
        # The bar is 3 s on a machine of its own. Tests share theirs; a line that waits for one whole
        # upload waits for more than 20 s.
        self.assertLess(statistics.median(waits), 6)


if __name__ == "__main__":
    unittest.main()
