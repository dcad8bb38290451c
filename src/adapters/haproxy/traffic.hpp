#pragma once
// Traffic through HAProxy, moved by its runtime API: nothing is reloaded and no stream is cut.
#include "base/result.hpp"
#include "ports/traffic.hpp"

#include <memory>
#include <string>

namespace memseal::haproxy {

/// Moves the numbers and names in the maps of deploy/haproxy/haproxy.cfg. A socket of `level user`
/// is enough. The maps are found by the names of their files, dial.map and slots.map.
/// `address`: the path of a Unix socket, or host:port. Nothing is sent yet. Error: bad_config.
Result<std::unique_ptr<ports::Traffic>> open_traffic(const std::string& address);

}  // namespace memseal::haproxy
