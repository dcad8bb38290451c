// A process that writes files is killed at any moment. What it acknowledged is there as a whole,
// what it did not is not there in part, and the sweep removes the rest.
#include "support.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

namespace memseal::files {
namespace {

using namespace testing;

constexpr int kills = 25;

std::string hex(ByteView bytes) { return to_hex(bytes.data(), bytes.size()); }

// Writes one file after the other and acknowledges each by a line, until it is killed.
[[noreturn]] void write_for_ever(const std::filesystem::path& directory, int acknowledged) {
  Rig rig(directory);
  rig.run([](LocalFiles& files, int pipe) -> asio::awaitable<void> {
    for (std::size_t round = 0;; ++round) {
      Bytes content(1 + (round * 7'919) % 90'000, static_cast<std::uint8_t>(round));
      const auto name =
          co_await put(files, tenant("alice"), std::move(content), crypto::random_uuid());
      const auto line = hex(name.content) + " " + hex(name.file.bytes) + "\n";
      if (::write(pipe, line.data(), line.size()) < 0) ::_exit(1);
    }
  }(*rig.store, acknowledged));
  ::_exit(1);
}

ports::FileKey parse(const std::string& content, const std::string& file) {
  ports::FileKey name;
  const auto fill = [](const std::string& text, auto& bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  };
  fill(content, name.content);
  fill(file, name.file.bytes);
  return name;
}

/// The names that a writer acknowledged before it was killed after `acks` lines and `more_ms`.
std::vector<ports::FileKey> run_and_kill(const std::filesystem::path& directory, int acks,
                                         int more_ms) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const auto child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    write_for_ever(directory, ends[1]);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4'096];
  bool killed = false;
  for (;;) {
    const auto lines = std::count(text.begin(), text.end(), '\n');
    if (!killed && lines >= acks) {
      ::poll(nullptr, 0, more_ms);
      ::kill(child, SIGKILL);
      killed = true;
    }
    const auto got = ::read(ends[0], buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  std::vector<ports::FileKey> names;
  std::istringstream lines(text);
  for (std::string content, file; lines >> content >> file;) names.push_back(parse(content, file));
  return names;
}

TEST(LocalFilesKill, LosesNothingAcknowledgedAndShowsNothingHalf) {
  const test::TempDirectory folder;
  std::size_t acknowledged = 0, whole = 0;
  for (int round = 0; round < kills; ++round) {
    // Chosen by the round, so that a failure repeats; from the first write on to some files later.
    const auto names = run_and_kill(folder.path(), round % 4, (round * 13) % 29);
    acknowledged += names.size();
    Rig rig(folder.path());
    rig.run([](LocalFiles& files, auto& known, std::size_t& seen) -> asio::awaitable<void> {
      for (const auto& name : known) {
        const auto opened = co_await get(files, tenant("alice"), name);
        EXPECT_TRUE(opened) << "an acknowledged file is lost";
      }
      const auto all = co_await all_of(files);
      seen = 0;
      for (const auto& of_tenant : all)
        for (const auto& object : of_tenant.files) {
          const auto opened = co_await get(files, tenant("alice"), object.key);
          EXPECT_TRUE(opened) << "a half-written file is seen";
          ++seen;
        }
      const runtime::RequestContext context{"sweep"};
      co_await files.sweep_unfinished(context);
    }(*rig.store, names, whole));
    EXPECT_TRUE(files_below(folder / "uploads").empty()) << "an orphan is left";
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  EXPECT_GT(acknowledged, 25u);
  EXPECT_GE(whole, acknowledged);
}

}  // namespace
}  // namespace memseal::files
