// file_store: a file of 200 MB taken in by the path of an upload (sealed in frames, content hashed,
// written in parts, synced, named, synced again), against the same file through AES-256-GCM as one
// message of OpenSSL's EVP, written in the same pieces and synced to the same disk. Both read the
// same file, which is in memory by then.
#include "adapters/files/local_files.hpp"
#include "bench.hpp"
#include "cases/knowledge/intake.hpp"
#include "fakes/file_catalog.hpp"
#include "fakes/tenant_keys.hpp"
#include "pure/crypto/keyring.hpp"
#include "pure/crypto/random.hpp"
#include "run_loop.hpp"
#include "support/temp_directory.hpp"
#include "support/test_key.hpp"

#include <openssl/evp.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

namespace {

using namespace memseal;

constexpr int runs = 7;
constexpr std::size_t piece_bytes = 64u << 10, whole_bytes = std::size_t{200} << 20;

/// A file descriptor that is closed at its end.
struct Open {
  explicit Open(int number) : fd(number) {
    if (fd < 0) std::abort();
  }
  ~Open() { ::close(fd); }
  Open(const Open&) = delete;
  const int fd;
};

void write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) std::abort();
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

/// The pieces of a file, from front to back.
class Pieces {
 public:
  explicit Pieces(const std::filesystem::path& path)
      : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

  /// Empty at the end. The view ends with the next call.
  ByteView next() {
    const auto got = ::read(file_.fd, piece_.data(), piece_.size());
    if (got < 0) std::abort();
    return ByteView(piece_).first(static_cast<std::size_t>(got));
  }

 private:
  const Open file_;
  Bytes piece_ = Bytes(piece_bytes);
};

void make_file(const std::filesystem::path& path, std::size_t bytes) {
  const Open file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  Bytes piece(piece_bytes);
  crypto::fill_random(piece);
  for (std::size_t done = 0; done < bytes; done += piece.size()) write_all(file.fd, piece);
}

void rival(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  std::array<std::uint8_t, 32> key{};
  std::array<std::uint8_t, 12> nonce{};
  crypto::fill_random(key);
  crypto::fill_random(nonce);
  EVP_EncryptInit_ex2(context.get(), EVP_aes_256_gcm(), key.data(), nonce.data(), nullptr);
  const Open file(::open(to.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
  Bytes sealed(piece_bytes);
  Pieces pieces(from);
  for (auto piece = pieces.next(); !piece.empty(); piece = pieces.next()) {
    int size = 0;
    EVP_EncryptUpdate(context.get(), sealed.data(), &size, piece.data(),
                      static_cast<int>(piece.size()));
    write_all(file.fd, ByteView(sealed).first(static_cast<std::size_t>(size)));
  }
  int size = 0;
  std::array<std::uint8_t, 16> tag{};
  EVP_EncryptFinal_ex(context.get(), sealed.data(), &size);
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, tag.size(), tag.data());
  write_all(file.fd, tag);
  if (::fsync(file.fd) != 0) std::abort();
}

/// One user's store of files, without a database.
struct Store {
  explicit Store(const std::filesystem::path& directory)
      : files(files::LocalFiles::open({directory, 2, 0}).value()) {}

  crypto::Keyring keyring = crypto::Keyring::from_keys(test::test_key_hex(1), test::test_key_hex(2),
                                                       test::test_key_hex(3))
                                .value();
  crypto::FileHasher hasher = keyring.file_hasher();
  runtime::Metrics metrics;
  knowledge::KnowledgeMetrics counted{metrics};
  knowledge::Transfers uploads, downloads;
  crypto::Tenant owner = keyring.tenant_keyer().tenant_of(UserId::parse("bench").value());
  // Before the store, whose threads hold its executor until they have handed over a result.
  boost::asio::io_context loop{1};
  std::unique_ptr<files::LocalFiles> files;
  fakes::FileCatalog catalog;
  fakes::TenantKeys keys;
  knowledge::KnowledgeDeps deps{*files, catalog, keys, hasher, uploads, downloads, counted, {}};
};

boost::asio::awaitable<void> take_in(Store& store, const std::filesystem::path& from) {
  const runtime::RequestContext context{"bench"};
  knowledge::UploadRequest request{{"bench", "application/octet-stream", {}}};
  auto intake = co_await knowledge::Intake::begin(store.deps, context, store.owner,
                                                  std::move(request));
  Pieces pieces(from);
  for (auto part = pieces.next(); !part.empty(); part = pieces.next()) {
    const auto taken = co_await (*intake)->take(context, part);
    taken.value();
  }
  const auto taken = co_await (*intake)->finish(context);
  const auto id = taken.value().file.id;
  co_await knowledge::remove_file(store.deps, context, store.owner, id);
}

}  // namespace

/// `file_store_bench [BYTES]`: another size than 200 MB is for a try of the program.
int main(int argc, char** argv) {
  const std::size_t bytes =
      argc > 1 ? static_cast<std::size_t>(std::strtoull(argv[1], nullptr, 10)) : whole_bytes;
  const test::TempDirectory folder;
  make_file(folder / "plain", bytes);
  Store store(folder / "store");
  std::vector<double> ours_s, rival_s;
  for (int run = 0; run < runs; ++run) {
    ours_s.push_back(
        bench::seconds([&] { bench::run_to_end(store.loop, take_in(store, folder / "plain")); }));
    rival_s.push_back(bench::seconds([&] { rival(folder / "plain", folder / "sealed"); }));
    // Outside of the time: both leave an empty disk to the next run.
    std::filesystem::remove(folder / "sealed");
  }
  const double megabytes = double(bytes) / 1e6;
  const double ours = megabytes / bench::median(ours_s),
               theirs = megabytes / bench::median(rival_s);
  bench::print({.id = "file_store",
                .ours = ours,
                .rival = theirs,
                .rival_name = "one AES-256-GCM message of OpenSSL's EVP, same disk, synced",
                .ratio = ours / theirs,
                .unit = "MB/s",
                .better = "higher",
                .runs = runs});
  return 0;
}
