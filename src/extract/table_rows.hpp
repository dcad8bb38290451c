#pragma once
#include "extract/blocks.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace memseal::extract {

/// The rows of tables. A row of a table within a cell becomes text of that cell.
class TableRows {
 public:
  static constexpr std::size_t cells_max = 2'000, nested_max = 64;

  explicit TableRows(Blocks& out) : out_(out) {}

  void begin_row();
  void begin_cell();
  bool in_cell() const { return !rows_.empty() && !rows_.back().empty(); }
  /// A paragraph of the current cell. A row that grows too long is put out in parts.
  /// REQUIRES: in_cell().
  void add(std::string_view paragraph);
  /// The current cell counts `times` times.
  void repeat_cell(int times);
  void end_row();

 private:
  static std::string joined(const std::vector<std::string>& cells);

  Blocks& out_;
  std::vector<std::vector<std::string>> rows_;
  std::size_t bytes_ = 0;  ///< of all rows that are open
};

}  // namespace memseal::extract
