#pragma once
#include "fakes/fault_script.hpp"
#include "ports/person_store.hpp"

#include <algorithm>
#include <map>

namespace memseal::fakes {

/// Counts and rows of all tenants.
class PersonStore final : public ports::PersonStore {
 public:
  struct Person {
    ports::PersonState state;
    ports::Erasure erasure;     ///< what bury() will find
    std::size_t rows_left = 0;  ///< behind the first part
  };

  asio::awaitable<ports::PersonState> look(runtime::RequestContext,
                                           crypto::Tenant owner) override {
    co_await play();
    co_return people[owner].state;
  }
  asio::awaitable<ports::Erasure> bury(runtime::RequestContext, crypto::Tenant owner,
                                       std::size_t) override {
    co_await play();
    auto& person = people[owner];
    if (!person.state.erased_at_ms) {
      person.state = {.known = true, .erased_at_ms = now_ms};
      person.erasure.at_ms = now_ms;
    }
    std::erase(unfinished, owner.hash());
    unfinished.push_back(owner.hash());
    co_return person.erasure;
  }
  asio::awaitable<bool> delete_rows(runtime::RequestContext, crypto::Tenant owner,
                                    std::size_t rows_max) override {
    co_await play();
    auto& left = people[owner].rows_left;
    left -= std::min(left, rows_max);
    co_return left > 0;
  }

  asio::awaitable<void> finish(runtime::RequestContext, crypto::Tenant owner) override {
    co_await play();
    std::erase(unfinished, owner.hash());
  }
  asio::awaitable<std::vector<UserHash>> take_unfinished(runtime::RequestContext,
                                                         std::chrono::seconds,
                                                         std::size_t count) override {
    co_await play();
    co_return std::vector<UserHash>(unfinished.begin(),
                                    unfinished.begin() +
                                        static_cast<std::ptrdiff_t>(
                                            std::min(count, unfinished.size())));
  }

  std::vector<UserHash> unfinished;
  FaultScript faults;
  int calls_to_outage = 0;  ///< the call of this number fails; 0: none
  std::map<crypto::Tenant, Person> people;
  std::int64_t now_ms = 1'790'000'000'123;

 private:
  asio::awaitable<void> play() {
    if (calls_to_outage > 0 && --calls_to_outage == 0)
      throw_failure({Errc::unavailable, "a fault of the test"});
    co_await faults.play();
  }
};

}  // namespace memseal::fakes
