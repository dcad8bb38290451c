#include "adapters/postgres/verify.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace memseal::postgres {
namespace {

TEST(PlansScript, IsTheFileThatIsShipped) {
  const std::string file = MEMSEAL_SOURCE_DIR "/config/verify/plans.sql";
  const auto script = plans_script("public");
  const char* redraw = std::getenv("MEMSEAL_REDRAW");
  if (redraw && *redraw) std::ofstream(file) << script;
  std::ifstream in(file);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), script)
      << "MEMSEAL_REDRAW=1 build/dev/tests/postgres_test writes the file again";
}

}  // namespace
}  // namespace memseal::postgres
