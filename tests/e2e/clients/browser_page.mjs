// Runs in the browser of browser_test.py. Asks the service as a page does, and tells its server what became of each
// request: name → null, or the failure. What to ask stands behind # in the page's address.
const { api, admin, token, adminToken } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const authorization = { Authorization: `Bearer ${token}` };
const asJson = { ...authorization, "Content-Type": "application/json" };
const files = `${api}/api/v1/knowledge/files`;

const expect = (condition, ...shown) => {
  if (!condition) throw new Error(shown.map((one) => JSON.stringify(one)).join(" "));
};

const checks = {
  async streams_an_answer() {
    const answer = await fetch(`${api}/api/v1/memory/query`, {
      method: "POST",
      headers: { ...asJson, Accept: "text/event-stream" },
      body: JSON.stringify({ query: "kiln", rerank: false }),
    });
    expect(answer.status === 200, answer.status);
    expect(answer.headers.get("X-Request-ID"), "a field that the page may read");
    let text = "";
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    const events = text.split("\n\n").map((block) => block.split("\n").find((line) => line.startsWith("data: ")));
    const data = events.filter((line) => line).map((line) => JSON.parse(line.slice(6)));
    expect(data[0].type === "query.started" && data.at(-1).type === "query.completed", data);
    expect(data.some((event) => event.text?.includes("\u2028")), data);
  },
  async reads_why_it_is_refused() {
    const answer = await fetch(`${api}/api/v1/memory/query`, { method: "POST", headers: asJson, body: '{"query":""}' });
    const problem = await answer.json();
    expect(answer.status === 422 && problem.field === "/query", problem);
    const stranger = await fetch(`${api}/v1/models`, { headers: { Authorization: "Bearer wrong" } });
    expect(stranger.status === 401 && stranger.headers.get("WWW-Authenticate").startsWith("Bearer"), stranger.status);
  },
  async uploads_a_form_and_reads_it_back() {
    const form = new FormData();
    const bytes = new Uint8Array(70_000).map((_, i) => i * 31);
    form.append("tags", "work, kiln");
    form.append("file", new File([bytes], "cônes & \"glaze\".bin"));
    const answer = await fetch(files, { method: "POST", headers: authorization, body: form });
    const { file } = await answer.json();
    expect(answer.status === 201 && file.bytes === bytes.length, answer.status, file);
    expect(file.name === 'cônes & "glaze".bin', file.name);
    expect(file.tags.join() === "work,kiln", file.tags);
    const content = await fetch(`${files}/${file.id}/content`, { headers: { ...authorization, Range: "bytes=60000-" } });
    const part = new Uint8Array(await content.arrayBuffer());
    expect(content.status === 206 && part.length === 10_000, content.status, part.length);
    expect(part.every((byte, i) => byte === bytes[60_000 + i]), "the bytes that were sent");
    expect(content.headers.get("Content-Range") === "bytes 60000-69999/70000", content.headers.get("Content-Range"));
  },
  async deletes() {
    const { files: stored } = await (await fetch(files, { headers: authorization })).json();
    expect(stored.length === 1, stored);
    const answer = await fetch(`${files}/${stored[0].id}`, { method: "DELETE", headers: authorization });
    expect(answer.status === 204, answer.status);
  },
  // No page reaches the admin listener, neither with a request that the browser asks about first nor with one that it
  // sends at once. What became of the second one the page cannot see; browser_test.py looks.
  async lets_the_admin_listener_be() {
    const order = `${admin}/flags/rerank/off`;
    const asked = fetch(order, { method: "POST", headers: { Authorization: `Bearer ${adminToken}` } });
    const refusal = await asked.then(() => null, (failure) => failure);
    expect(refusal instanceof TypeError, "the browser must keep the answer from the page");
    await fetch(order, { method: "POST", mode: "no-cors" });
  },
};

const outcome = {};
for (const [name, run] of Object.entries(checks)) {
  try {
    await run();
    outcome[name] = null;
  } catch (failure) {
    outcome[name] = String(failure);
  }
}
await fetch("/found", { method: "POST", body: JSON.stringify(outcome) });
