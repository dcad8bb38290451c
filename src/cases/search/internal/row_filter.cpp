#include "cases/search/internal/row_filter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace memseal::search {

namespace {

// As to_timestamp() makes it of ms / 1000.0, because the statement compares with that.
std::int64_t us_of(std::int64_t unix_ms) {
  constexpr double years_2000_s = 946'684'800.0;
  const double s = static_cast<double>(unix_ms) / 1'000.0 - years_2000_s;
  return static_cast<std::int64_t>(std::rint(s * 1'000'000.0));
}

}  // namespace

RowFilter::RowFilter(const TenantMatrix& matrix, const ports::SearchFilter& filter,
                     std::int64_t now_us)
    : now_us_(now_us),
      after_us_(filter.after_ms ? us_of(*filter.after_ms)
                                : std::numeric_limits<std::int64_t>::min()),
      before_us_(filter.before_ms ? us_of(*filter.before_ms)
                                  : std::numeric_limits<std::int64_t>::max()),
      documents_(matrix.alive_),
      ids_(filter.ids) {
  if (!filter.origins.empty()) origins_ = 0;
  for (const auto origin : filter.origins) origins_ |= 1u << static_cast<unsigned>(origin);
  std::sort(ids_.begin(), ids_.end());
  take_documents(matrix, filter);
  take_tags(matrix, filter);
  no_filter_ = filter.origins.empty() && !filter.after_ms && !filter.before_ms && ids_.empty() &&
               filter.doc_ids.empty() && filter.exclude.empty() && filter.tags.empty() &&
               filter.tags_any.empty() && filter.tags_none.empty();
  passes_all_ = no_filter_ && matrix.dead_rows_ == 0 && !matrix.expires_;
}

void RowFilter::take_documents(const TenantMatrix& matrix, const ports::SearchFilter& filter) {
  const auto& known = matrix.documents_.values;
  if (!filter.doc_ids.empty()) {
    std::fill(documents_.begin(), documents_.end(), std::uint8_t{0});
    for (const auto& id : filter.doc_ids)
      if (const auto found = known.find(id); found != known.end())
        documents_[found->second.number] = 1;
  }
  for (const auto& id : filter.exclude)
    if (const auto found = known.find(id); found != known.end())
      documents_[found->second.number] = 0;
}

void RowFilter::take_tags(const TenantMatrix& matrix, const ports::SearchFilter& filter) {
  const auto& known = matrix.tags_.values;
  const auto take = [&](const std::vector<std::string>& tags, std::vector<std::uint32_t>& numbers) {
    for (const auto& tag : tags)
      if (const auto found = known.find(tag); found != known.end())
        numbers.push_back(found->second);
    return numbers.size() == tags.size();
  };
  // A tag that no row has.
  if (!take(filter.tags, all_)) nothing_ = true;
  take(filter.tags_any, any_);
  if (!filter.tags_any.empty() && any_.empty()) nothing_ = true;
  take(filter.tags_none, none_);
}

bool RowFilter::has_tag(const MatrixBlock& block, std::size_t row,
                        std::uint32_t tag) const noexcept {
  const auto* tags = block.tags.data();
  const auto* end = tags + block.tags_end[row];
  return std::find(tags + block.tags_begin(row), end, tag) != end;
}

bool RowFilter::fits_tags(const MatrixBlock& block, std::size_t row) const noexcept {
  const auto has = [&](std::uint32_t tag) { return has_tag(block, row, tag); };
  return std::all_of(all_.begin(), all_.end(), has) &&
         (any_.empty() || std::any_of(any_.begin(), any_.end(), has)) &&
         std::none_of(none_.begin(), none_.end(), has);
}

bool RowFilter::fits(const MatrixBlock& block, std::size_t row) const noexcept {
  const auto created = block.created_us[row];
  if (nothing_ || created <= after_us_ || created >= before_us_ ||
      (origins_ >> block.origins[row] & 1u) == 0)
    return false;
  if (!ids_.empty() && !std::binary_search(ids_.begin(), ids_.end(), block.ids[row])) return false;
  return fits_tags(block, row);
}

}  // namespace memseal::search
