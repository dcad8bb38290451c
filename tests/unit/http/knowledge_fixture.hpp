#pragma once
// A server that keeps files, in memory.
#include "unit/http/fixture.hpp"

#include "cases/knowledge/files.hpp"
#include "fakes/file_catalog.hpp"
#include "fakes/file_store.hpp"

#include <boost/json/parse.hpp>

namespace memseal::test {

namespace json = boost::json;

inline const std::string files = "/api/v1/knowledge/files";

class KnowledgeDoors : public ServerTest {
 protected:
  KnowledgeDoors() { api.knowledge = &knowledge; }
  // Here, because the server uses what is declared below until it has ended.
  ~KnowledgeDoors() override { stop(); }

  std::string raw(const std::string& body, const std::string& fields,
                  const std::string& user = "ada") {
    return head("POST " + files, user, fields) + "Content-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  json::object stored(const std::string& name, const std::string& body,
                      const std::string& more = {}) {
    const auto answer = ask(raw(body, "X-Memseal-Name: " + name + "\r\n" + more));
    EXPECT_TRUE(answer.status == 201 || answer.status == 200) << answer.body;
    return json::parse(answer.body).at("file").as_object();
  }
  static std::string id_of(const json::object& file) { return file.at("id").as_string().c_str(); }
  static std::string part(const std::string& name, const std::string& content,
                          const std::string& more = {}) {
    return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"" + more + "\r\n\r\n" +
           content + "\r\n";
  }
  Answer form(const std::string& body, const std::string& fields = {}) {
    return ask(raw(body, "Content-Type: multipart/form-data; boundary=b\r\n" + fields));
  }
  Answer content(const std::string& id, const std::string& fields = {},
                 const std::string& method = "GET", const std::string& user = "ada") {
    auto client = connect();
    client.say(head(method + " " + files + "/" + id + "/content", user, fields) + "\r\n");
    return client.answer(method == "HEAD");
  }
  static std::string code_of(const Answer& answer) {
    return json::parse(answer.body).at("code").as_string().c_str();
  }

  crypto::FileHasher hasher = world.keyring.file_hasher();
  fakes::FileStore store;
  fakes::FileCatalog catalog;
  knowledge::Transfers uploads, downloads;
  knowledge::KnowledgeMetrics counted{world.metrics};
  knowledge::KnowledgeDeps knowledge{store,   catalog,   world.keys, hasher,
                                     uploads, downloads, counted,    {}};
};

}  // namespace memseal::test
