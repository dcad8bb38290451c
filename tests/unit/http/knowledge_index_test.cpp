// A stored text becomes searchable: by itself, and by the request that stores it.
#include "unit/http/knowledge_fixture.hpp"

#include "fakes/text_extractor.hpp"
#include "pure/codec/base64.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/crypto/random.hpp"
#include "pure/wire/event.hpp"

namespace memseal::test {
namespace {

class KnowledgeIndex : public KnowledgeDoors {
 protected:
  Answer upload(const std::string& name, const std::string& text, const std::string& query,
                const std::string& more = {}) {
    return ask(head("POST " + files + query, "ada", "X-Memseal-Name: " + name + "\r\n" + more) +
               "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text);
  }
  wire::UploadEvent event(std::size_t number) {
    const auto record = on_loop([&] { return sink.records.at(number); });
    return std::get<wire::UploadEvent>(wire::parse_event({.topic = "memory.upload.v1",
                                                          .key = record.key,
                                                          .value = record.value,
                                                          .headers = &record.headers})
                                           .value());
  }
};

TEST_F(KnowledgeIndex, AStoredTextBecomesADocumentOfItsId) {
  start();
  const auto id =
      id_of(stored("notes.md", "The harbour opens at nine.", "X-Memseal-Tags: work\r\n"));
  const auto index = "/api/v1/knowledge/index";
  const auto answer = ask(post(index, R"({"file_id":")" + id + "\"}"));
  ASSERT_EQ(answer.status, 202) << answer.body;
  EXPECT_EQ(id_of({{"id", json::parse(answer.body).at("operation").at("doc_id")}}), id);
  const auto published = event(0);
  EXPECT_EQ(published.doc_id.value(), id);
  EXPECT_EQ(published.name, "notes.md");
  EXPECT_EQ(published.mime_type, "text/markdown");
  EXPECT_EQ(published.text, "The harbour opens at nine.");
  EXPECT_EQ(published.tags, std::vector<std::string>{"work"});

  const auto code = [&](const std::string& file) {
    return code_of(ask(post(index, R"({"file_id":")" + file + "\"}")));
  };
  EXPECT_EQ(code(id_of(stored("a", "PK\x03\x04" + std::string(1, '\0')))),
            "unsupported_media_type");
  EXPECT_EQ(code(id_of(stored("b", "\xff\xfe"))), "unsupported_media_type");
  EXPECT_EQ(code(id_of(stored("c", " \n"))), "file_without_text");
  EXPECT_EQ(code(id_of(stored("d", std::string(limits::referenced_text_bytes_max + 1, 'x')))),
            "payload_too_large");
  EXPECT_EQ(code(crypto::random_uuid().to_string()), "not_found");
  EXPECT_EQ(ask(post(index, R"({"file_id":")" + id + "\"}", {}, "bob")).status, 404);
}

TEST_F(KnowledgeIndex, TheEventOfALongTextRefersToItsFile) {
  start();
  const auto id = id_of(stored("long.md", std::string(1'100'000, 'x')));
  const auto answer = ask(post("/api/v1/knowledge/index", R"({"file_id":")" + id + "\"}"));
  ASSERT_EQ(answer.status, 202) << answer.body;
  const auto published = event(0);
  ASSERT_TRUE(published.file);
  EXPECT_EQ(published.file->to_string(), id);
  EXPECT_EQ(published.doc_id.value(), id);
  EXPECT_EQ(published.mime_type, "text/markdown");
  EXPECT_EQ(published.text, "");
  // Three bytes a character, so that the look at the beginning ends within one.
  std::string greek;
  while (greek.size() < 200'000) greek += "\xe1\xbc\x80";
  for (const auto& [text, status] :
       {std::pair(greek, 202), std::pair("a" + greek, 202), std::pair("aa" + greek, 202),
        std::pair("a\xff" + greek, 415), std::pair(std::string(1, '\0') + greek, 415)}) {
    const auto file = id_of(stored("x", text));
    const auto body = R"({"file_id":")" + file + "\"}";
    EXPECT_EQ(ask(post("/api/v1/knowledge/index", body)).status, status);
  }
}

// What is no plain UTF-8 goes to the extractor, whatever its name says; the rest does not.
TEST_F(KnowledgeIndex, ADocumentIsIndexedByItsTextOrSaysWhyNot) {
  fakes::TextExtractor extractor([](const std::string& file) -> Result<ports::ExtractedText> {
    if (file.ends_with("locked")) return Error{Errc::file_encrypted, "locked"};
    if (file.ends_with("scan")) return ports::ExtractedText{" \n", "", {{0, "i"}, {2, "ii"}}};
    return ports::ExtractedText{"# Of " + std::to_string(file.size()) + " bytes"};
  });
  knowledge.extractor = &extractor;
  start();
  const auto index = [&](const std::string& content) {
    const auto id = id_of(stored("notes.txt", content));
    return ask(post("/api/v1/knowledge/index", R"({"file_id":")" + id + "\"}"));
  };
  std::size_t events = 0;
  for (const auto& content :
       {"PK\x03\x04" + std::string(100'000, 'x'), std::string("{\\rtf1 x"),
        std::string("%PDF-1.7"), std::string("\n <html>"), std::string("caf\xe9"),
        std::string("From: a"), std::string("\xff\xfe" "a\0", 4)}) {
    EXPECT_EQ(index(content).status, 202) << content.substr(0, 10);
    const auto published = event(events++);
    EXPECT_EQ(published.text, "# Of " + std::to_string(content.size()) + " bytes");
    EXPECT_EQ(published.mime_type, "text/markdown");
  }
  const std::string large = "PK\x03\x04" + std::string(2'500'000, 'x');
  EXPECT_EQ(index(large).status, 202);
  EXPECT_TRUE(event(events).file) << "ingest reads it";
  EXPECT_EQ(event(events++).mime_type, "text/markdown");
  EXPECT_EQ(index("a < b").status, 202);
  EXPECT_EQ(event(events).text, "a < b");
  const auto asked = on_loop([&] { return limiter.asked; });
  const auto locked = json::parse(index("PK\x03\x04locked").body);
  EXPECT_EQ(locked.at("code"), "file_encrypted");
  EXPECT_EQ(locked.at("detail"), "locked: remove the password, and upload the file again");
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), asked + 2) << "an upload, and work in vain";
  const auto scan = index("%PDF-1.7 scan");
  EXPECT_EQ(scan.status, 422);
  EXPECT_EQ(json::parse(scan.body).at("detail"),
            "the 2 pages of the file hold no text, as scans do: recognise the text of scans "
            "(OCR) first, and upload the result");
  EXPECT_EQ(code_of(index("PK\x03\x04" + std::string(3'000'000, 'x'))), "payload_too_large");
}

TEST_F(KnowledgeIndex, TheDocumentOfAFileGoesWithIt) {
  start();
  const auto id = id_of(stored("a", "text")), other = id_of(stored("b", "text"));
  on_loop([&] {
    world.remember("ada", ports::MemoryKind::document, id, {"text"});
    return 0;
  });
  EXPECT_EQ(ask(head("DELETE " + files + "/" + other) + "\r\n").status, 204);
  EXPECT_TRUE(on_loop([&] { return sink.records.empty(); })) << "it was never indexed";
  EXPECT_EQ(ask(head("DELETE " + files + "/" + id, "bob") + "\r\n").status, 404);
  EXPECT_TRUE(on_loop([&] { return sink.records.empty(); }));
  EXPECT_EQ(ask(head("DELETE " + files + "/" + id) + "\r\n").status, 204);
  EXPECT_EQ(on_loop([&] { return sink.records.size(); }), 1u);
}

TEST_F(KnowledgeIndex, OneRequestStoresATextAndPublishesIt) {
  start();
  const auto answer = upload("a.md", "tea", "?index=true");
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto body = json::parse(answer.body).as_object();
  const auto id = id_of(body.at("file").as_object());
  EXPECT_EQ(answer.field("location"), files + "/" + id);
  EXPECT_EQ(body.at("operation").at("state"), "queued");
  EXPECT_EQ(body.at("operation").at("doc_id"), json::value(id));
  EXPECT_TRUE(body.at("index_error").is_null());
  EXPECT_EQ(event(0).text, "tea");
  EXPECT_EQ(event(0).mime_type, "text/markdown");
  EXPECT_EQ(on_loop([&] { return limiter.asked; }), 2) << "it costs as much as two requests";
  EXPECT_EQ(upload("a.md", "tea", "?index=true").status, 200) << "a twin is published again";
  EXPECT_EQ(on_loop([&] { return sink.records.size(); }), 2u);
  const auto plain = json::parse(upload("b", "tea", "?index=false").body).as_object();
  EXPECT_FALSE(plain.contains("operation"));
  EXPECT_EQ(code_of(upload("c", "tea", "?index=maybe")), "bad_request");
  EXPECT_EQ(upload("c", "tea", "?wait=1").status, 201) << "a file without a document is there";
  EXPECT_EQ(code_of(upload("c", "tea", "?index=true&wait=soon")), "bad_request");
}

TEST_F(KnowledgeIndex, AnUploadWaitsUntilItsTextCanBeFound) {
  start();
  auto client = connect();
  client.say(head("POST " + files + "?index=true", "ada",
                  "X-Memseal-Name: a\r\nPrefer: wait=20\r\nContent-Length: 3\r\n") +
             "\r\ntea");
  ASSERT_TRUE(eventually([&] { return sink.records.size() == 1; }));
  on_loop([&] {
    return operations.known.begin()->second.state = ports::OperationState::succeeded;
  });
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.field("preference-applied"), "wait=20");
  EXPECT_EQ(json::parse(answer.body).at("operation").at("state"), "succeeded");
}

TEST_F(KnowledgeIndex, WhatCannotBeIndexedIsStoredAllTheSameAndSaysWhy) {
  start();
  const auto fault = [&](const Answer& answer) {
    EXPECT_EQ(answer.status, 201) << answer.body;
    const auto body = json::parse(answer.body).as_object();
    EXPECT_TRUE(body.at("operation").is_null());
    EXPECT_EQ(ask(get(files + "/" + id_of(body.at("file").as_object()))).status, 200);
    const auto error = body.at("index_error").as_object();
    EXPECT_FALSE(error.at("suggestion").as_string().empty());
    return std::string(error.at("code").as_string()) + ": " +
           std::string(error.at("detail").as_string());
  };
  EXPECT_EQ(fault(upload("a", "PK\x03\x04" + std::string(1, '\0'), "?index=true")),
            "unsupported_media_type: the file is no text in UTF-8, and nothing else is indexed "
            "here");
  const std::string endless(limits::referenced_text_bytes_max + 1, 'x');
  EXPECT_TRUE(fault(upload("b", endless, "?index=true"))
                  .starts_with("payload_too_large: "));
  on_loop([&] {
    sink.faults.next = {Errc::unavailable};
    return 0;
  });
  EXPECT_EQ(fault(upload("c", "tea", "?index=true")), "unavailable: A dependency is unavailable");
  on_loop([&] { return sink.is_reachable = false; });
  EXPECT_EQ(fault(upload("d", "tea", "?index=true")),
            "unavailable: Kafka cannot be reached, so nothing was accepted; try again later");
  EXPECT_TRUE(on_loop([&] { return sink.records.empty(); }));
}

TEST_F(KnowledgeIndex, AFileShowsTheTextsThatWereMadeOfIt) {
  start();
  const auto id = id_of(stored("a", "text")), bare = id_of(stored("b", "text"));
  on_loop([&] {
    world.remember("ada", ports::MemoryKind::document, id, {"one", "two", "three"});
    return 0;
  });
  const auto page = [&](const std::string& path) {
    const auto answer = ask(get(files + "/" + path));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body).as_object();
  };
  auto first = page(id + "/chunks?limit=2");
  ASSERT_EQ(first.at("chunks").as_array().size(), 2u);
  EXPECT_EQ(first.at("chunks").at(1).at("text"), "two");
  EXPECT_TRUE(first.at("chunks").at(1).at("char_end").is_int64());
  const auto rest = page(id + "/chunks?cursor=" + first.at("next_cursor").as_string().c_str());
  EXPECT_EQ(rest.at("chunks").at(0).at("text"), "three");
  EXPECT_TRUE(rest.at("next_cursor").is_null());
  EXPECT_TRUE(page(bare + "/chunks").at("chunks").as_array().empty());
  // A document that is no file's is not to be had here.
  const auto other = crypto::random_uuid().to_string();
  on_loop([&] {
    world.remember("ada", ports::MemoryKind::document, other, {"one"});
    return 0;
  });
  for (const auto& path : {other + "/chunks", std::string("no-uuid/chunks")})
    EXPECT_EQ(ask(get(files + "/" + path)).status, 404) << path;
  EXPECT_EQ(ask(head("GET " + files + "/" + id + "/chunks", "bob") + "\r\n").status, 404);
  EXPECT_EQ(code_of(ask(get(files + "/" + id + "/chunks?limit=0"))), "bad_request");
}

TEST_F(KnowledgeIndex, AContentDigestIsCheckedAndKept) {
  start();
  const auto digest = crypto::sha256({reinterpret_cast<const std::uint8_t*>("tea"), 3});
  const auto field = [&](const std::string& text) {
    return "Content-Digest: " + text + codec::encode_base64(digest, codec::Base64::standard) +
           ":\r\n";
  };
  const auto answer = upload("a", "tea", "", field("md5=:AAAA:, SHA-256=:"));
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto file = json::parse(answer.body).at("file").as_object();
  EXPECT_EQ(file.at("sha256"), json::value(to_hex(digest.data(), digest.size())));
  EXPECT_EQ(json::parse(ask(get(files + "/" + id_of(file))).body).at("file"), json::value(file));
  EXPECT_TRUE(stored("b", "tea").at("sha256").is_null()) << "nobody said it";
  const auto refused = upload("c", "coffee", "", field("sha-256=:"));
  EXPECT_EQ(code_of(refused), "invalid_field");
  EXPECT_EQ(json::parse(refused.body).at("field"), "Content-Digest");
  EXPECT_EQ(code_of(upload("c", "tea", "", "Content-Digest: sha-256=:AAAA:\r\n")), "bad_request");
}

}  // namespace
}  // namespace memseal::test
