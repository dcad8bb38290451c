#pragma once
// Dead letters as JSON and as text for a terminal.
#include "cases/ingest/letter_list.hpp"

#include <boost/json/object.hpp>

#include <string>

namespace memseal::app {

/// `text` on one short line that is safe for a terminal.
std::string shown(const std::string& text);

boost::json::object letter_json(const ingest::Letter& letter);
/// Key, headers and value of an opened letter. The value is in base64 where it is no UTF-8.
boost::json::object record_json(const ports::Record& record);

/// One line of standard output.
void print_line(const ingest::Letter& letter);
/// One line a field.
void print_fields(const ingest::Letter& letter);
void print_record(const ports::Record& record);

}  // namespace memseal::app
