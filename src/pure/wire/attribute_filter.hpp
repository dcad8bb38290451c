#pragma once
// Which passages a client wants by their sealed attributes.
#include <memory>
#include <string_view>

namespace memseal::wire {

/// What the member `attributes` of a query asks for. A value; empty: everything.
/// Thread: any.
class AttributeFilter {
 public:
  struct Node;  ///< the tree of conditions
  AttributeFilter() = default;
  explicit AttributeFilter(std::shared_ptr<const Node> root) : root_(std::move(root)) {}

  bool empty() const noexcept { return root_ == nullptr; }
  /// Whether a passage with this sealed JSON is wanted. A passage without attributes counts as one
  /// whose attributes have no member. Never throws.
  bool matches(std::string_view meta_json) const;

 private:
  std::shared_ptr<const Node> root_;
};

}  // namespace memseal::wire
