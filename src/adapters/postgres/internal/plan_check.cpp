#include "adapters/postgres/internal/plan_check.hpp"

#include "pure/codec/json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <regex>
#include <utility>

namespace memseal::postgres {

namespace {

namespace json = boost::json;

std::string text_of(const json::object& node, std::string_view key) {
  const auto* value = node.if_contains(key);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

/// Whether a condition says that the tenant equals one value. As PostgreSQL prints it:
/// `((user_hash)::text = ($0)::text)`, or with the name of a table before it.
bool names_tenant(const std::string& condition) {
  static const std::regex equals(R"(user_hash\)?(::text)? = )");
  return std::regex_search(condition, equals);
}

/// Walks a plan and looks for scans that no condition on the tenant bounds.
class PlanCheck {
 public:
  void walk(const json::object& node) {
    look_at(node);
    if (const auto* below = node.if_contains("Plans"); below && below->is_array())
      for (const auto& each : below->get_array())
        if (each.is_object()) walk(each.get_object());
  }

  CheckedPlan found;

 private:
  void look_at(const json::object& node) {
    const auto type = text_of(node, "Node Type"), table = text_of(node, "Relation Name");
    if (type == "Bitmap Index Scan") return look_at_index(node, "a table");
    // A bitmap's heap scan reads what the index below it found; the scan below a ModifyTable finds
    // the rows that are changed.
    if (table.empty() || table == "settings" || type == "ModifyTable" ||
        type == "Bitmap Heap Scan" || type == "LockRows")
      return;
    if (type == "Index Scan" || type == "Index Only Scan") return look_at_index(node, table);
    // By the address of a row that another scan found; the filter compares the tenant again.
    if (type == "Tid Scan" && names_tenant(text_of(node, "Filter"))) return;
    add(found.unbounded, type + " on " + table);
  }

  void look_at_index(const json::object& node, const std::string& table) {
    const auto index = text_of(node, "Index Name");
    if (names_tenant(text_of(node, "Index Cond")))
      add(found.indexes, index);
    else
      add(found.unbounded, "scan of " + table + " by " + index + " without the tenant");
  }

  static void add(std::string& list, const std::string& item) {
    if (list.find(item) == std::string::npos) list += (list.empty() ? "" : ", ") + item;
  }
};

}  // namespace

CheckedPlan check_plan(const std::string& plan) {
  const auto parsed = codec::parse_json(plan, Errc::internal);
  const auto* tree = parsed && parsed->is_array() && !parsed->get_array().empty()
                         ? parsed->get_array()[0].if_object()
                         : nullptr;
  const auto* root = tree ? tree->if_contains("Plan") : nullptr;
  if (!root || !root->is_object()) return {.unbounded = "the plan cannot be read"};
  PlanCheck check;
  check.walk(root->get_object());
  return std::move(check.found);
}

}  // namespace memseal::postgres
