#include "cases/ingest/internal/blame.hpp"

#include "base/limits.hpp"

#include <new>

namespace memseal::ingest {

Error error_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Failure& failed) {
    return failed.error();
  } catch (const std::bad_alloc&) {  // This process lacks memory, which says nothing of the event.
    return {Errc::overloaded, "not enough memory"};
  } catch (...) {
    return {Errc::internal, "the event cannot be processed"};
  }
}

Suspect suspect_of(Stage stage, Errc code) noexcept {
  // This process is busy or ends: that says nothing of the work.
  if (code == Errc::overloaded || code == Errc::cancelled || code == Errc::shutting_down)
    return Suspect::dependency;
  if (errc_row(code).remedy == Remedy::none) return Suspect::event;
  if (stage == Stage::embed) return code == Errc::timeout ? Suspect::event : Suspect::unclear;
  if ((stage == Stage::look || stage == Stage::store) && code == Errc::timeout)
    return Suspect::event;
  return Suspect::dependency;
}

int failures_allowed(std::size_t pieces, Suspect suspect) noexcept {
  if (pieces == 1) return limits::event_attempts_max;
  return suspect == Suspect::event ? 1 : 2;
}

}  // namespace memseal::ingest
