#pragma once

namespace memseal {

/// Deleter of a C library's handle: std::unique_ptr<T, FreeWith<t_free>>.
template <auto free_function>
struct FreeWith {
  void operator()(auto* handle) const noexcept { free_function(handle); }
};

}  // namespace memseal
