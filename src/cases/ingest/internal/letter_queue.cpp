#include "cases/ingest/internal/letter_queue.hpp"

#include <algorithm>

namespace memseal::ingest {

LetterQueue::Owner LetterQueue::owner_of(const Job& job) {
  return job.prepared ? job.prepared->tenant : std::nullopt;
}

void LetterQueue::push(Job& job) {
  const auto line = lines_.try_emplace(owner_of(job)).first;
  line->second.waiting.push_back(&job);
  ++size_;
  settle(line);
}

Job* LetterQueue::take() {
  if (turns_.empty()) return nullptr;
  const auto line = lines_.find(turns_.front());
  auto* job = line->second.waiting.front();
  line->second.waiting.pop_front();
  --size_;
  ++line->second.in_work;
  turns_.pop_front();
  line->second.in_turns = false;
  settle(line);
  return job;
}

void LetterQueue::done(const Owner& owner) {
  const auto line = lines_.find(owner);
  --line->second.in_work;
  settle(line);
}

Jobs LetterQueue::take_all() {
  Jobs all;
  for (auto line = lines_.begin(); line != lines_.end();) {
    const auto at = line++;
    auto& waiting = at->second.waiting;
    all.insert(all.end(), waiting.begin(), waiting.end());
    waiting.clear();
    settle(at);
  }
  size_ = 0;
  std::sort(all.begin(), all.end(),
            [](const Job* a, const Job* b) { return a->number < b->number; });
  return all;
}

void LetterQueue::erase_leaving() {
  for (auto line = lines_.begin(); line != lines_.end();) {
    const auto at = line++;
    size_ -= std::erase_if(at->second.waiting, [](const Job* job) { return job->leaving; });
    settle(at);
  }
}

// A tenant is in `turns_` once while it may have another letter in work.
void LetterQueue::settle(Lines::iterator at) {
  auto& [owner, line] = *at;
  const bool wants =
      !line.waiting.empty() && (!owner.has_value() || line.in_work < of_tenant_max_);
  if (wants && !line.in_turns) turns_.push_back(owner);
  if (!wants && line.in_turns) std::erase(turns_, owner);
  line.in_turns = wants;
  if (line.waiting.empty() && line.in_work == 0) lines_.erase(at);
}

}  // namespace memseal::ingest
