#pragma once
// What `memseal doctor` finds.
#include "app/config/config.hpp"
#include "base/result.hpp"

#include <string>
#include <utility>
#include <vector>

namespace memseal::app {

/// One line of the report. `doctor` fails when a required finding is not ok.
struct Finding {
  std::string name;
  bool ok = false;
  std::string detail;
  std::string fix;
  bool required = true;
};

inline Finding failed(std::string name, const Error& error, std::string fix) {
  return {std::move(name), false, error.message, std::move(fix)};
}

/// Who may write events, by the settings and the file of producers.
Finding check_producers(const Config& config);

/// Brokers and topics; asks the cluster, so it blocks for as long as that may take.
void check_kafka(const Config& config, std::vector<Finding>& findings);

}  // namespace memseal::app
