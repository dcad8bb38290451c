// The order in which an upload reaches the disk. A killed process leaves the page cache to the
// system, so only the calls themselves show what a power failure would find.
#include "support.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>

namespace memseal::files {
namespace {

using namespace testing;
namespace fs = std::filesystem;

std::mutex calls_mutex;
std::vector<std::string> calls;

void note(std::string call) {
  const std::lock_guard lock(calls_mutex);
  calls.push_back(std::move(call));
}

std::vector<std::string> take_calls() {
  const std::lock_guard lock(calls_mutex);
  return std::exchange(calls, {});
}

}  // namespace
}  // namespace memseal::files

// These take the place of the C library's in this program.
extern "C" int fsync(int fd) {
  char path[512];
  const auto link = "/proc/self/fd/" + std::to_string(fd);
  const auto size = ::readlink(link.c_str(), path, sizeof path);
  memseal::files::note("fsync " + std::string(path, size > 0 ? static_cast<std::size_t>(size) : 0));
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

extern "C" int rename(const char* from, const char* to) noexcept {
  memseal::files::note("rename " + std::string(to));
  return static_cast<int>(::syscall(SYS_rename, from, to));
}

namespace memseal::files {
namespace {

/// One upload of `user`; its calls, with `root` cut off.
std::vector<std::string> calls_of_upload(const fs::path& root, Rig& rig, const std::string& user) {
  take_calls();
  rig.run([](LocalFiles& files, const std::string& name) -> asio::awaitable<void> {
    co_await put(files, tenant(name), Bytes(10, 1), crypto::random_uuid());
  }(*rig.store, user));
  auto made = take_calls();
  for (auto& call : made)
    if (const auto at = call.find(root.string()); at != call.npos)
      call.erase(at, root.string().size() + 1);
  return made;
}

TEST(SyncOrder, BytesThenNameThenEveryFolderOnTheWay) {
  const test::TempDirectory folder;
  Rig rig(folder.path()), other(folder.path());
  const auto hash = tenant("alice").hash().to_hex();
  const auto prefix = "objects/" + hash.substr(0, 2);
  const auto place = prefix + "/" + hash;
  // The second process finds the folders that the first one made, and cannot know whether that one
  // has synced them.
  for (auto* each : {&rig, &other}) {
    const auto made = calls_of_upload(folder.path(), *each, "alice");
    ASSERT_EQ(made.size(), 5u);
    EXPECT_TRUE(made[0].starts_with("fsync uploads/")) << made[0];
    EXPECT_EQ(made[1], "fsync objects");
    EXPECT_EQ(made[2], "fsync " + prefix);
    EXPECT_TRUE(made[3].starts_with("rename " + place + "/")) << made[3];
    EXPECT_EQ(made[4], "fsync " + place);
  }
}

}  // namespace
}  // namespace memseal::files
