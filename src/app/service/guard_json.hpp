#pragma once
// Guardrails and the state of a guard as JSON: `memseal guard` prints it, `GET /guard` answers it.
#include "cases/guard/watcher.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <vector>

namespace memseal::app {

boost::json::array guardrails_array(const std::vector<policy::Guardrail>& guardrails);
boost::json::object guard_object(const guard::State& state);

}  // namespace memseal::app
