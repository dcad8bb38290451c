#pragma once
// One JSON object as a flat list of its members, strictly: a name that stands twice is refused,
// since two readers of such an object may believe different things.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace memseal::crypto {

struct JsonMember {
  enum class Kind { text, number, texts, other };
  std::string name;
  Kind kind = Kind::other;
  std::string text = {};                ///< of Kind::text
  std::int64_t number = 0;              ///< of Kind::number; a fraction is cut off downwards
  std::vector<std::string> texts = {};  ///< of Kind::texts: an array of nothing but strings
};

class JsonMembers {
 public:
  /// None unless `json` is one object in valid UTF-8, of at most 64 members, nested at most
  /// 8 deep, no name twice, and nothing behind it. Numbers beyond ±2^53 are Kind::other.
  static std::optional<JsonMembers> parse(std::string_view json);
  /// Null when there is none.
  const JsonMember* find(std::string_view name) const noexcept;
  const std::vector<JsonMember>& all() const noexcept { return members_; }

 private:
  std::vector<JsonMember> members_;
};

}  // namespace memseal::crypto
