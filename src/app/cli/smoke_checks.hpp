#pragma once
// The checks of `memseal smoke`: what a deployment must hold, seen from outside by two users.
#include "app/cli/http_call.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace memseal::app {

/// A deployment and two users of it, whose tokens claim different subjects.
struct SmokeTarget {
  const Config& config;
  ServiceOptions service;
  std::string token, other_token;
  http_client::Headers headers = {};  ///< of every request besides its own
};

/// What was seen and does not hold; empty: all holds.
using SmokeFault = std::optional<std::string>;

struct SmokeCheck {
  const char* suite;  ///< authentication, isolation, limits, pipeline
  const char* name;
  const char* holds;  ///< a clause that says what the check proves
  std::function<SmokeFault()> run;
};

/// The 13 checks of 4 suites, in the order in which they run. The first ones store the document of
/// the user that the later ones look for.
/// Lifetime: `target` outlives the checks.
std::vector<SmokeCheck> smoke_checks(const SmokeTarget& target);

/// Replaces the text of the checks' document by a sentence without content. The API deletes no
/// document, so each run writes the same one and nothing piles up.
SmokeFault smoke_clean_up(const SmokeTarget& target);

}  // namespace memseal::app
