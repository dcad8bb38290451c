#include "cases/search/internal/tenant_matrix.hpp"

#include "cases/search/internal/nearest.hpp"
#include "cases/search/internal/row_filter.hpp"
#include "pure/codec/half.hpp"
#include "pure/matrix/scan_ops.hpp"

#include <cmath>

namespace memseal::search {

namespace {

// Candidates beyond the limit that are worth their names in a statement.
constexpr std::size_t further_max = 4'096;

/// The questions as the database takes them, in halves, side by side; and their lengths.
struct Asked {
  matrix::WipedArray<float> numbers;
  std::vector<float> inverse_norms;
};

std::optional<Asked> asked_of(const std::vector<ports::QueryVector>& questions,
                              std::size_t dimension, std::size_t stride) {
  Asked asked{matrix::WipedArray<float>(questions.size() * stride), {}};
  for (std::size_t which = 0; which < questions.size(); ++which) {
    const auto& values = questions[which].values;
    if (values.size() != dimension) return std::nullopt;
    double square = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      const auto bits = codec::half_bits(values[i]);
      constexpr unsigned exponent = 0x7c00;
      if ((bits & exponent) == exponent) return std::nullopt;  // infinite, or no number
      const float value = codec::half_value(bits);
      asked.numbers[which * stride + i] = value;
      square += double{value} * value;
    }
    if (square == 0) return std::nullopt;
    asked.inverse_norms.push_back(static_cast<float>(1 / std::sqrt(square)));
  }
  return asked;
}

// Summing n products in binary32 in any order errs by n 2^-24 of the sum of their sizes at most,
// and so do the lengths: 2 n 2^-24 for one who computes all three, and twice that for two.
float distance_error(std::size_t dimension) {
  return (4 * static_cast<float>(dimension) + 32) * 0x1p-24f;
}

/// Compares the rows of one block with all questions.
class BlockScan {
 public:
  BlockScan(const Asked& asked, std::size_t stride, std::vector<Nearest>& nearest)
      : asked_(asked), stride_(stride), nearest_(nearest), dots_(nearest.size() * block_rows) {}

  void scan_all(const MatrixBlock& block, std::uint32_t number) {
    scan_run(block, number, 0, block.size);
  }

  // Rows that pass and stand side by side are compared together.
  void scan_some(const MatrixBlock& block, std::uint32_t number, const RowFilter& filter) {
    std::size_t row = 0;
    while (row < block.size) {
      while (row < block.size && !filter.passes(block, row)) ++row;
      const auto first = row;
      while (row < block.size && filter.passes(block, row)) ++row;
      if (row > first) scan_run(block, number, first, row);
    }
  }

 private:
  void scan_run(const MatrixBlock& block, std::uint32_t number, std::size_t first,
                std::size_t end) {
    static const auto& ops = matrix::best_scan_ops();
    ops.dots(block.vectors.data() + first * stride_, stride_, end - first, asked_.numbers.data(),
             nearest_.size(), dots_.data(), block_rows);
    for (std::size_t which = 0; which < nearest_.size(); ++which) {
      const float* dots = dots_.data() + which * block_rows;
      const float inverse = asked_.inverse_norms[which];
      for (std::size_t row = first; row < end; ++row)
        nearest_[which].offer(1 - dots[row - first] * inverse * block.inverse_norms[row], number,
                              static_cast<std::uint32_t>(row));
    }
  }

  const Asked& asked_;
  std::size_t stride_;
  std::vector<Nearest>& nearest_;
  std::vector<float> dots_;
};

}  // namespace

std::optional<std::vector<Choice>> TenantMatrix::choose(
    const std::vector<ports::QueryVector>& questions, std::size_t limit,
    const ports::SearchFilter& filter, std::int64_t now_us) const {
  if (blocks_.empty()) return std::vector<Choice>(questions.size());
  const auto asked = asked_of(questions, dimension_, stride_);
  if (!asked) return std::nullopt;
  std::vector<Nearest> nearest;
  for (std::size_t i = 0; i < questions.size(); ++i)
    nearest.emplace_back(limit, distance_error(dimension_), filter.after);

  const RowFilter rows(*this, filter, now_us);
  BlockScan scan(*asked, stride_, nearest);
  for (std::size_t number = 0; number < blocks_.size(); ++number) {
    if (rows.passes_all())
      scan.scan_all(*blocks_[number], static_cast<std::uint32_t>(number));
    else
      scan.scan_some(*blocks_[number], static_cast<std::uint32_t>(number), rows);
  }

  std::vector<Choice> choices;
  for (auto& of_one : nearest) {
    auto& choice = choices.emplace_back();
    choice.certain = of_one.certain();
    choice.too_many = of_one.kept().size() + of_one.at_place().size() > limit + further_max;
    if (choice.too_many) continue;
    for (const auto* list : {&of_one.kept(), &of_one.at_place()})
      for (const auto& row : *list) choice.ids.push_back(blocks_[row.block]->ids[row.row]);
  }
  return choices;
}

std::vector<WordMatch> TenantMatrix::by_words(const std::vector<lexical::WordHashes>& question,
                                              const ports::SearchFilter& filter,
                                              std::int64_t now_us) const {
  lexical::Bm25 scoring(question);
  for (std::size_t number = 0; number < blocks_.size(); ++number) {
    const auto& block = *blocks_[number];
    for (std::size_t row = 0; row < block.size; ++row)
      if (block.terms.has(row) && alive_[block.documents[row]] != 0)
        scoring.offer(static_cast<std::uint32_t>(number * block_rows + row),
                      block.terms.words(row), block.terms.hashes(row), block.terms.rests(row));
  }
  const RowFilter rows(*this, filter, now_us);
  std::vector<WordMatch> matches;
  for (const auto& [chunk, score] : scoring.scores()) {
    const auto& block = *blocks_[chunk / block_rows];
    const auto row = chunk % block_rows;
    if (rows.passes_all() || rows.passes(block, row)) matches.push_back({block.ids[row], score});
  }
  return matches;
}

}  // namespace memseal::search
