// Charts of DOCX and PPTX (ECMA-376, DrawingML charts, 21.2): the values that they keep with them,
// as rows of a table: a column a series, a row a category.
#include "extract/formats.hpp"
#include "extract/number_format.hpp"
#include "extract/table_rows.hpp"
#include "extract/xml.hpp"

#include <set>
#include <vector>

namespace memseal::extract {

namespace {

/// The points of one sequence by their index. A category of several levels has one text a level.
using Points = std::map<int, std::string>;

struct Series {
  Points name, categories, values;
};

class ChartText {
 public:
  explicit ChartText(Blocks& out) : out_(out) {}

  void start(std::string_view name, const Attributes& attributes) {
    constexpr int index_max = 1'000'000;
    if (name == "date1904") {
      since_1904_ = !attributes.has("val", "0") && !attributes.has("val", "false");
    } else if (name == "ser") {
      points_ = nullptr;
      in_series_ = series_.size() < series_max;
      if (in_series_) series_.emplace_back();
    } else if (in_series_ && points_of(name) != nullptr) {
      points_ = points_of(name);
      format_ = point_format_ = {};
      index_ = 0;
    } else if (name == "pt") {
      index_ = attributes.number("idx", 0, 0, index_max);
      const char* code = attributes.find("formatCode");
      point_format_ = code == nullptr ? format_ : format_of_code(code);
    } else if (name == "v" || name == "formatCode" || name == "t") {
      word_.clear();
      in_word_ = true;
    }
  }

  void text(std::string_view text) {
    if (in_word_) append_to_paragraph(word_, text, out_);
  }

  void end(std::string_view name) {
    if (name == "v" && points_ != nullptr) {
      end_point();
    } else if (name == "formatCode") {
      format_ = point_format_ = format_of_code(word_);
    } else if (name == "t") {
      paragraph_ += word_;
    } else if (name == "p") {
      out_.text(paragraph_);  // a title, a label
      paragraph_.clear();
    } else if (name == "ser") {
      in_series_ = false;
    }
    if (name == "v" || name == "formatCode" || name == "t") in_word_ = false;
    if (in_series_ && points_of(name) == points_) points_ = nullptr;
    if (!in_series_) points_ = nullptr;
  }

  /// Series of the same categories are one table, so that a row says what belongs together.
  void put_tables() const {
    for (std::size_t from = 0; from < series_.size();) {
      auto to = from + 1;
      while (to < series_.size() && (series_[to].categories.empty() ||
                                     series_[to].categories == series_[from].categories))
        ++to;
      put_table(from, to);
      from = to;
    }
  }

 private:
  static constexpr int points_max = 20'000;
  static constexpr std::size_t series_max = 1'000, cells_max = 200'000;

  Points* points_of(std::string_view element) {
    auto& series = series_.back();
    if (element == "tx") return &series.name;
    if (element == "cat" || element == "xVal") return &series.categories;
    if (element == "val" || element == "yVal") return &series.values;
    return nullptr;
  }

  void end_point() {
    if (points_left_ == 0) return;
    if (--points_left_ == 0) out_.warn("chart: too many points");
    auto& point = (*points_)[index_];
    if (!point.empty()) point += ' ';
    const bool is_name = points_ == &series_.back().name;
    point += is_name ? word_ : shown_number(word_, point_format_, since_1904_);
  }

  void put_table(std::size_t from, std::size_t to) const {
    const auto& categories = series_[from].categories;
    std::set<int> indices;
    for (auto at = from; at < to; ++at)
      for (const auto& [index, _] : series_[at].values) indices.insert(index);
    if (indices.size() * (to - from) > cells_max) return out_.warn("chart: too many cells");
    TableRows rows(out_);
    const auto add = [&](const Points& points, int index) {
      const bool is_first = !rows.in_cell();
      const auto found = points.find(index);
      rows.begin_cell();
      if (!rows.in_cell()) return;
      if (found != points.end() && !found->second.empty())
        rows.add(found->second);
      else if (is_first)
        rows.add("-");  // an empty cell at the beginning of a row would be lost
    };
    rows.begin_row();
    if (!categories.empty()) add({}, 0);
    for (auto at = from; at < to; ++at) add(series_[at].name, 0);
    rows.end_row();
    for (const int index : indices) {
      rows.begin_row();
      if (!categories.empty()) add(categories, index);
      for (auto at = from; at < to; ++at) add(series_[at].values, index);
      rows.end_row();
    }
  }

  Blocks& out_;
  std::vector<Series> series_;
  Points* points_ = nullptr;
  NumberFormat format_, point_format_;
  std::string word_, paragraph_;
  int index_ = 0, points_left_ = points_max;
  bool in_series_ = false, in_word_ = false, since_1904_ = false;
};

}  // namespace

void read_chart(Zip& zip, const std::string& part, Blocks& out) {
  ChartText text(out);
  read_xml_by(text, zip, part, out);
  text.put_tables();
}

}  // namespace memseal::extract
