"""The models by themselves: in the shapes of other services, and as another memseal's embedder."""
import base64
import json
import math
import struct
import unittest

from harness import STRUCTURED, Deployment, EndToEnd, structured


class Models(EndToEnd):
    def post(self, path, body, token, at=None):
        response, data = (at or self.at).request(
            "POST", path, json.dumps(body), token, {"Content-Type": "application/json"})
        return response.status, json.loads(data)

    def test_it_embeds_in_the_shape_of_openai(self):
        token = self.at.token("alice")
        status, answer = self.post("/v1/embeddings", {"input": ["green tea", "a fast car"]}, token)
        self.assertEqual(status, 200, answer)
        self.assertEqual([item["index"] for item in answer["data"]], [0, 1])
        for item in answer["data"]:
            self.assertEqual(len(item["embedding"]), 384)
            self.assertAlmostEqual(math.fsum(x * x for x in item["embedding"]), 1, places=4)
        status, packed = self.post("/v1/embeddings",
                                   {"input": "green tea", "encoding_format": "base64"}, token)
        self.assertEqual(status, 200, packed)
        values = struct.unpack("<384f", base64.b64decode(packed["data"][0]["embedding"]))
        for one, other in zip(values, answer["data"][0]["embedding"]):
            self.assertAlmostEqual(one, other, places=5)

    def test_without_a_cross_encoder_ranking_says_what_is_missing(self):
        token = self.at.token("alice")
        for path, body in (("/api/v1/rerank", {"query": "tea?", "documents": ["tea", "car"]}),
                           ("/rerank", {"query": "tea?", "texts": ["tea", "car"]})):
            status, problem = self.post(path, body, token)
            self.assertEqual(status, 503, problem)
            self.assertEqual(problem["code"], "no_model")
            self.assertIn("rerank.model", problem["detail"])
        told = json.loads(self.at.cli("--json", "rerank-metrics", "--token", token, "--url",
                                      f"http://127.0.0.1:{self.at.port}").stdout)
        self.assertIsNone(told["model"])

    def test_reranking_is_switched_while_it_runs(self):
        token = self.at.token("alice")

        def enabled():
            _, data = self.at.request("GET", "/api/v1/rerank/metrics", token=token)
            return json.loads(data)["enabled"]
        self.assertTrue(enabled())
        self.at.request("POST", "/flags/rerank/off", admin=True)
        self.assertFalse(enabled())
        self.at.request("POST", "/flags/rerank/on", admin=True)
        self.assertTrue(enabled())

    def test_it_is_the_embedder_of_another_memseal(self):
        other = Deployment(embedding__url=f"http://127.0.0.1:{self.at.port}/v1",
                           embedding__remote_model="all-MiniLM-L6-v2",
                           embedding__api_key=self.at.token("machine", 86_400))
        try:
            other.start()
            other.kcat_produce(other.upload_topic, "bob", structured("bob", "upload", {
                "doc_id": "tea", "file": {"name": "tea", "mime_type": "text/plain"},
                "content": {"encoding": "utf8", "data": "Bob drinks green tea at four."}}),
                STRUCTURED)
            token = other.token("bob")
            other.wait_for(lambda: other.results(token, "when is tea time?"), what="the text found")
            self.assertEqual(other.results(token, "when is tea time?")[0]["doc_id"], "tea")
        finally:
            other.close()


if __name__ == "__main__":
    unittest.main()
