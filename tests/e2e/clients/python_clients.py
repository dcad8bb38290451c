"""Calls a running service as programs do that use these libraries. Prints what became of each call, as JSON:
name → null, or the failure. Run by .deps/clients/bin/python; needs MEMSEAL_URL, MEMSEAL_TOKEN, MEMSEAL_RERANKER."""
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path

URL, TOKEN, RERANKER = (os.environ["MEMSEAL_" + name] for name in ("URL", "TOKEN", "RERANKER"))
EMBEDDER = "all-MiniLM-L6-v2"
TEXTS = ["green tea", "a fast car", "a red kite"]
CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


def expect(condition, *shown):
    if not condition:
        raise AssertionError(*shown)


@check
def openai_embeds_and_lists():
    import openai
    client = openai.OpenAI(base_url=URL + "/v1", api_key=TOKEN, max_retries=0)
    packed = client.embeddings.create(model=EMBEDDER, input=TEXTS)  # asks for base64 by itself
    plain = client.embeddings.create(model=EMBEDDER, input=TEXTS, encoding_format="float")
    for one, other in zip(packed.data, plain.data):
        expect(len(one.embedding) == 384 and abs(one.embedding[0] - other.embedding[0]) < 1e-5)
    expect(plain.usage.total_tokens > len(TEXTS), plain.usage)
    expect(EMBEDDER in [model.id for model in client.models.list()])
    expect(client.models.retrieve(EMBEDDER).id == EMBEDDER)


@check
def openai_embeds_a_large_batch():
    import openai
    client = openai.OpenAI(base_url=URL + "/v1", api_key=TOKEN, max_retries=0)
    many = client.embeddings.create(model=EMBEDDER, input=[f"text {n}" for n in range(1000)])
    expect([item.index for item in many.data] == list(range(1000)))


@check
def openai_shows_why_a_request_is_refused():
    import openai
    client = openai.OpenAI(base_url=URL + "/v1", api_key=TOKEN, max_retries=0)
    try:
        client.embeddings.create(model=EMBEDDER, input="")
    except openai.UnprocessableEntityError as error:
        expect("must have 1 to 65536 bytes" in error.message, error.message)
        expect((error.param, error.code, error.type) == ("input", "invalid_field", "invalid_request_error"))
    else:
        raise AssertionError("an empty text was embedded")
    try:
        client.embeddings.create(model="another", input="x")
    except openai.UnprocessableEntityError as error:
        expect(EMBEDDER in error.message and error.param == "model", error.message)
    try:
        openai.OpenAI(base_url=URL + "/v1", api_key="wrong", max_retries=0).models.list()
    except openai.AuthenticationError as error:
        expect("token" in error.message.lower() or error.message, error)
    else:
        raise AssertionError("a wrong key was taken")


@check
def cohere_ranks_by_both_versions():
    import cohere
    for client in (cohere.ClientV2(api_key=TOKEN, base_url=URL), cohere.Client(api_key=TOKEN, base_url=URL),
                   cohere.ClientV2(api_key=TOKEN, base_url=URL + "/api")):
        ranked = client.rerank(model=RERANKER, query="tea?", documents=TEXTS, top_n=2)
        expect(len(ranked.results) == 2, ranked)
        expect(ranked.results[0].relevance_score >= ranked.results[1].relevance_score)
        expect(len(client.rerank(model=RERANKER, query="tea?", documents=TEXTS).results) == len(TEXTS))


@check
def cohere_shows_why_a_request_is_refused():
    import cohere
    try:
        cohere.ClientV2(api_key=TOKEN, base_url=URL).rerank(model="another", query="tea?", documents=TEXTS)
    except cohere.UnprocessableEntityError as error:
        expect(RERANKER in error.body["message"], error.body)
    else:
        raise AssertionError("another model was taken")


@check
def langchain_embeds():
    from langchain_openai import OpenAIEmbeddings
    embeddings = OpenAIEmbeddings(model=EMBEDDER, base_url=URL + "/v1", api_key=TOKEN,
                                  check_embedding_ctx_length=False)
    vectors = embeddings.embed_documents(TEXTS)
    expect([len(vector) for vector in vectors] == [384] * len(TEXTS))
    expect(len(embeddings.embed_query("tea?")) == 384)


@check
def langchain_ranks():
    from langchain_cohere import CohereRerank
    from langchain_core.documents import Document
    ranker = CohereRerank(cohere_api_key=TOKEN, base_url=URL, model=RERANKER, top_n=2)
    kept = ranker.compress_documents([Document(page_content=text) for text in TEXTS], "tea?")
    expect(len(kept) == 2 and kept[0].metadata["relevance_score"] >= kept[1].metadata["relevance_score"], kept)


@check
def llamaindex_embeds():
    from llama_index.embeddings.openai import OpenAIEmbedding
    embedding = OpenAIEmbedding(model_name=EMBEDDER, api_base=URL + "/v1", api_key=TOKEN, max_retries=0)
    expect(len(embedding.get_text_embedding("green tea")) == 384)
    expect(len(embedding.get_text_embedding_batch(TEXTS)) == len(TEXTS))


@check
def llamaindex_ranks():
    from llama_index.core.schema import NodeWithScore, TextNode
    from llama_index.postprocessor.cohere_rerank import CohereRerank
    ranker = CohereRerank(api_key=TOKEN, base_url=URL, model=RERANKER, top_n=2)
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in TEXTS]
    kept = ranker.postprocess_nodes(nodes, query_str="tea?")
    expect(len(kept) == 2 and kept[0].score >= kept[1].score, kept)


@check
def huggingface_embeds_and_shows_why_not():
    from huggingface_hub import InferenceClient
    from huggingface_hub.errors import HfHubHTTPError
    client = InferenceClient(model=URL + "/embed", token=TOKEN)
    expect(client.feature_extraction("green tea").shape == (1, 384))
    expect(client.feature_extraction(TEXTS, normalize=True, truncate=True).shape == (3, 384))
    try:
        client.feature_extraction("tea", normalize=False)
    except HfHubHTTPError as error:
        expect(error.response.status_code == 422 and "normalize" in error.response.json()["error"], error)
    else:
        raise AssertionError("a vector was given that is not normalised")


def old_httpx_sse():
    """The version before 0.4, under a name of its own beside the new one."""
    folder = Path(sys.prefix) / "old" / "httpx_sse"
    spec = importlib.util.spec_from_file_location("old_httpx_sse", folder / "__init__.py",
                                                  submodule_search_locations=[str(folder)])
    module = importlib.util.module_from_spec(spec)
    sys.modules["old_httpx_sse"] = module
    spec.loader.exec_module(module)
    return module


def read_stream(library):
    import httpx
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        with library.connect_sse(client, "POST", URL + "/api/v1/memory/query",
                                 json={"query": "kiln", "rerank": False}) as source:
            events = list(source.iter_sse())
    data = [event.json() for event in events]  # every event has data that is JSON
    kinds = [event.event for event in events]
    expect((kinds[0], kinds[-1]) == ("query.started", "query.completed"), kinds)
    expect(any("\u2028" in one.get("text", "") for one in data), data)
    expect(all(event.id for event in events), events)


@check
def httpx_sse_reads_the_stream():
    import httpx_sse
    read_stream(httpx_sse)


@check
def old_httpx_sse_reads_the_stream():
    read_stream(old_httpx_sse())


def main():
    outcome = {}
    for name, function in CHECKS.items():
        try:
            function()
            outcome[name] = None
        except Exception:  # noqa: BLE001: whatever a library raises is the finding
            outcome[name] = traceback.format_exc(limit=-6)
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
