#include "extract/table_rows.hpp"

#include <algorithm>

namespace memseal::extract {

void TableRows::begin_row() {
  if (rows_.size() >= nested_max) throw Stop(End::damaged, "a table is nested too deep");
  rows_.emplace_back();
}

void TableRows::begin_cell() {
  if (!rows_.empty() && rows_.back().size() < cells_max) rows_.back().emplace_back();
}

void TableRows::add(std::string_view paragraph) {
  if (paragraph.empty()) return;
  if (bytes_ + paragraph.size() > payload_bytes_max) {
    for (auto& row : rows_) {
      out_.put(Frame::row, 0, joined(row));
      for (auto& cell : row) cell.clear();
    }
    bytes_ = 0;
  }
  bytes_ += paragraph.size() + 1;
  auto& cell = rows_.back().back();
  if (!cell.empty()) cell += ' ';
  const auto from = static_cast<std::ptrdiff_t>(cell.size());
  cell += paragraph;
  std::replace(cell.begin() + from, cell.end(), '\n', ' ');
  std::replace(cell.begin() + from, cell.end(), '\t', ' ');
}

void TableRows::repeat_cell(int times) {
  if (!in_cell()) return;
  const auto cell = rows_.back().back();
  for (int i = 1; i < times && rows_.back().size() < cells_max; ++i) {
    begin_cell();
    add(cell);
  }
}

std::string TableRows::joined(const std::vector<std::string>& cells) {
  std::string row;
  for (const auto& cell : cells) {
    if (&cell != &cells.front()) row += '\t';
    row += cell;
  }
  return row;
}

void TableRows::end_row() {
  if (rows_.empty()) return;
  const auto row = joined(rows_.back());
  rows_.pop_back();
  if (in_cell()) return add(row);
  out_.put(Frame::row, 0, row);
  if (rows_.empty()) bytes_ = 0;
}

}  // namespace memseal::extract
