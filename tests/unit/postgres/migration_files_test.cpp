#include "adapters/postgres/internal/migration_files.hpp"

#include "support/temp_directory.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace memseal::postgres {
namespace {

namespace fs = std::filesystem;

class MigrationFiles : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text = "SELECT 1") {
    std::ofstream(directory_ / name) << text;
  }
  std::string refusal() {
    const auto read = read_migrations(directory_);
    EXPECT_FALSE(read);
    if (read) return "";
    EXPECT_EQ(read.error().code, Errc::bad_config);
    return read.error().message;
  }

  const test::TempDirectory temporary_;
  fs::path directory_ = temporary_.path();
};

TEST_F(MigrationFiles, ReadsPairsInTheOrderOfTheirNumbers) {
  write("0002_more.down.sql");
  write("0001_init.up.sql", "abc");
  write("0001_init.down.sql", "down");
  write("0002_more.up.sql");
  write("README.md");
  const auto files = read_migrations(directory_);
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].name, "0001_init");
  EXPECT_EQ((*files)[0].down, "down");
  EXPECT_EQ((*files)[0].checksum,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ((*files)[1].version, 2);
}

TEST_F(MigrationFiles, RefusesADirectoryThatIsNotOne) {
  directory_ /= "absent";
  EXPECT_NE(refusal().find("cannot read"), std::string::npos);
}

TEST_F(MigrationFiles, RefusesAnEmptyDirectory) {
  EXPECT_NE(refusal().find("no SQL pairs"), std::string::npos);
}

TEST_F(MigrationFiles, RefusesHalfAPair) {
  write("0001_init.up.sql");
  EXPECT_NE(refusal().find("0001_init.down.sql is missing"), std::string::npos);
}

TEST_F(MigrationFiles, RefusesAGap) {
  write("0001_init.up.sql");
  write("0001_init.down.sql");
  write("0003_c.up.sql");
  write("0003_c.down.sql");
  EXPECT_NE(refusal().find("gap before 0003_c"), std::string::npos);
}

TEST_F(MigrationFiles, RefusesANumberUsedTwice) {
  write("0001_a.up.sql");
  write("0001_b.down.sql");
  EXPECT_NE(refusal().find("share a number"), std::string::npos);
}

TEST_F(MigrationFiles, RefusesStrayNames) {
  for (const char* name : {"init.up.sql", "001_a.up.sql", "0001-a.up.sql", "0001_a.sql",
                           "0001_.up.sql"}) {
    write(name);
    EXPECT_NE(refusal().find("is not named"), std::string::npos) << name;
    fs::remove(directory_ / name);
  }
}

}  // namespace
}  // namespace memseal::postgres
