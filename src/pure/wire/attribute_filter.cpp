#include "pure/wire/attribute_filter.hpp"

#include "pure/codec/did_you_mean.hpp"
#include "pure/codec/json.hpp"
#include "pure/wire/internal/attribute_conditions.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace memseal::wire {

namespace {

enum class Operator { eq, ne, in, gt, lt };

struct NamedOperator {
  std::string_view name;
  Operator what;
};
constexpr std::array operators{NamedOperator{"eq", Operator::eq}, NamedOperator{"ne", Operator::ne},
                               NamedOperator{"in", Operator::in}, NamedOperator{"gt", Operator::gt},
                               NamedOperator{"lt", Operator::lt}};

struct Condition {
  std::string attribute;
  Operator what;
  std::vector<json::value> values;  // one, but for Operator::in
};

bool is_scalar(const json::value& value) {
  return !value.is_object() && !value.is_array();
}

/// Whether a is less than b; false for two of different kinds. Numbers by value, texts by code
/// point, so that times in RFC 3339 of one offset stand in their order.
bool is_less(const json::value& a, const json::value& b) {
  if (a.is_string() && b.is_string())
    return std::string_view(a.get_string()) < std::string_view(b.get_string());
  if (!a.is_number() || !b.is_number()) return false;
  // Not as doubles, which are the same for whole numbers beyond 2^53 that differ.
  if (a.is_int64() && b.is_int64()) return a.get_int64() < b.get_int64();
  if (a.is_uint64() && b.is_uint64()) return a.get_uint64() < b.get_uint64();
  if (a.is_int64() && b.is_uint64()) return std::cmp_less(a.get_int64(), b.get_uint64());
  if (a.is_uint64() && b.is_int64()) return std::cmp_less(a.get_uint64(), b.get_int64());
  return a.to_number<double>() < b.to_number<double>();
}

bool is_equal(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return !is_less(a, b) && !is_less(b, a);
  return a == b;
}

bool holds(const Condition& condition, const json::object& attributes) {
  const auto* found = attributes.if_contains(condition.attribute);
  const auto equals = [&](const json::value& value) { return found && is_equal(*found, value); };
  switch (condition.what) {
    case Operator::eq:
    case Operator::in:
      return std::any_of(condition.values.begin(), condition.values.end(), equals);
    case Operator::ne: return !equals(condition.values[0]);
    case Operator::gt: return found && is_less(condition.values[0], *found);
    case Operator::lt: return found && is_less(*found, condition.values[0]);
  }
  return false;
}

}  // namespace

struct AttributeFilter::Node {
  /// All, or any, of `parts` must hold.
  struct Group {
    bool all = true;
    std::vector<Node> parts = {};
  };
  std::variant<Group, Condition> what;

  bool holds_for(const json::object& attributes) const {
    if (const auto* condition = std::get_if<Condition>(&what)) return holds(*condition, attributes);
    const auto& group = std::get<Group>(what);
    const auto part_holds = [&](const Node& part) { return part.holds_for(attributes); };
    // Recursion is bounded: ConditionReader refuses what is nested deeper than condition_depth_max.
    return group.all ? std::all_of(group.parts.begin(), group.parts.end(), part_holds)
                     : std::any_of(group.parts.begin(), group.parts.end(), part_holds);
  }
};

namespace {

using Node = AttributeFilter::Node;

/// Reads conditions one by one and counts them.
class ConditionReader {
 public:
  explicit ConditionReader(Fault& fault) : fault_(fault) {}

  Node read_all(const json::object& object, const std::string& place, std::size_t depth) {
    Node::Group group;
    if (depth > condition_depth_max)
      fault_.add(place, "is nested more than " + std::to_string(condition_depth_max) + " deep");
    if (object.empty()) fault_.add(place, "must hold a condition");
    for (const auto& member : object) {
      if (fault_.first) break;
      const auto at = FieldReader(object, place, fault_).at(member.key());
      if (member.key() == "and" || member.key() == "or")
        group.parts.push_back(read_list(member.value(), at, member.key() == "and", depth));
      else
        read_attribute(member.key(), member.value(), at, group.parts);
    }
    return {std::move(group)};
  }

 private:
  Node read_list(const json::value& value, const std::string& place, bool all, std::size_t depth) {
    Node::Group group{.all = all};
    const auto* list = value.if_array();
    if (list == nullptr || list->empty() || list->size() > conditions_max) {
      fault_.add(place, "must be a list of 1 to " + std::to_string(conditions_max) + " objects");
      return {std::move(group)};
    }
    for (std::size_t i = 0; i < list->size() && !fault_.first; ++i) {
      const auto at = pointer_at(place, i);
      if (const auto* object = (*list)[i].if_object())
        group.parts.push_back(read_all(*object, at, depth + 1));
      else
        fault_.add(at, "must be an object");
    }
    return {std::move(group)};
  }

  void read_attribute(std::string_view name, const json::value& value, const std::string& place,
                      std::vector<Node>& parts) {
    const auto* object = value.if_object();
    if (object == nullptr) return add(name, Operator::eq, value, place, parts);
    if (object->empty()) fault_.add(place, "must hold an operator");
    for (const auto& member : *object) {
      if (fault_.first) return;
      const auto known = std::find_if(operators.begin(), operators.end(), [&](const auto& one) {
        return one.name == std::string_view(member.key());
      });
      if (known == operators.end()) return refuse_operator(member.key(), place);
      add(name, known->what, member.value(), place + '/' + std::string(known->name), parts);
    }
  }

  void refuse_operator(std::string_view given, const std::string& place) {
    std::array<std::string_view, operators.size()> names;
    std::transform(operators.begin(), operators.end(), names.begin(),
                   [](const auto& one) { return one.name; });
    const auto name = printable_name(given);
    if (!name) return fault_.add(place, "holds an unknown operator");
    std::string message = "is not an operator: use eq, ne, in, gt or lt";
    if (const auto meant = codec::did_you_mean(*name, names, 1))
      message.append("; did you mean \"").append(*meant).append("\"?");
    fault_.add(place + '/' + std::string(*name), message);
  }

  void add(std::string_view name, Operator what, const json::value& value,
           const std::string& place, std::vector<Node>& parts) {
    if (++count_ > conditions_max)
      return fault_.add(place,
                        "is one condition too many: at most " + std::to_string(conditions_max));
    Condition condition{std::string(name), what, {}};
    if (what == Operator::in) {
      const auto* list = value.if_array();
      if (list == nullptr || list->empty() || list->size() > condition_values_max ||
          !std::all_of(list->begin(), list->end(), is_scalar))
        return fault_.add(place, "must be a list of 1 to " + std::to_string(condition_values_max) +
                                     " texts, numbers, true, false or null");
      condition.values.assign(list->begin(), list->end());
    } else if (what == Operator::gt || what == Operator::lt) {
      if (!value.is_number() && !value.is_string())
        return fault_.add(place, "must be a number or a text");
      condition.values.push_back(value);
    } else {
      if (!is_scalar(value))
        return fault_.add(place, "must be a text, a number, true, false or null");
      condition.values.push_back(value);
    }
    parts.push_back({std::move(condition)});
  }

  Fault& fault_;
  std::size_t count_ = 0;
};

}  // namespace

AttributeFilter read_attribute_filter(FieldReader& fields, std::string_view key) {
  const auto* object = fields.object(key, Presence::optional);
  if (object == nullptr) return {};
  ConditionReader reader(fields.fault());
  return AttributeFilter(
      std::make_shared<const Node>(reader.read_all(*object, fields.at(key), 1)));
}

bool AttributeFilter::matches(std::string_view meta_json) const {
  if (!root_) return true;
  static const json::object none;
  // A passage without attributes is judged too, because "ne" holds for what is not there.
  if (meta_json.empty()) return root_->holds_for(none);
  const auto meta = codec::parse_json(meta_json, Errc::internal);
  const auto* object = meta ? meta->if_object() : nullptr;
  const auto* attributes = object ? object->if_contains("attributes") : nullptr;
  const auto* members = attributes ? attributes->if_object() : nullptr;
  return root_->holds_for(members ? *members : none);
}

}  // namespace memseal::wire
