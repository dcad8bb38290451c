"""The clients that people use, against a running service: each library reads what it needs and shows what is wrong."""
import json
import os
import subprocess
import unittest
from pathlib import Path

from clients import small_reranker
from harness import EndToEnd

HERE = Path(__file__).resolve().parent / "clients"
INSTALLED = HERE.parents[2] / ".deps" / "clients"
TEXT = "First the kiln is lit.\u2028Then the glaze is mixed."


class RealClients(EndToEnd):
    @classmethod
    def setUpClass(cls):
        model = small_reranker.write_for(cls)
        cls.settings = {"rerank__model": model}
        super().setUpClass()
        token = cls.at.token("bella")
        cls.at.request("POST", "/api/v1/memory/index?wait=20", {"text": TEXT}, token)
        env = dict(os.environ, MEMSEAL_URL=f"http://127.0.0.1:{cls.at.port}", MEMSEAL_TOKEN=token,
                   MEMSEAL_RERANKER=model.name, MEMSEAL_PACKAGES=str(INSTALLED / "npm"),
                   NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
        runs = {"python": [INSTALLED / "bin" / "python", HERE / "python_clients.py"],
                "node": [INSTALLED / "node", HERE / "node_clients.mjs"]}
        # At once, because most of the time goes into loading the libraries.
        started = {name: subprocess.Popen(list(map(str, words)), env=env, stdout=subprocess.PIPE,
                                          stderr=subprocess.PIPE, text=True) for name, words in runs.items()}
        for process in started.values():
            cls.addClassCleanup(process.kill)
        cls.outcomes = {}
        for name, process in started.items():
            said, complaint = process.communicate(timeout=400)
            if process.returncode != 0:
                raise RuntimeError(f"{name}: {complaint[-3000:]}")
            cls.outcomes[name] = json.loads(said)

    def expect_right(self, language, *names):
        for name in names:
            with self.subTest(name):
                self.assertIsNone(self.outcomes[language][name])

    def test_every_check_is_looked_at(self):
        looked_at = {"python": PYTHON, "node": NODE}
        self.assertEqual({language: set(outcome) for language, outcome in self.outcomes.items()},
                         {language: {name for names in groups.values() for name in names}
                          for language, groups in looked_at.items()})


PYTHON = {
    "openai": ["openai_embeds_and_lists", "openai_embeds_a_large_batch", "openai_shows_why_a_request_is_refused"],
    "cohere": ["cohere_ranks_by_both_versions", "cohere_shows_why_a_request_is_refused"],
    "langchain": ["langchain_embeds", "langchain_ranks"],
    "llamaindex": ["llamaindex_embeds", "llamaindex_ranks"],
    "huggingface": ["huggingface_embeds_and_shows_why_not"],
    "httpx_sse": ["httpx_sse_reads_the_stream", "old_httpx_sse_reads_the_stream"],
}
NODE = {
    "openai": ["openai_embeds_and_lists", "openai_shows_why_a_request_is_refused"],
    "fetch": ["eventsource_parser_reads_the_stream_of_fetch", "eventsource_parser_reads_the_stream_of_undici"],
    "eventsource": ["eventsource_that_is_not_closed_stops_by_itself"],
}


def add_tests(language, groups):
    for group, names in groups.items():
        setattr(RealClients, f"test_{language}_{group}",
                lambda self, names=names: self.expect_right(language, *names))


add_tests("python", PYTHON)
add_tests("node", NODE)

if __name__ == "__main__":
    unittest.main()
