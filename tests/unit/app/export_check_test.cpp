// An export that was cut, or lost a line, is not taken for a whole one.
#include "app/cli/export_check.hpp"

#include <gtest/gtest.h>

#include <string>

namespace memseal::app {
namespace {

const std::string whole = R"({"type":"export","version":1}
{"type":"document","doc_id":"a"}
{"type":"chunk","text":"{\"type\":\"end\"}"}
{"type":"file","id":"x"}
{"type":"end","documents":1,"chunks":1,"conversations":0,"turns":0,"files":1,"unopened":0}
)";

bool is_whole(const std::string& text, std::size_t piece = 7) {
  ExportCheck check;
  for (std::size_t at = 0; at < text.size(); at += piece) check.add(text.substr(at, piece));
  return check.finish().has_value();
}

TEST(ExportCheck, KnowsAWholeOneHoweverItIsCut) {
  for (const std::size_t piece : {1u, 7u, 4'096u}) EXPECT_TRUE(is_whole(whole, piece)) << piece;
  EXPECT_TRUE(is_whole(
      std::string(whole).insert(whole.find(R"("doc_id")"), R"("name":")" + std::string(9'999, 'x') +
                                                               R"(",)")));
}

TEST(ExportCheck, KnowsOneThatWasCutAnywhere) {
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(is_whole(whole.substr(0, size))) << size;
}

TEST(ExportCheck, KnowsOneThatLostALine) {
  for (std::size_t from = whole.find('\n') + 1; from < whole.find(R"({"type":"end","doc)");) {
    const auto to = whole.find('\n', from) + 1;
    EXPECT_FALSE(is_whole(whole.substr(0, from) + whole.substr(to))) << from;
    from = to;
  }
}

}  // namespace
}  // namespace memseal::app
