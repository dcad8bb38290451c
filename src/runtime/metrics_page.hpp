#pragma once
// Parts of a rendered metrics page.
#include <functional>
#include <string>
#include <string_view>

namespace memseal::runtime {

/// The families of `page`, which Metrics::render() made, whose name `shows` accepts.
std::string families_of(std::string_view page,
                        const std::function<bool(std::string_view name)>& shows);

}  // namespace memseal::runtime
