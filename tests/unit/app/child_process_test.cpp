// What a program that memseal runs gets to know.
#include "app/cli/child_process.hpp"
#include "support/contains.hpp"
#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace memseal::app {
namespace {

TEST(ChildProcess, KnowsNoSecretOfMemseal) {
  constexpr const char* hidden[] = {"MEMSEAL__X", "MEMORY_X", "OTEL_EXPORTER_OTLP_HEADERS"};
  for (const auto* name : hidden) ::setenv(name, "marker", 1);
  ::setenv("CHILD_X", "seen", 1);
  const test::TempDirectory place;
  const auto output = place.path() / "output";
  const auto ran = run_child({.words = {"/usr/bin/env"},
                              .environment = {{"PGPASSWORD", "given"}},
                              .output = output,
                              .complaints = place.path() / "complaints"});
  for (const auto* name : hidden) ::unsetenv(name);
  ::unsetenv("CHILD_X");
  ASSERT_TRUE(ran);
  std::ifstream file(output);
  const std::string told{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(test::contains(told, "CHILD_X=seen\n"));
  EXPECT_TRUE(test::contains(told, "PGPASSWORD=given\n"));
  EXPECT_FALSE(test::contains(told, "marker")) << told;
}

}  // namespace
}  // namespace memseal::app
