#pragma once
// Reads the members of a JSON object one by one and keeps the first thing that is wrong.
#include "pure/codec/json.hpp"

#include "base/ids.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::wire {

namespace json = boost::json;

/// The first failure of one parse; shared by all readers of its objects.
struct Fault {
  Errc code;
  std::optional<Error> first = {};

  void add(std::string_view pointer, std::string_view message) {
    if (!first) first = Error{code, std::string(message), std::string(pointer)};
  }
};

enum class Presence { required, optional };

struct TextSize {  ///< least and most bytes of a text
  std::size_t least, most;
};

/// The name itself if a message may repeat it (letters, digits, `_`, `-`, at most 40 bytes). Empty
/// otherwise, because a key can hold anything, content too.
std::optional<std::string_view> printable_name(std::string_view name) noexcept;

/// Each read remembers its key; close() refuses members that were not read. A read that fails
/// leaves `out` as it was and adds a fault with the member's JSON pointer.
/// NOTE: a member that is null counts as absent, because clients that write out every member of a
/// class send null for those that are not set.
class FieldReader {
 public:
  FieldReader(const json::object& object, std::string pointer, Fault& fault)
      : object_(object), pointer_(std::move(pointer)), fault_(fault) {}

  /// False when the member is absent (a fault when required) or wrong.
  bool text(std::string_view key, std::string& out, TextSize size, Presence presence);
  /// Takes 5 and 5.0 alike.
  bool integer(std::string_view key, std::int64_t& out, std::int64_t least, std::int64_t most,
               Presence presence);
  bool truth(std::string_view key, bool& out);
  /// Whatever the member is; null when it is absent.
  const json::value* member(std::string_view key, Presence presence);
  const json::object* object(std::string_view key, Presence presence);
  const json::array* array(std::string_view key, Presence presence);
  /// A list of distinct tags (repeats are dropped) within limits::tags_max.
  void tags(std::string_view key, std::vector<std::string>& out);
  /// An object, kept as compact JSON of at most attributes_bytes_max bytes.
  void attributes(std::string_view key, std::string& out);

  std::string at(std::string_view key) const;
  void fail(std::string_view key, std::string_view message) { fault_.add(at(key), message); }
  Fault& fault() noexcept { return fault_; }

  void close();

 private:
  const json::object& object_;
  std::string pointer_;
  Fault& fault_;
  std::vector<std::string_view> known_;
};

/// `base/index` of a JSON pointer.
std::string pointer_at(std::string_view base, std::size_t index);

}  // namespace memseal::wire
