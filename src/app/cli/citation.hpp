#pragma once
// How a passage is cited on a terminal.
#include <boost/json/object.hpp>

#include <string>

namespace memseal::app {

/// "notes.pdf · p. 3-4 · Keys > Rotation", of what is known: a result, or a chunk of a list. A
/// document with a name of its own is "id (name)". Safe for a terminal; may be empty.
std::string citation_of(const boost::json::object& passage);

}  // namespace memseal::app
