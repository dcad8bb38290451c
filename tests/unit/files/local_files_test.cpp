#include "adapters/files/local_files.hpp"

#include "adapters/files/internal/disk.hpp"
#include "adapters/files/internal/folder.hpp"
#include "support.hpp"
#include "support/code_of.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>

namespace memseal::files {
namespace {

using namespace testing;
namespace fs = std::filesystem;

const runtime::RequestContext context{"test"};
const Uuid zero_id;

TEST(LocalFiles, WhatWasCommittedIsReadAgainAlsoInParts) {
  const test::TempDirectory folder;
  Rig rig(folder.path());
  rig.run([](LocalFiles& files) -> asio::awaitable<void> {
    Bytes content(100'000);
    crypto::fill_random(content);
    const auto name = co_await put(files, tenant("alice"), content, crypto::random_uuid());
    const auto opened = co_await get(files, tenant("alice"), name);
    EXPECT_EQ(opened, content);
    const auto whole = co_await files.read(context, tenant("alice"), name, 0, 1u << 20);
    const auto part = co_await files.read(context, tenant("alice"), name, 5'000, 10);
    EXPECT_EQ(whole->total, whole->bytes.size());
    EXPECT_EQ(part->bytes, Bytes(whole->bytes.begin() + 5'000, whole->bytes.begin() + 5'010));
    const auto behind = co_await files.read(context, tenant("alice"), name, whole->total, 10);
    EXPECT_TRUE(behind && behind->bytes.empty());
  }(*rig.store));
}

TEST(LocalFiles, AnUploadIsSeenOnlyOnceItIsCommitted) {
  const test::TempDirectory folder;
  Rig rig(folder.path());
  rig.run([](LocalFiles& files, const fs::path& root) -> asio::awaitable<void> {
    {
      auto upload = co_await files.begin(context, tenant("alice"));
      auto sealer = crypto::StreamSealer::start(tenant("alice"), key(), zero_id).value();
      crypto::SealedPart part;
      sealer.finish(part).value();
      co_await upload->append(context, std::move(part));
      const auto seen = co_await all_of(files);
      EXPECT_TRUE(seen.empty());
      EXPECT_EQ(files_below(root).size(), 1u);
      // A living upload is not what another one left behind.
      const auto swept = co_await files.sweep_unfinished(context);
      EXPECT_EQ(swept, 0u);
    }
    // The disk thread removes the file after the upload has gone; the next call runs behind it
    // only if it is on the same thread, so look more than once.
    for (int looks = 0; looks < 500 && !files_below(root).empty(); ++looks)
      co_await files.sweep_unfinished(context);
    EXPECT_TRUE(files_below(root).empty());
  }(*rig.store, folder.path()));
}

TEST(LocalFiles, OfAnotherTenantIsNoObject) {
  const test::TempDirectory folder;
  Rig rig(folder.path());
  rig.run([](LocalFiles& files) -> asio::awaitable<void> {
    const auto name = co_await put(files, tenant("alice"), Bytes(10, 1), zero_id);
    const auto foreign = co_await files.read(context, tenant("bob"), name, 0, 10);
    EXPECT_FALSE(foreign);
    const auto removed_by_bob = co_await files.remove(context, tenant("bob"), name);
    EXPECT_FALSE(removed_by_bob);
    const auto opened = co_await get(files, tenant("alice"), name);
    EXPECT_TRUE(opened);
    const auto removed = co_await files.remove(context, tenant("alice"), name);
    const auto again = co_await files.remove(context, tenant("alice"), name);
    EXPECT_TRUE(removed);
    EXPECT_FALSE(again);
    const auto gone = co_await files.read(context, tenant("alice"), name, 0, 10);
    EXPECT_FALSE(gone);
  }(*rig.store));
}

TEST(LocalFiles, EqualContentsOfOneTenantHaveOneHashAndTwoObjects) {
  const test::TempDirectory folder;
  Rig rig(folder.path());
  rig.run([](LocalFiles& files) -> asio::awaitable<void> {
    const auto one = co_await put(files, tenant("alice"), Bytes(10, 1), crypto::random_uuid());
    const auto two = co_await put(files, tenant("alice"), Bytes(10, 1), crypto::random_uuid());
    const auto other = co_await put(files, tenant("alice"), Bytes(10, 2), crypto::random_uuid());
    EXPECT_EQ(one.content, two.content);
    EXPECT_NE(one.content, other.content);
    co_await files.remove(context, tenant("alice"), one);
    const auto kept = co_await get(files, tenant("alice"), two);
    EXPECT_TRUE(kept);
  }(*rig.store));
}

TEST(LocalFiles, ADamagedObjectIsFoundOut) {
  const test::TempDirectory folder;
  Rig rig(folder.path());
  rig.run([](LocalFiles& files, const fs::path& root) -> asio::awaitable<void> {
    const auto name = co_await put(files, tenant("alice"), Bytes(20'000, 1), zero_id);
    const auto path = files_below(root).at(0);
    fs::resize_file(path, fs::file_size(path) - 4'096 - 16);
    const auto opened = co_await get(files, tenant("alice"), name);
    EXPECT_FALSE(opened);
  }(*rig.store, folder.path()));
}

// Reads every byte and every name of the store.
TEST(LocalFiles, NothingStandsInTheClear) {
  const test::TempDirectory folder;
  Rig rig(folder.path());
  static constexpr std::string_view canary = "CANARY-7f3a-the-cat-sat-on-the-mat";
  rig.run([](LocalFiles& files, const fs::path& root) -> asio::awaitable<void> {
    Bytes content;
    for (int i = 0; i < 5'000; ++i) content.insert(content.end(), canary.begin(), canary.end());
    co_await put(files, tenant("user-canary"), content, crypto::random_uuid());
    auto upload = co_await files.begin(context, tenant("user-canary"));
    auto sealer = crypto::StreamSealer::start(tenant("user-canary"), key(), zero_id).value();
    crypto::SealedPart part;
    sealer.write(content, part).value();
    co_await upload->append(context, std::move(part));  // stays unfinished
    crypto::SealedPart nothing;
    co_await upload->append(context, std::move(nothing));  // returns once the one before is written
    std::size_t read = 0;
    for (const auto& path : files_below(root)) {
      std::ifstream stream(path, std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
      read += bytes.size();
      EXPECT_EQ(bytes.find("CANARY"), bytes.npos);
      EXPECT_EQ(bytes.find("the-cat"), bytes.npos);
      EXPECT_EQ(path.string().find("canary"), std::string::npos);
    }
    EXPECT_GT(read, content.size() + content.size() / 2);
  }(*rig.store, folder.path()));
}

TEST(LocalFiles, OnlyItsOwnerMayEnterAndRead) {
  const test::TempDirectory folder;
  Rig rig(folder.path() / "store");
  rig.run([](LocalFiles& files) -> asio::awaitable<void> {
    co_await put(files, tenant("alice"), Bytes(10, 1), zero_id);
  }(*rig.store));
  std::vector<fs::directory_entry> entries{fs::directory_entry(folder.path() / "store")};
  for (const auto& entry : fs::recursive_directory_iterator(folder.path() / "store"))
    entries.push_back(entry);
  for (const auto& entry : entries)
    EXPECT_EQ(entry.status().permissions() & (fs::perms::group_all | fs::perms::others_all),
              fs::perms::none)
        << entry.path();
}

TEST(LocalFiles, ADirectoryThatOthersMayChangeIsRefused) {
  const test::TempDirectory folder;
  Rig(folder / "store").store.reset();
  const auto message = [&folder] {
    const auto opened = LocalFiles::open({folder / "store", 1, 0});
    return opened ? std::string() : opened.error().message;
  };
  EXPECT_EQ(message(), "");
  fs::permissions(folder / "store", fs::perms::others_read | fs::perms::others_exec,
                  fs::perm_options::add);
  EXPECT_EQ(message(), "") << "the root holds no secret name";
  fs::permissions(folder / "store", fs::perms::group_write, fs::perm_options::add);
  EXPECT_NE(message().find("chmod go-rwx"), std::string::npos);
  fs::permissions(folder / "store", fs::perms::owner_all);
  fs::permissions(folder / "store" / "objects", fs::perms::group_read, fs::perm_options::add);
  EXPECT_NE(message().find("chmod go-rwx"), std::string::npos);
  fs::permissions(folder / "store" / "objects", fs::perms::owner_all);
  fs::rename(folder / "store" / "uploads", folder / "elsewhere");
  fs::create_directory_symlink(folder / "elsewhere", folder / "store" / "uploads");
  EXPECT_NE(message().find("symbolic link"), std::string::npos);
}

TEST(LocalFiles, AMarkStaysAndIsNotMadeAmongFiles) {
  const test::TempDirectory folder;
  const auto one = crypto::random_uuid(), other = crypto::random_uuid();
  Rig rig(folder / "store");
  rig.run([](LocalFiles& files, Uuid first, Uuid second) -> asio::awaitable<void> {
    const auto none = co_await files.mark(context);
    EXPECT_FALSE(none);
    const auto made = co_await files.ensure_mark(context, first);
    const auto kept = co_await files.ensure_mark(context, second);
    const auto read = co_await files.mark(context);
    EXPECT_EQ(made, first);
    EXPECT_EQ(kept, first);
    EXPECT_EQ(read, first);
    co_await put(files, tenant("alice"), Bytes(10, 1), zero_id);
  }(*rig.store, one, other));
  EXPECT_TRUE(files_below(folder / "store" / "uploads").empty());
  fs::remove(folder / "store" / "store");
  const auto marking = [&rig, one] {
    rig.run([](LocalFiles& files, Uuid id) -> asio::awaitable<void> {
      co_await files.ensure_mark(context, id);
    }(*rig.store, one));
  };
  EXPECT_THROW(marking(), Refused) << "the files are of a store that is not known";
}

// The lock of an upload stays on its file until the upload is destroyed, also under its last name.
TEST(LocalFiles, AnObjectIsHeldOnlyOnceItsUploadHasGone) {
  const test::TempDirectory folder;
  Rig rig(folder.path());
  rig.run([](LocalFiles& files) -> asio::awaitable<void> {
    const ports::FileKey name{{}, zero_id};
    auto upload = co_await files.begin(context, tenant("alice"));
    co_await upload->commit(context, name);
    const auto early = co_await files.hold(context, tenant("alice"), name);
    EXPECT_FALSE(early);
    upload.reset();
    std::unique_ptr<ports::HeldFile> held;
    // A disk thread closes the file.
    for (int looks = 0; looks < 500 && !held; ++looks)
      held = co_await files.hold(context, tenant("alice"), name);
    EXPECT_TRUE(held);
    const auto twice = co_await files.hold(context, tenant("alice"), name);
    EXPECT_FALSE(twice) << "two sweeps at one time";
    co_await held->remove(context);
    const auto gone = co_await files.hold(context, tenant("alice"), name);
    EXPECT_FALSE(gone);
    const auto all = co_await all_of(files);
    EXPECT_TRUE(all.empty()) << "the folder of a tenant without files goes too";
    const auto again = co_await put(files, tenant("alice"), Bytes(10, 1), zero_id);
    const auto opened = co_await get(files, tenant("alice"), again);
    EXPECT_TRUE(opened);
  }(*rig.store));
}

TEST(LocalFiles, UploadsLeaveTheDiskItsFreeSpace) {
  const test::TempDirectory folder;
  asio::io_context loop{1};
  const auto store = LocalFiles::open({folder.path(), 1, std::uint64_t{1} << 60}).value();
  const auto uploading = [&] {
    test::run_to_end(loop, [](LocalFiles& files) -> asio::awaitable<void> {
      co_await files.begin(context, tenant("alice"));
    }(*store));
  };
  EXPECT_THROW(uploading(), Outage);
  EXPECT_TRUE(files_below(folder.path()).empty());
}

TEST(LocalFiles, ForeignNamesAreNoObjects) {
  const test::TempDirectory folder;
  Rig rig(folder.path());
  fs::create_directories(folder / "objects" / "ab" / "notes");
  fs::create_directories(folder / "objects" / "ab" / std::string(64, 'a'));
  std::ofstream(folder / "objects" / "README") << "hello";
  std::ofstream(folder / "objects" / "ab" / std::string(64, 'a') / "file.txt") << "hello";
  rig.run([](LocalFiles& files) -> asio::awaitable<void> {
    const auto all = co_await all_of(files);
    EXPECT_EQ(all.size(), 0u) << "a name of another prefix is no tenant";
  }(*rig.store));
}

TEST(LocalFiles, ListsEveryTenantOnce) {
  const test::TempDirectory folder;
  Rig rig(folder.path());
  rig.run([](LocalFiles& files) -> asio::awaitable<void> {
    for (int user = 0; user < 20; ++user)
      for (int file = 0; file <= user % 3; ++file)
        co_await put(files, tenant("user" + std::to_string(user)), Bytes(10, 1),
                     crypto::random_uuid());
    const auto all = co_await all_of(files);
    EXPECT_EQ(all.size(), 20u);
    std::size_t count = 0;
    for (const auto& of_tenant : all) count += of_tenant.files.size();
    EXPECT_EQ(count, 39u);
  }(*rig.store));
}

// Runs `work` in a child process, so that its limits and its user are its own. Returns what `work`
// returned.
int in_child(const std::function<int()>& work) {
  const auto child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Nobody, because root reads every folder.
int tenants_seen_beside_a_closed_one(const fs::path& directory) {
  if (::geteuid() == 0 && ::seteuid(65'534) != 0) return 101;
  int seen = 0;
  Rig rig(directory);
  rig.run([](LocalFiles& files, const fs::path& root, int& count) -> asio::awaitable<void> {
    for (int user = 0; user < 3; ++user)
      co_await put(files, tenant("user" + std::to_string(user)), Bytes(10, 1), zero_id);
    const auto before = co_await all_of(files);
    const auto hash = before.at(0).owner.to_hex();
    fs::permissions(root / "objects" / hash.substr(0, 2) / hash, fs::perms::none);
    const auto after = co_await all_of(files);
    for (std::size_t at = 0; at < after.size(); ++at)
      count += after[at].readable == (at > 0) ? 1 : 10;
  }(*rig.store, directory, seen));
  return seen;
}

TEST(LocalFiles, AFolderThatCannotBeReadHidesNoOtherTenant) {
  const test::TempDirectory folder;
  fs::permissions(folder.path(), fs::perms::all);
  EXPECT_EQ(in_child([&] { return tenants_seen_beside_a_closed_one(folder / "store"); }), 3);
}

int code_of_put(const fs::path& directory) {
  Errc code{};
  try {
    Rig rig(directory);
    rig.run([](LocalFiles& files) -> asio::awaitable<void> {
      co_await put(files, tenant("alice"), Bytes(200'000, 1), zero_id);
    }(*rig.store));
    return 100;
  } catch (const Failure& failed) {
    code = failed.error().code;
  }
  return static_cast<int>(code);
}

TEST(LocalFiles, AFullDiskIsAnOutageAndLeavesNothing) {
  const test::TempDirectory folder;
  EXPECT_EQ(in_child([&] { return code_of_put(folder.path()); }), 100);
  const auto before = files_below(folder.path()).size();
  // A part in the middle, and the last one, of which only commit() can tell.
  for (const rlim_t full_at : {100'000u, 199'000u}) {
    EXPECT_EQ(in_child([&] {
                ::signal(SIGXFSZ, SIG_IGN);
                const rlimit limit{full_at, full_at};
                ::setrlimit(RLIMIT_FSIZE, &limit);
                return code_of_put(folder.path());
              }),
              static_cast<int>(Errc::unavailable));
    EXPECT_EQ(files_below(folder.path()).size(), before);
  }
  const auto error = disk_error("write a file", ENOSPC);
  EXPECT_EQ(error.code, Errc::unavailable);
  EXPECT_EQ(error.message,
            "the file store cannot write a file: No space left on device; free or add space");
}

TEST(LocalFiles, ADirectoryThatIsClosedIsAFaultOfTheSetup) {
  const test::TempDirectory folder;
  fs::create_directory(folder / "closed");
  fs::permissions(folder / "closed", fs::perms::owner_read);
  fs::permissions(folder.path(), fs::perms::all);
  EXPECT_EQ(in_child([&] {
              if (::geteuid() == 0 && ::seteuid(65'534) != 0) return 101;
              return code_of_put(folder / "closed");
            }),
            static_cast<int>(Errc::bad_config));
  std::ofstream(folder / "plain") << "no directory";
  const auto opened = LocalFiles::open({folder / "plain", 1, 0});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::bad_config);
  EXPECT_NE(opened.error().message.find("plain"), std::string::npos);
  EXPECT_EQ(opened.error().field, "files.directory");
  EXPECT_EQ(disk_error("make a file", EACCES).message,
            "the file store cannot make a file: Permission denied; check files.directory and its "
            "owner");
}

}  // namespace
}  // namespace memseal::files
