#include "simt.hpp"

#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define MEMSEAL_SANITIZE_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMSEAL_SANITIZE_FIBERS 1
#endif
#endif
#ifdef MEMSEAL_SANITIZE_FIBERS
#include <sanitizer/common_interface_defs.h>
#endif

namespace memseal::kernels::simt {

namespace {

constexpr std::size_t stack_bytes = 128 << 10;

struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
  bool valid;
};

void perform(const Copy& copy) {
  if (copy.valid)
    std::memcpy(copy.to, copy.from, copy.bytes);
  else
    std::memset(copy.to, 0, copy.bytes);
}

struct Fiber {
  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack = std::make_unique<std::byte[]>(stack_bytes);
  void* sanitizer_state = nullptr;  // saved by the sanitizer's fiber API
  ThreadPosition position;
  bool ended = false;
  const std::size_t* waits_for = nullptr;  // number of a rendezvous; null: can run
  std::size_t waits_until = 0;
  std::deque<std::vector<Copy>> groups;
  std::vector<Copy> open;
};

/// A barrier: all threads of a group arrive before any continues.
struct Rendezvous {
  std::size_t number = 0;
  unsigned there = 0;
  void* arguments[warp_lanes] = {};
};

struct Block {
  std::vector<Fiber> fibers;
  Rendezvous barrier;
  std::vector<Rendezvous> warps;
  const std::function<void()>* body = nullptr;
  ucontext_t scheduler{};
  void* sanitizer_state = nullptr;
  const void* scheduler_stack = nullptr;
  std::size_t scheduler_bytes = 0;
  Fiber* now = nullptr;
};

thread_local Block block;
thread_local Order order = Order::ascending;
thread_local Copies copies = Copies::late;

void entered([[maybe_unused]] void* sanitizer_state, [[maybe_unused]] const void** stack,
             [[maybe_unused]] std::size_t* bytes) {
#ifdef MEMSEAL_SANITIZE_FIBERS
  __sanitizer_finish_switch_fiber(sanitizer_state, stack, bytes);
#endif
}

void leaving([[maybe_unused]] void** sanitizer_state, [[maybe_unused]] const void* stack,
             [[maybe_unused]] std::size_t bytes) {
#ifdef MEMSEAL_SANITIZE_FIBERS
  __sanitizer_start_switch_fiber(sanitizer_state, stack, bytes);
#endif
}

void pause(Fiber& fiber, bool last) {
  // AddressSanitizer follows stacks, so each switch is announced to it. null: this stack is never
  // entered again.
  leaving(last ? nullptr : &fiber.sanitizer_state, block.scheduler_stack, block.scheduler_bytes);
  swapcontext(&fiber.context, &block.scheduler);
  entered(fiber.sanitizer_state, &block.scheduler_stack, &block.scheduler_bytes);
}

void fiber_main() {
  entered(nullptr, &block.scheduler_stack, &block.scheduler_bytes);
  (*block.body)();
  block.now->ended = true;
  pause(*block.now, true);
}

void resume(Fiber& fiber) {
  block.now = &fiber;
  leaving(&block.sanitizer_state, fiber.stack.get(), stack_bytes);
  swapcontext(&block.scheduler, &fiber.context);
  entered(block.sanitizer_state, nullptr, nullptr);
}

/// Blocks until `expected` threads have arrived. The last one calls `all_there` first.
template <class AllThere>
void arrive(Rendezvous& rendezvous, unsigned expected, AllThere all_there) {
  // The last thread does the work of all, because only now every argument is there.
  if (++rendezvous.there == expected) {
    all_there();
    rendezvous.there = 0;
    ++rendezvous.number;
    return;
  }
  auto& fiber = *block.now;
  fiber.waits_for = &rendezvous.number;
  fiber.waits_until = rendezvous.number + 1;
  pause(fiber, false);
}

bool can_run(Fiber& fiber) {
  if (fiber.ended) return false;
  if (fiber.waits_for == nullptr) return true;
  if (*fiber.waits_for < fiber.waits_until) return false;
  fiber.waits_for = nullptr;
  return true;
}

void run_block(const std::vector<std::size_t>& turns) {
  bool any = true;
  while (any) {
    any = false;
    for (const auto turn : turns) {
      auto& fiber = block.fibers[turn];
      if (!can_run(fiber)) continue;
      any = true;
      resume(fiber);
      // From the beginning again after each step, so the first threads run as far ahead as barriers
      // let them. On a GPU a warp may do that, and code that lacks a barrier then reads what is not
      // written yet.
      if (order == Order::one_warp_ahead) break;
    }
  }
  const bool all = std::all_of(block.fibers.begin(), block.fibers.end(),
                               [](const Fiber& fiber) { return fiber.ended; });
  if (all) return;
  std::fprintf(stderr, "deadlock: the threads of a block wait for each other\n");
  std::abort();
}

void make_fibers(unsigned threads, Index at, Index grid) {
  block.fibers.resize(threads);
  block.warps.assign((threads + warp_lanes - 1) / warp_lanes, {});
  block.barrier = {};
  for (unsigned i = 0; i < threads; ++i) {
    auto& fiber = block.fibers[i];
    fiber.position = {{i, 0, 0}, at, grid, threads};
    fiber.ended = false;
    fiber.waits_for = nullptr;
    fiber.groups.clear();
    fiber.open.clear();
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = stack_bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, fiber_main, 0);
  }
}

}  // namespace

void set_schedule(Order wanted_order, Copies wanted_copies) {
  order = wanted_order;
  copies = wanted_copies;
}

const ThreadPosition& position() { return block.now->position; }

void run(Index grid, unsigned threads, const std::function<void()>& body) {
  if (threads == 0 || threads % warp_lanes != 0 || threads > 1'024) std::abort();
  block.body = &body;
  std::vector<std::size_t> turns(threads);
  std::iota(turns.begin(), turns.end(), std::size_t(0));
  if (order == Order::descending) std::reverse(turns.begin(), turns.end());
  if (order == Order::shuffled) std::shuffle(turns.begin(), turns.end(), std::mt19937(threads));
  grid.y = std::max(grid.y, 1u);
  grid.z = std::max(grid.z, 1u);
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        make_fibers(threads, {x, y, z}, grid);
        run_block(turns);
      }
}

void barrier() {
  arrive(block.barrier, block.now->position.threads, [] {});
}

void warp_step(void* mine, void (*work)(void* const* lanes)) {
  const auto thread = block.now->position.thread.x;
  auto& warp = block.warps[thread / warp_lanes];
  warp.arguments[thread % warp_lanes] = mine;
  arrive(warp, warp_lanes, [&] { work(warp.arguments); });
}

void copy_async(void* to, const void* from, std::size_t bytes, bool valid) {
  const Copy copy{to, from, bytes, valid};
  // cp.async may write at any time between the copy and the wait for it. Both extremes are tried: a
  // kernel that is right has the same result.
  if (copies == Copies::early)
    perform(copy);
  else
    block.now->open.push_back(copy);
}

void commit_copies() { block.now->groups.push_back(std::exchange(block.now->open, {})); }

void wait_for_copies(unsigned groups_left) {
  auto& groups = block.now->groups;
  while (groups.size() > groups_left) {
    for (const auto& copy : groups.front()) perform(copy);
    groups.pop_front();
  }
}

}  // namespace memseal::kernels::simt

namespace memseal::kernels::gpu {

namespace {

struct Load {
  const Half* row;
  unsigned* to;
};

unsigned pair(Half low, Half high) { return low.bits | static_cast<unsigned>(high.bits) << 16; }

struct Product {
  float* sum;
  const unsigned* a;
  unsigned b[2];
};

/// Element (row, column) of the 16 x 16 left factor, as the lanes of mma.m16n8k16 hold it.
float left(void* const* lanes, unsigned row, unsigned column) {
  const auto lane = row % 8 * 4 + column % 8 / 2;
  const auto word = (row / 8) + (column / 8) * 2;
  const auto both = widen(static_cast<const Product*>(lanes[lane])->a[word]);
  return column % 2 == 0 ? both.x : both.y;
}

/// Element (row, column) of the 16 x 8 right factor.
float right(void* const* lanes, unsigned row, unsigned column) {
  const auto lane = column * 4 + row % 8 / 2;
  const auto both = widen(static_cast<const Product*>(lanes[lane])->b[row / 8]);
  return row % 2 == 0 ? both.x : both.y;
}

}  // namespace

// ldmatrix: lane 8m + r gives row r of matrix m. Lane l gets, of each matrix, the pair 2(l % 4) of
// row l / 4.
void load_matrices(unsigned (&to)[4], const Half* row) {
  Load load{row, to};
  simt::warp_step(&load, [](void* const* lanes) {
    for (unsigned lane = 0; lane < simt::warp_lanes; ++lane)
      for (unsigned m = 0; m < 4; ++m) {
        const auto* const from = static_cast<const Load*>(lanes[8 * m + lane / 4])->row;
        static_cast<const Load*>(lanes[lane])->to[m] =
            pair(from[lane % 4 * 2], from[lane % 4 * 2 + 1]);
      }
  });
}

// With .trans the lanes get the transposed matrices: lane l gets rows 2(l % 4) and 2(l % 4) + 1 of
// column l / 4.
void load_matrices_transposed(unsigned (&to)[4], const Half* row) {
  Load load{row, to};
  simt::warp_step(&load, [](void* const* lanes) {
    for (unsigned lane = 0; lane < simt::warp_lanes; ++lane)
      for (unsigned m = 0; m < 4; ++m) {
        const auto first = 8 * m + lane % 4 * 2;
        static_cast<const Load*>(lanes[lane])->to[m] =
            pair(static_cast<const Load*>(lanes[first])->row[lane / 4],
                 static_cast<const Load*>(lanes[first + 1])->row[lane / 4]);
      }
  });
}

void multiply_add(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  Product product{sum, a, {b0, b1}};
  simt::warp_step(&product, [](void* const* lanes) {
    float rows[16][16], columns[16][8];
    for (unsigned row = 0; row < 16; ++row) {
      for (unsigned k = 0; k < 16; ++k) rows[row][k] = left(lanes, row, k);
      for (unsigned column = 0; column < 8; ++column)
        columns[row][column] = right(lanes, row, column);
    }
    for (unsigned lane = 0; lane < simt::warp_lanes; ++lane)
      for (unsigned i = 0; i < 4; ++i) {
        const auto row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        float dot = 0;
        for (unsigned k = 0; k < 16; ++k) dot += rows[row][k] * columns[k][column];
        static_cast<const Product*>(lanes[lane])->sum[i] += dot;
      }
  });
}

}  // namespace memseal::kernels::gpu
