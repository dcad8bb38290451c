// seal_1k: 1 KiB sealed into SB1 (nonce, 84 bytes of AAD, tag and allocation included), against
// `openssl speed` with the same cipher in its AEAD mode (13 bytes of AAD, no tag read). Both count
// operations per second of their own user CPU time, as openssl does. They run in turn, pinned to
// the same core. seal_scaling: two threads against one, by wall-clock time.
#include "bench.hpp"
#include "pure/crypto/random.hpp"
#include "pure/crypto/sealer.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <thread>

namespace {

using namespace memseal;
using namespace memseal::crypto;

constexpr std::size_t plain_bytes = 1'024;
constexpr int runs = 9;
constexpr double half_run_s = 0.5;
constexpr const char* rival_command =
    "openssl speed -mr -evp aes-256-gcm -aead -bytes 1024 -seconds 1 2>/dev/null";

double user_s() {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  return double(used.ru_utime.tv_sec) + 1e-6 * double(used.ru_utime.tv_usec);
}

void pin_to(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

std::vector<int> usable_cores() {
  cpu_set_t cores;
  std::vector<int> usable;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return {0};
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &cores)) usable.push_back(core);
  return usable;
}

SecretBytes random_secret() {
  std::array<std::uint8_t, 32> bytes{};
  fill_random(bytes);
  return SecretBytes(ByteView(bytes));
}

struct Work {
  Tenant owner = TenantKeyer(random_secret()).tenant_of(UserId::parse("bench").value());
  TenantKey key{1, random_secret()};
  Bytes plain = Bytes(plain_bytes, 'x');
};

std::size_t seal_many(const Work& work, std::uint32_t count) {
  SealBinding place{Uuid{}, "notes/2024.md", 0};
  std::size_t bytes = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    place.chunk_index = i;
    place.object.bytes[0] = static_cast<std::uint8_t>(i);
    bytes += Sealer::seal(work.owner, work.key, Field::text, place, work.plain).value().size();
  }
  return bytes;
}

template <class Clock>
double seals_per_s(const Work& work, Clock clock) {
  constexpr std::uint32_t batch = 10'000;
  const double start_s = clock();
  std::size_t bytes = 0;
  double done = 0;
  while (clock() - start_s < half_run_s) {
    bytes += seal_many(work, batch);
    done += batch;
  }
  bench::keep(bytes);
  return done / (clock() - start_s);
}

// Zero if there is no openssl program.
double rival_per_s() {
  const std::unique_ptr<FILE, int (*)(FILE*)> output(popen(rival_command, "r"), pclose);
  if (!output) return 0;
  char line[256];
  double bytes_per_s = 0;
  while (std::fgets(line, sizeof line, output.get()) != nullptr) {
    const std::string_view text(line);
    if (!text.starts_with("+F:")) continue;
    bytes_per_s = std::strtod(line + text.rfind(':') + 1, nullptr);
  }
  return bytes_per_s / double(plain_bytes);
}

double wall_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double threads_per_s(const Work& work, const std::vector<int>& cores) {
  std::vector<double> rates(cores.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < cores.size(); ++i)
      threads.emplace_back([&work, &rates, &cores, i] {
        pin_to(cores[i]);
        seal_many(work, 1'000);
        rates[i] = seals_per_s(work, wall_s);
      });
  }
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

void measure_seal(const Work& work, int core) {
  pin_to(core);
  if (rival_per_s() <= 0)
    return bench::print_skipped("seal_1k", "no openssl speed on this machine");
  seal_many(work, 10'000);
  std::vector<double> ours, rival;
  for (int run = 0; run < runs; ++run) {
    // Ours runs before and after the rival, so that a machine that slows down slows both.
    const double before = seals_per_s(work, user_s);
    rival.push_back(rival_per_s());
    ours.push_back((before + seals_per_s(work, user_s)) / 2);
  }
  const double mine = bench::median(ours), theirs = bench::median(rival);
  bench::print({.id = "seal_1k",
                .ours = mine,
                .rival = theirs,
                .rival_name = "openssl speed -evp aes-256-gcm -aead -bytes 1024",
                .ratio = mine / theirs,
                .unit = "seals/s",
                .better = "higher",
                .runs = runs});
}

void measure_scaling(const Work& work, const std::vector<int>& cores) {
  if (cores.size() < 2) return bench::print_skipped("seal_scaling", "this machine has one core");
  std::vector<double> two, one;
  for (int run = 0; run < runs; ++run) {
    one.push_back(threads_per_s(work, {cores[0]}));
    two.push_back(threads_per_s(work, {cores[0], cores[1]}));
  }
  const double together = bench::median(two), alone = bench::median(one);
  bench::print({.id = "seal_scaling",
                .ours = together,
                .rival = alone,
                .rival_name = "one thread",
                .ratio = together / alone,
                .unit = "seals/s",
                .better = "higher",
                .runs = runs});
}

}  // namespace

int main() {
  const Work work;
  const auto cores = usable_cores();
  std::jthread([&] { measure_seal(work, cores.back()); }).join();
  measure_scaling(work, cores);
  return 0;
}
