// Calls a running service as programs do that use these packages. Prints what became of each call, as JSON:
// name → null, or the failure. Needs MEMSEAL_URL and MEMSEAL_TOKEN.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { MEMSEAL_URL: url, MEMSEAL_TOKEN: token, MEMSEAL_PACKAGES: packages } = process.env;
const require = createRequire(packages + "/");
const load = async (name) => import(require.resolve(name));
const embedder = "all-MiniLM-L6-v2";
const texts = ["green tea", "a fast car"];
const queryUrl = url + "/api/v1/memory/query";
const question = {
  method: "POST",
  headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json", Accept: "text/event-stream" },
  body: JSON.stringify({ query: "kiln", rerank: false }),
};

const openai = async (apiKey = token) => {
  const { default: OpenAI } = await load("openai");
  return new OpenAI({ baseURL: url + "/v1", apiKey, maxRetries: 0 });
};

const assertWholeStream = (events) => {
  assert.equal(events[0].event, "query.started");
  assert.equal(events.at(-1).event, "query.completed");
  const data = events.map((event) => JSON.parse(event.data));
  assert(data.some((one) => one.text?.includes("\u2028")));
};

const readWith = async (fetcher) => {
  const { createParser } = await load("eventsource-parser");
  const events = [];
  const parser = createParser({ onEvent: (event) => events.push(event) });
  const answer = await fetcher(queryUrl, question);
  assert.equal(answer.status, 200);
  const decoder = new TextDecoder();
  for await (const bytes of answer.body) parser.feed(decoder.decode(bytes, { stream: true }));
  assertWholeStream(events);
};

const checks = {
  async openai_embeds_and_lists() {
    const client = await openai();
    const packed = await client.embeddings.create({ model: embedder, input: texts });
    const plain = await client.embeddings.create({ model: embedder, input: texts, encoding_format: "float" });
    assert.equal(packed.data.length, 2);
    assert.equal(plain.data[0].embedding.length, 384);
    const first = packed.data[0].embedding[0];
    assert(Math.abs(first - plain.data[0].embedding[0]) < 1e-5, `${first}`);
    const models = [];
    for await (const model of client.models.list()) models.push(model.id);
    assert(models.includes(embedder));
  },
  async openai_shows_why_a_request_is_refused() {
    const client = await openai();
    await assert.rejects(client.embeddings.create({ model: embedder, input: "" }), (error) => {
      assert.match(error.message, /must have 1 to 65536 bytes/);
      assert.deepEqual([error.param, error.code], ["input", "invalid_field"]);
      return true;
    });
    const stranger = await openai("wrong");
    await assert.rejects(stranger.models.list(), { status: 401, type: "authentication_error" });
  },
  async eventsource_parser_reads_the_stream_of_fetch() {
    await readWith(fetch);
  },
  async eventsource_parser_reads_the_stream_of_undici() {
    await readWith((await load("undici")).fetch);
  },
  // It is never closed by its program, so it reconnects by itself after the answer, with the id of the last event.
  async eventsource_that_is_not_closed_stops_by_itself() {
    const { EventSource } = await load("eventsource");
    const answers = [];
    const source = new EventSource(queryUrl, {
      fetch: async (to, init) => {
        const headers = { ...init.headers, ...question.headers };
        const answer = await fetch(to, { ...init, ...question, headers });
        answers.push(answer);
        return answer;
      },
    });
    const events = [];
    for (const name of ["query.started", "query.result", "query.completed"])
      source.addEventListener(name, (event) => events.push({ event: name, data: event.data }));
    const until = Date.now() + 15_000;
    while (source.readyState !== EventSource.CLOSED && Date.now() < until)
      await new Promise((done) => setTimeout(done, 50));
    const statuses = answers.map((answer) => answer.status);
    source.close();
    assert.deepEqual(statuses, [200, 204]);
    assert.equal(answers[1].headers.get("x-ratelimit-limit"), null, "the second takes nothing from the bucket");
    assertWholeStream(events);
  },
};

const outcome = {};
for (const [name, run] of Object.entries(checks)) {
  try {
    await run();
    outcome[name] = null;
  } catch (failure) {
    outcome[name] = failure.stack ?? String(failure);
  }
}
console.log(JSON.stringify(outcome));
