"""What clients made for other services send, and what they read of the answers."""
import json
import unittest

from harness import Deployment, EndToEnd

DOCUMENTS = ["green tea", "a car"]
OBJECTS = [{"text": "green tea", "title": "Tea"}, {"text": "a car", "id": "7"}]


class Clients(EndToEnd):
    def post(self, path, body, token, at=None):
        response, data = (at or self.at).request("POST", path, body, token)
        return response.status, json.loads(data)

    def test_null_is_absent(self):
        token = self.at.token("alice")
        understood = {200, 202, 503}  # 503: there is no reranker, but the body was read
        for path, body in (
                ("/v1/embeddings", {"input": "tea", "encoding_format": None, "model": None,
                                    "dimensions": None, "user": None}),
                ("/api/v1/rerank", {"query": "tea", "documents": DOCUMENTS, "top_n": None,
                                    "return_documents": None}),
                ("/rerank", {"query": "tea", "texts": DOCUMENTS, "truncate": None}),
                ("/api/v1/memory/query", {"query": "tea", "top_k": None, "tags": None}),
                ("/api/v1/memory/index", {"text": "Tea.", "doc_id": None, "attributes": None})):
            status, answer = self.post(path, body, token)
            self.assertIn(status, understood, (path, answer))
        self.assertEqual(self.post("/api/v1/memory/query", {"query": None}, token)[0], 422)

    def test_errors_have_the_members_that_clients_show(self):
        token = self.at.token("alice")
        for path, body, who in (("/v1/embeddings", {"input": 5}, token),
                                ("/v1/embeddings", {"input": "x", "model": "other"}, token),
                                ("/v1/embeddings", {"input": "x"}, None),
                                ("/v1/models", {}, token)):
            status, answer = self.post(path, body, who)
            self.assertGreaterEqual(status, 400)
            self.assertTrue(answer["error"]["message"], answer)
        answer = self.post("/rerank", {"query": "x", "texts": 5}, token)[1]
        self.assertIsInstance(answer["error_type"], str)
        answer = self.post("/api/v1/rerank", {"query": "x", "documents": 5}, token)[1]
        self.assertIsInstance(answer["message"], str)

    def test_coheres_clients_find_their_path(self):
        token = self.at.token("alice")
        plain = {"query": "tea", "documents": DOCUMENTS, "top_n": 1}
        for path, body in (("/api/v1/rerank", plain), ("/api/v2/rerank", plain),
                           ("/v2/rerank", plain),
                           ("/api/v1/rerank", {**plain, "max_chunks_per_doc": 10}),
                           ("/api/v2/rerank", {**plain, "max_tokens_per_doc": 4096}),
                           ("/api/v1/rerank", {**plain, "documents": OBJECTS}),
                           ("/api/v1/rerank", {**plain, "documents": OBJECTS,
                                               "rank_fields": ["title", "text"]})):
            status, answer = self.post(path, body, token)
            self.assertEqual((status, answer["code"]), (503, "no_model"), (path, answer))

    def test_token_ids_are_refused_with_the_setting_that_sends_text(self):
        token = self.at.token("alice")
        for given in ([15339, 1917], [[15339, 1917], [9906]]):
            status, answer = self.post("/v1/embeddings", {"input": given}, token)
            self.assertEqual(status, 422)
            self.assertIn("check_embedding_ctx_length=False", answer["error"]["message"])

    def test_a_stream_is_read_by_clients_that_split_lines_anywhere(self):
        token = self.at.token("bella")
        text = "First the kiln is lit.\u2028Then the glaze is mixed.\u2029At last the\u0085jar cools."
        self.post("/api/v1/memory/index", {"text": text}, token)
        self.at.wait_for(lambda: self.at.results(token, "kiln", rerank=False))
        _, data = self.at.request("POST", "/api/v1/memory/query",
                                  {"query": "kiln", "rerank": False}, token,
                                  {"Accept": "text/event-stream"})
        blocks = data.decode().rstrip("\n").split("\n\n")
        for block in blocks:
            self.assertIn("\ndata: ", "\n" + block)
        events = [json.loads(line[6:]) for line in data.decode().splitlines()
                  if line.startswith("data: ")]
        self.assertEqual(len(events), len(blocks))
        self.assertIn(text, [event.get("text") for event in events])
        last = [line[4:] for line in blocks[-1].split("\n") if line.startswith("id: ")][0]
        response, _ = self.at.request("POST", "/api/v1/memory/query", {"query": "kiln"}, token,
                                      {"Accept": "text/event-stream", "Last-Event-ID": last})
        self.assertEqual(response.status, 204)

    def test_what_is_accepted_is_stored_or_was_refused(self):
        token = self.at.token("alice")
        status, answer = self.post("/api/v1/memory/index", {"text": "x" * 1_048_174, "name": "edge",
                                                            "doc_id": "edge-zzzz"}, token)
        self.assertEqual((status, answer.get("field")), (413, "/text"), answer)
        status, answer = self.post("/api/v1/memory/index",
                                   {"text": "x", "attributes": {"a": "x" * 8_150}}, token)
        self.assertEqual((status, answer.get("field")), (413, "/attributes"), answer)

    def test_a_body_may_be_as_large_as_is_set(self):
        other = Deployment(http__body_bytes_max=8_388_608)
        try:
            other.start()
            status, answer = self.post("/v1/embeddings", {"input": ["tea"] * 990 + ["x " * 30_000] * 20},
                                       other.token("alice"), other)
            self.assertEqual(status, 422, answer)
            self.assertEqual(answer["field"], "/input", "read, and refused for its number of texts")
        finally:
            other.close()


if __name__ == "__main__":
    unittest.main()
