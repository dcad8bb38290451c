// Files over HTTP: taken in as a body or a form, listed, sent in parts, removed.
#include "unit/http/knowledge_fixture.hpp"

#include "pure/crypto/random.hpp"

namespace memseal::test {
namespace {

TEST_F(KnowledgeDoors, AFileIsTheBodyItself) {
  start();
  const auto answer = ask(raw("hello",
                              "X-Memseal-Name: a%20%C3%A4.txt\r\nX-Memseal-Tags: x, y%2Cz\r\n"
                              "Content-Type: Text/Plain; charset=utf-8\r\n"));
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto file = json::parse(answer.body).at("file").as_object();
  EXPECT_EQ(file.at("name"), "a ä.txt");
  EXPECT_EQ(file.at("media_type"), "text/plain");
  EXPECT_EQ(file.at("bytes"), 5);
  EXPECT_EQ(file.at("tags"), json::array({"x", "y,z"}));
  EXPECT_EQ(file.at("state"), "stored");
  EXPECT_EQ(answer.field("location"), files + "/" + id_of(file));
  EXPECT_EQ(ask(get(files + "/" + id_of(file))).body, answer.body);
  const auto sent = content(id_of(file));
  EXPECT_EQ(sent.status, 200);
  EXPECT_EQ(sent.body, "hello");
  EXPECT_EQ(sent.field("content-type"), "text/plain");
  EXPECT_EQ(sent.field("content-disposition"),
            "attachment; filename=\"a __.txt\"; filename*=UTF-8''a%20%C3%A4.txt");
  EXPECT_EQ(sent.field("x-content-type-options"), "nosniff");
  EXPECT_EQ(sent.field("content-security-policy"), "sandbox");
  EXPECT_EQ(sent.field("cache-control"), "no-store");
  EXPECT_EQ(ask(raw("hello", "X-Memseal-Name: a%20%C3%A4.txt\r\n")).status, 200) << "a twin";
}

TEST_F(KnowledgeDoors, AFileIsAPartOfAForm) {
  start();
  const auto file_part = part("file", "%PDF-1\r\n--",
                              "; filename=\"C:\\dir\\r.pdf\"\r\nContent-Type: application/pdf");
  auto answer = form(part("tags", "x, y") + file_part + part("tags", "z") + "--b--\r\nepilogue");
  ASSERT_EQ(answer.status, 201) << answer.body;
  auto file = json::parse(answer.body).at("file").as_object();
  EXPECT_EQ(file.at("name"), "r.pdf");
  EXPECT_EQ(file.at("media_type"), "application/pdf");
  EXPECT_EQ(file.at("tags"), json::array({"x", "y", "z"}));
  EXPECT_EQ(content(id_of(file)).body, "%PDF-1\r\n--");
  // A name said for itself counts, wherever it stands; chunked, as fetch() sends a stream.
  const auto body = file_part + part("name", "other.pdf") + "--b--\r\n";
  answer = ask(head("POST " + files, "ada",
                    "Content-Type: multipart/form-data; boundary=b\r\n"
                    "Transfer-Encoding: chunked\r\n") +
               "\r\n7\r\n" + body.substr(0, 7) + "\r\n" +
               [](std::size_t size) {
                 char text[16];
                 std::snprintf(text, sizeof text, "%zx\r\n", size);
                 return std::string(text);
               }(body.size() - 7) +
               body.substr(7) + "\r\n0\r\n\r\n");
  ASSERT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(json::parse(answer.body).at("file").at("name"), "other.pdf");
}

TEST_F(KnowledgeDoors, WhatIsNoUploadIsRefusedAndLeavesNothing) {
  knowledge.limits.file_bytes_max = 100;
  start();
  const auto named = std::string("X-Memseal-Name: a\r\n");
  EXPECT_EQ(code_of(ask(raw("x", ""))), "invalid_field");
  EXPECT_EQ(code_of(ask(raw("x", "X-Memseal-Name: %ff\r\n"))), "invalid_field");
  EXPECT_EQ(code_of(ask(raw("x", named + "X-Memseal-Tags: a,,b\r\n"))), "invalid_field");
  EXPECT_EQ(code_of(ask(raw("x", named + "Content-Encoding: gzip\r\n"))), "unsupported_media_type");
  EXPECT_EQ(code_of(ask(raw("x", named + "Content-Type: nonsense\r\n"))), "unsupported_media_type");
  EXPECT_EQ(code_of(ask(raw("x", named + "Idempotency-Key: a b\r\n"))), "bad_request");
  EXPECT_EQ(code_of(ask(raw("x", named + "Content-Type: multipart/form-data\r\n"))),
            "unsupported_media_type");
  EXPECT_EQ(code_of(ask(head("POST " + files + "?name=a") + "Content-Length: 1\r\n\r\nx")),
            "bad_request");
  EXPECT_EQ(code_of(ask(raw(std::string(101, 'x'), named))), "payload_too_large");
  const auto file = part("file", "x", "; filename=\"a\"");
  EXPECT_EQ(code_of(form("--b--")), "bad_request");
  EXPECT_EQ(code_of(form(file)), "bad_request") << "cut";
  EXPECT_EQ(code_of(form(file + file + "--b--")), "bad_request");
  EXPECT_EQ(code_of(form(file + part("color", "red") + "--b--")), "bad_request");
  EXPECT_EQ(code_of(form(part("file", "x") + "--b--")), "invalid_field") << "no name";
  EXPECT_EQ(code_of(form(part("tags", std::string(5'000, 'x')) + file + "--b--")),
            "payload_too_large");
  EXPECT_EQ(code_of(form(part("file", std::string(101, 'x'), "; filename=\"a\"") + "--b--")),
            "payload_too_large");
  EXPECT_TRUE(on_loop([&] { return store.objects.empty() && store.open == 0; }));
}

TEST_F(KnowledgeDoors, ContentIsSentInParts) {
  start();
  std::string body(200'000, 'x');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
  const auto id = id_of(stored("a", body));
  auto sent = content(id, "Range: bytes=65000-131999\r\n");
  const auto etag = sent.field("etag");
  EXPECT_EQ(sent.status, 206);
  EXPECT_EQ(sent.field("content-range"), "bytes 65000-131999/200000");
  EXPECT_EQ(sent.body, body.substr(65'000, 67'000));
  sent = content(id, "Range: bytes=-1\r\nIf-Range: " + etag + "\r\n");
  EXPECT_EQ(sent.body, body.substr(199'999));
  EXPECT_EQ(sent.field("etag"), etag);
  EXPECT_TRUE(etag.size() > 2 && etag.starts_with('"') && etag.ends_with('"')) << etag;
  sent = content(id, "Range: bytes=-1\r\nIf-Range: " + etag + "\r\nIf-Range: " + etag + "\r\n");
  EXPECT_EQ(sent.status, 200) << "two validators are none";
  sent = content(id, "Range: bytes=-1\r\nIf-Range: \"other\"\r\n");
  EXPECT_EQ(sent.status, 200);
  EXPECT_EQ(sent.body, body);
  sent = content(id, "Range: bytes=200000-\r\n");
  EXPECT_EQ(sent.status, 416);
  EXPECT_EQ(sent.field("content-range"), "bytes */200000");
  sent = content(id, "Range: bytes=0-9\r\n", "HEAD");
  EXPECT_EQ(sent.status, 200) << "only GET has ranges";
  EXPECT_EQ(sent.field("content-length"), "200000");
  const auto empty = id_of(stored("empty", ""));
  EXPECT_EQ(content(empty).status, 200);
  EXPECT_EQ(content(empty, "Range: bytes=0-\r\n").status, 416);
}

TEST_F(KnowledgeDoors, ListsArePagesAndHaveFilters) {
  start();
  for (const std::string name : {"a", "b", "c"})
    stored(name, name, "X-Memseal-Tags: all,t" + name + "\r\n");
  const auto names = [&](const std::string& query, const std::string& fields = {}) {
    const auto answer = ask(head("GET " + files + query, "ada", fields) + "\r\n");
    EXPECT_EQ(answer.status, 200) << answer.body;
    const auto page = json::parse(answer.body);
    std::string all;
    for (const auto& file : page.at("files").as_array()) all += file.at("name").as_string();
    const auto& next = page.at("next_cursor");
    return std::pair(all, next.is_null() ? std::string() : std::string(next.as_string()));
  };
  const auto [first, cursor] = names("?limit=2");
  EXPECT_EQ(first, "cb");
  EXPECT_EQ(names("?limit=2&cursor=" + cursor), (std::pair<std::string, std::string>("a", "")));
  EXPECT_EQ(names("", "X-Memseal-Tags: all,tb\r\n").first, "b");
  EXPECT_EQ(names("", "X-Memseal-Tags: none\r\n").first, "");
  EXPECT_EQ(names("?created_after=2030-01-01T00:00:00Z").first, "");
  EXPECT_EQ(names("?created_before=2030-01-01T00:00:00Z").first, "cba");
  EXPECT_EQ(code_of(ask(get(files + "?tags=all"))), "bad_request");
}

TEST_F(KnowledgeDoors, WhatIsAnotherUsersIsAsIfItWereNotThere) {
  start();
  const auto id = id_of(stored("a", "secret"));
  const auto seen = [&](const std::string& method, const std::string& path) {
    const auto answer = ask(head(method + " " + path, "bob", "X-Request-ID: r\r\n") + "\r\n");
    EXPECT_EQ(answer.status, 404) << method << ' ' << path;
    std::string all = answer.body;
    for (const auto& [name, value] : answer.fields)
      if (name != "date" && !name.starts_with("x-ratelimit") && name != "ratelimit")
        all += "\n" + name + ": " + value;
    return all;
  };
  const auto absent = files + "/" + crypto::random_uuid().to_string();
  for (const auto& [method, tail] : std::vector<std::pair<std::string, std::string>>{
           {"GET", ""}, {"GET", "/content"}, {"DELETE", ""}}) {
    EXPECT_EQ(seen(method, files + "/" + id + tail), seen(method, absent + tail));
    EXPECT_EQ(seen(method, files + "/no-uuid" + tail), seen(method, absent + tail));
  }
  EXPECT_EQ(content(id).body, "secret");
  EXPECT_EQ(ask(head("DELETE " + files + "/" + id) + "\r\n").status, 204);
  EXPECT_EQ(ask(head("DELETE " + files + "/" + id) + "\r\n").status, 404);
  EXPECT_EQ(content(id).status, 404);
}

TEST_F(KnowledgeDoors, AKeyMakesARepetitionTheSameFile) {
  start();
  const auto key = std::string("Idempotency-Key: k\r\n");
  const auto first = stored("a", "one", key);
  EXPECT_EQ(id_of(stored("a", "one", key)), id_of(first));
  EXPECT_EQ(code_of(ask(raw("two", "X-Memseal-Name: a\r\n" + key))), "invalid_field");
}

TEST_F(KnowledgeDoors, TooManyUploadsAtOneTimeHaveToWait) {
  knowledge.limits.uploads_max = 1;
  start();
  auto slow = connect();
  slow.say(head("POST " + files, "ada", "X-Memseal-Name: a\r\nContent-Length: 2\r\n") + "\r\nx");
  ASSERT_TRUE(eventually([&] { return store.open == 1; }));
  const auto refused = ask(raw("y", "X-Memseal-Name: b\r\n"));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.field("retry-after"), "1");
  slow.say("y");
  EXPECT_EQ(slow.answer().status, 201);
}

TEST_F(KnowledgeDoors, TooManyDownloadsAtOneTimeHaveToWait) {
  knowledge.limits.downloads_max = 1;
  start();
  const auto id = id_of(stored("a", std::string(12'000'000, 'x')));
  {
    Client slow(server->port(), 4'096);
    slow.say(head("GET " + files + "/" + id + "/content") + "\r\n");
    EXPECT_EQ(slow.head().status, 200);
    const auto refused = content(id);
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.field("retry-after"), "1");
    EXPECT_EQ(content(crypto::random_uuid().to_string()).status, 429) << "it tells no ids apart";
    EXPECT_EQ(content(id, "", "GET", "bob").status, 404) << "each user has an own limit";
    EXPECT_EQ(counted.downloads_active.Value(), 1);
  }
  EXPECT_TRUE(eventually([&] { return counted.downloads_active.Value() == 0; }));
  EXPECT_EQ(content(id, "Range: bytes=0-9\r\n").status, 206);
}

TEST_F(KnowledgeDoors, WhatTheSystemSaysOfADiskStaysInTheLog) {
  start();
  on_loop([&] { return store.full = true; });
  const auto answer = ask(raw("x", "X-Memseal-Name: a\r\n"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body.find("device"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.body.find("files."), std::string::npos) << answer.body;
}

TEST_F(KnowledgeDoors, AClientThatLeavesLeavesNothing) {
  start();
  {
    auto client = connect();
    client.say(head("POST " + files, "ada", "X-Memseal-Name: a\r\nContent-Length: 2\r\n") +
               "\r\nx");
    ASSERT_TRUE(eventually([&] { return store.open == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return store.open == 0; }));
  EXPECT_TRUE(on_loop([&] { return store.objects.empty(); }));
}

TEST_F(KnowledgeDoors, AContentThatIsDamagedInItsMiddleIsCut) {
  start();
  const auto id = id_of(stored("a", std::string(3'000'000, 'x')));
  on_loop([&] { return store.objects.begin()->second.bytes[1'500'000] ^= 1; });
  auto client = connect();
  client.say(head("GET " + files + "/" + id + "/content") + "\r\n");
  const auto all = client.rest();
  EXPECT_TRUE(all.starts_with("HTTP/1.1 200"));
  EXPECT_LT(all.size(), 1'600'000u);
  EXPECT_EQ(counted.damaged.Value(), 1);
}

TEST_F(KnowledgeDoors, AServiceWithoutADirectorySaysSo) {
  api.knowledge = nullptr;
  start();
  EXPECT_EQ(code_of(ask(get(files))), "bad_config");
}

}  // namespace
}  // namespace memseal::test
