#include "engine_state.hpp"

#include <algorithm>

namespace memseal::kernels {

namespace {

// The candidates of one reranking fit in one batch, even if all have the greatest length.
constexpr std::size_t candidates_together = 32;

std::size_t sequences_of(const EngineOptions& options) {
  return std::clamp<std::size_t>(options.sequences_max, 1, 1'024);
}

Bucket bucket_max_of(const Shape& shape, const EngineOptions& options) {
  return bucket_of(std::max(options.batch_tokens, candidates_together * shape.positions),
                   sequences_of(options));
}

}  // namespace

Engine::State::State(std::shared_ptr<Device> device, const Shape& shape, const ReadPart& read,
                     const EngineOptions& options)
    : device_(std::move(device)),
      shape_(shape),
      options_(options),
      weights_(*device_, shape, read),
      bucket_max_(bucket_max_of(shape, options)),
      sequences_max_(sequences_of(options)) {
  counters_.device_bytes = weights_.bytes();
  for (std::size_t i = 0; i < std::max<std::size_t>(options.lanes, 1); ++i) {
    auto lane = std::make_unique<Lane>(*device_, shape_, weights_, bucket_max_, options);
    counters_.device_bytes += lane->bytes();
    slots_.push_back(std::make_unique<Slot>(std::move(lane)));
  }
}

void Engine::State::start() {
  for (auto& slot : slots_) {
    // Now and not in the constructor: only from here on `this` may be called back.
    slot->target->state = this;
    slot->target->slot = slot.get();
  }
  try {
    for (auto& slot : slots_) {
      if (options_.warm) slot->lane->warm();
      counters_.captures += slot->lane->captures();
    }
  } catch (const Hung&) {
    // The device may still write to the lanes' memory, so it is not freed.
    leak();
    throw;
  }
  dispatcher_ = std::thread([this] { dispatch(); });
  watcher_ = std::thread([this] { watch(); });
}

void Engine::State::check(const Batch& batch) const {
  const auto refuse = [](const char* what) { throw std::invalid_argument(what); };
  if (batch.size() == 0 || batch.starts.size() != batch.size() + 1 || batch.starts.front() != 0 ||
      batch.starts.back() != batch.ids.size())
    refuse("a batch's starts do not fit its ids");
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (batch.starts[i + 1] <= batch.starts[i] || batch.length(i) > shape_.positions ||
        (batch.segment_b[i] < batch.length(i) && shape_.token_types < 2))
      refuse("a sequence is empty, too long, or of a type that the model does not have");
  // On the device an id out of range would read another request's memory, or fault the whole
  // context.
  for (const auto id : batch.ids)
    if (id < 0 || static_cast<std::size_t>(id) >= shape_.vocabulary)
      refuse("a token is not in the vocabulary");
}

void Engine::State::submit(Request request) {
  check(request.batch);
  // Shared by the queue and by each batch that has a part of it, because a large request runs in
  // several.
  auto pending = std::make_shared<Pending>();
  pending->request = std::move(request);
  pending->missing = pending->request.batch.size();
  pending->values.resize(pending->missing * result_width(shape_));
  Outcomes outcomes;
  {
    std::unique_lock lock(guard_);
    ++counters_.requests;
    if (failure_ || stopping_) {
      finish(pending, failure_ ? failure_ : make_error(Fault::internal, "the engine was shut down"),
             outcomes);
    } else {
      (pending->request.urgent ? urgent_ : plain_).push_back(pending);
      run_lanes(lock);
    }
  }
  deliver(outcomes);
}

Engine::State::Slot* Engine::State::idle_slot() {
  for (const auto& slot : slots_)
    if (slot->phase == Phase::idle) return slot.get();
  return nullptr;
}

bool Engine::State::in_flight() const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const auto& slot) { return slot->phase != Phase::idle; });
}

// The first request takes what it needs, up to the lane's size. Others join only whole, and only up
// to options_.batch_tokens, because a larger batch keeps the device no busier.
bool Engine::State::compose(Slot& slot, Outcomes& outcomes) {
  std::size_t tokens = 0, sequences = 0;
  slot.pieces.clear();
  for (auto* queue : {&urgent_, &plain_}) {
    while (!queue->empty()) {
      const auto pending = queue->front();
      const auto& batch = pending->request.batch;
      if (pending->request.wanted && !pending->request.wanted()) {
        queue->pop_front();  // Pieces that run already are discarded.
        ++counters_.dropped;
        finish(pending, make_error(Fault::internal, "the caller no longer waits"), outcomes);
        continue;
      }
      const bool alone = slot.pieces.empty();
      const auto tokens_max = alone ? bucket_max_.tokens : options_.batch_tokens;
      auto last = pending->taken;
      std::size_t more = 0;
      while (last < batch.size() && sequences + (last - pending->taken) < sequences_max_ &&
             tokens + more + batch.length(last) <= tokens_max)
        more += batch.length(last++);
      // Whole or not at all: half a request in a shared batch would wait for the next one anyway,
      // and delay those beside it.
      if (!alone && last < batch.size()) return true;
      slot.pieces.push_back({pending, pending->taken, last});
      tokens += more;
      sequences += last - pending->taken;
      pending->taken = last;
      if (last < batch.size()) return true;
      queue->pop_front();
    }
  }
  return !slot.pieces.empty();
}

void Engine::State::run_lanes(std::unique_lock<std::mutex>& lock) {
  while (waiting() && !failure_ && !stopping_) {
    auto* const slot = idle_slot();
    if (slot == nullptr) return;
    Outcomes outcomes;
    if (compose(*slot, outcomes)) {
      slot->phase = Phase::launching;
      slot->ended = false;
      slot->since = Clock::now();
      ++counters_.batches;
      if (slot->pieces.size() > 1) ++counters_.shared_batches;
      launch(*slot, lock);
    }
    if (outcomes.empty()) continue;
    lock.unlock();
    deliver(outcomes);
    lock.lock();
  }
}

void Engine::State::launch(Slot& slot, std::unique_lock<std::mutex>& lock) {
  const auto pieces = slot.pieces;  // A copy: fail_everything() may clear the slot's.
  Outcomes outcomes;
  std::exception_ptr failed;
  bool hung = false;
  // The first use of a size captures a graph, which is slow. The counter shows what warm() missed.
  const auto captures = slot.lane->captures();
  lock.unlock();
  try {
    std::vector<Slice> slices;
    for (const auto& piece : pieces)
      slices.push_back({&piece.pending->request.batch, piece.first, piece.last});
    slot.lane->launch(slices, &State::on_notified, slot.target.get());
  } catch (const Hung&) {
    failed = std::current_exception();
    hung = true;
  } catch (...) {
    failed = std::current_exception();
  }
  lock.lock();
  counters_.captures += slot.lane->captures() - captures;
  if (failed) {
    fail_everything(failed, outcomes);
    slot.phase = hung ? Phase::running : Phase::idle;  // stays busy: no callback will come
  // The batch ended while launch() was on its way out, before the phase said that it runs; the
  // dispatcher has left it to this thread.
  } else if (slot.ended || failure_) {
    if (!failure_) collect(slot, outcomes);
    slot.phase = slot.ended ? Phase::idle : Phase::running;
  } else {
    slot.phase = Phase::running;
    slot.since = Clock::now();
  }
  wake_.notify_all();
  if (outcomes.empty()) return;
  lock.unlock();
  deliver(outcomes);
  lock.lock();
}

/// Only takes a note, because this is a thread of the driver: the next batch of each lane waits
/// until it returns, and an exception would unwind through the driver. The dispatcher does the
/// rest.
void Engine::State::on_notified(void* argument) noexcept {
  auto& note = *static_cast<CallbackTarget*>(argument);
  const std::lock_guard lock(note.guard);  // until the end: stop() waits for it
  auto* const state = note.state;
  if (state == nullptr) return;
  const std::lock_guard entering(state->guard_);
  note.slot->ended = true;
  state->wake_.notify_all();
}

bool Engine::State::has_ended() const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const auto& slot) { return slot->ended && slot->phase == Phase::running; });
}

void Engine::State::collect_ended(Outcomes& outcomes) {
  for (const auto& slot : slots_) {
    if (!slot->ended || slot->phase != Phase::running) continue;
    if (!failure_) collect(*slot, outcomes);
    slot->phase = Phase::idle;
  }
}

void Engine::State::collect(Slot& slot, Outcomes& outcomes) {
  const auto width = result_width(shape_);
  const float* from = slot.lane->results();
  for (const auto& piece : slot.pieces) {
    const auto count = piece.last - piece.first;
    std::copy_n(from, count * width, piece.pending->values.data() + piece.first * width);
    from += count * width;
    piece.pending->missing -= count;
    if (piece.pending->missing == 0) finish(piece.pending, nullptr, outcomes);
  }
  slot.pieces.clear();
}

void Engine::State::finish(const PendingPtr& pending, std::exception_ptr failure,
                           Outcomes& outcomes) {
  // A request with parts in two lanes meets a failure twice, and its caller may be called once
  // only.
  if (pending->done) return;
  pending->done = true;
  outcomes.push_back({pending, std::move(failure)});
}

void Engine::State::deliver(const Outcomes& outcomes) {
  for (const auto& [pending, failure] : outcomes) {
    if (failure)
      pending->request.done({}, failure);
    else
      pending->request.done(std::move(pending->values), nullptr);
  }
}

void Engine::State::fail_everything(const std::exception_ptr& why, Outcomes& outcomes) {
  // The first failure is the cause. What follows is mostly the broken context speaking again.
  if (!failure_) failure_ = why;
  for (auto* queue : {&urgent_, &plain_}) {
    for (const auto& pending : *queue) finish(pending, failure_, outcomes);
    queue->clear();
  }
  for (const auto& slot : slots_) {
    for (const auto& piece : slot->pieces) finish(piece.pending, failure_, outcomes);
    slot->pieces.clear();
  }
}

void Engine::State::dispatch() {
  std::unique_lock lock(guard_);
  while (!stopping_) {
    wake_.wait(lock, [this] {
      return stopping_ || has_ended() || (waiting() && !failure_ && idle_slot() != nullptr);
    });
    Outcomes outcomes;
    collect_ended(outcomes);
    wake_.notify_all();
    if (!outcomes.empty()) {
      lock.unlock();
      deliver(outcomes);
      lock.lock();
    }
    run_lanes(lock);
  }
}

EngineCounters Engine::State::counters() const {
  const std::lock_guard lock(guard_);
  auto now = counters_;
  now.waiting = urgent_.size() + plain_.size();
  return now;
}

std::exception_ptr Engine::State::failure() const {
  const std::lock_guard lock(guard_);
  return failure_;
}

}  // namespace memseal::kernels
