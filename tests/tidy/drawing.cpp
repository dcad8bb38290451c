#include "drawing.hpp"

#include <algorithm>
#include <functional>
#include <sstream>

namespace memseal::tidy {
namespace {

constexpr int box_height = 30, box_gap = 14, row_gap = 40, padding = 12, caption = 20;
constexpr int frame_gap = 36, floor_gap = 56, margin = 24, legend = 54;

struct Box {
  std::string room, label;
  int x = 0, y = 0, width = 0;
  int middle() const { return x + width / 2; }
};

struct Frame {
  std::string folder;
  std::vector<std::vector<Box>> rows;  ///< from the top down
  int x = 0, y = 0, width = 0, height = 0;
};

std::string top_folder(const std::string& room) { return room.substr(0, room.find('/')); }

// How many rooms of its own folder lie below a room.
int depth(const Graph& graph, const std::string& room, std::set<std::string>& way) {
  if (!graph.contains(room) || !way.insert(room).second) return 0;
  int deepest = 0;
  for (const auto& next : graph.at(room))
    if (top_folder(next) == top_folder(room))
      deepest = std::max(deepest, 1 + depth(graph, next, way));
  way.erase(room);
  return deepest;
}

Frame frame_of(const Graph& graph, const std::string& folder) {
  std::map<int, std::vector<Box>, std::greater<>> by_depth;
  for (const auto& [room, _] : graph) {
    if (top_folder(room) != folder) continue;
    std::set<std::string> way;
    const auto label = room == folder ? room : room.substr(folder.size() + 1);
    by_depth[depth(graph, room, way)].push_back(
        {room, label, 0, 0, std::max(64, 26 + 8 * static_cast<int>(label.size()))});
  }
  Frame frame{folder, {}};
  for (auto& [_, row] : by_depth) frame.rows.push_back(std::move(row));
  return frame;
}

int row_width(const std::vector<Box>& row) {
  int width = -box_gap;
  for (const auto& box : row) width += box.width + box_gap;
  return width;
}

class Drawing {
 public:
  explicit Drawing(const Graph& whole) : graph_(reduced(whole)) {
    for (const auto& folders : floors()) {
      std::vector<Frame> row;
      for (const auto& folder : folders)
        if (auto frame = frame_of(whole, folder); !frame.rows.empty())
          row.push_back(std::move(frame));
      if (!row.empty()) floors_.push_back(std::move(row));
    }
    size();
    place();
  }

  std::string text() {
    for (auto& floor : floors_)
      for (auto& frame : floor)
        for (auto& row : frame.rows)
          for (auto& box : row) boxes_[box.room] = &box;
    head();
    for (const auto& floor : floors_)
      for (const auto& frame : floor) print_frame(frame);
    arrows();
    for (const auto& [_, box] : boxes_) print_box(*box);
    out_ << "</svg>\n";
    return out_.str();
  }

 private:
  void size() {
    for (auto& floor : floors_) {
      int width = -frame_gap, height = 0;
      for (auto& frame : floor) {
        const bool alone = is_alone(frame);
        frame.height = alone ? box_height : caption + padding - row_gap;
        for (const auto& row : frame.rows) {
          frame.width = std::max(frame.width, row_width(row) + (alone ? 0 : 2 * padding));
          if (!alone) frame.height += box_height + row_gap;
        }
        width += frame.width + frame_gap;
        height = std::max(height, frame.height);
      }
      width_ = std::max(width_, width + 2 * margin);
      heights_.push_back(height);
      widths_.push_back(width);
    }
  }

  // From the bottom up, so that a row can be sorted by what its rooms point to.
  void place() {
    height_ = legend + margin;
    for (const int height : heights_) height_ += height + floor_gap;
    height_ -= floor_gap;
    int bottom = height_ - margin;
    for (std::size_t i = floors_.size(); i-- > 0;) {
      int x = (width_ - widths_[i]) / 2;
      for (auto& frame : floors_[i]) {
        frame.x = x;
        frame.y = bottom - heights_[i] + (heights_[i] - frame.height) / 2;
        place_rows(frame);
        x += frame.width + frame_gap;
      }
      bottom -= heights_[i] + floor_gap;
    }
  }

  void place_rows(Frame& frame) {
    int y = frame.y + frame.height - box_height - (is_alone(frame) ? 0 : padding);
    for (std::size_t i = frame.rows.size(); i-- > 0;) {
      auto& row = frame.rows[i];
      std::map<std::string, int> wish;
      for (const auto& box : row) wish[box.room] = mean_of_targets(box.room);
      std::stable_sort(row.begin(), row.end(),
                       [&](auto& a, auto& b) { return wish[a.room] < wish[b.room]; });
      int x = frame.x + (frame.width - row_width(row)) / 2;
      for (auto& box : row) {
        box.x = x;
        box.y = y;
        middles_[box.room] = box.middle();
        x += box.width + box_gap;
      }
      y -= box_height + row_gap;
    }
  }

  int mean_of_targets(const std::string& room) const {
    int sum = 0, count = 0;
    for (const auto& to : graph_.at(room))
      if (const auto found = middles_.find(to); found != middles_.end()) {
        sum += found->second;
        ++count;
      }
    return count == 0 ? width_ / 2 : sum / count;
  }

  static bool is_alone(const Frame& frame) {
    return frame.rows.size() == 1 && frame.rows[0].size() == 1 &&
           frame.rows[0][0].room == frame.folder;
  }

  void head() {
    out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width_ << "\" height=\""
         << height_ << "\" viewBox=\"0 0 " << width_ << " " << height_
         << "\" font-family=\"sans-serif\">\n"
         << "<!-- Drawn from the includes by tests/tidy; `make lint REDRAW=1` draws it again. -->\n"
         << "<defs>\n"
         << marker("down", "#46627f") << marker("up", "#c62828") << "</defs>\n"
         << "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
         << "<text x=\"" << margin << "\" y=\"26\" font-size=\"15\" fill=\"#222222\">"
         << "memseal: a box is a folder below src/ (and kernels/), an arrow an include.</text>\n"
         << "<text x=\"" << margin << "\" y=\"44\" font-size=\"12\" fill=\"#555555\">"
         << "Left out: an arrow that others imply (of a → b → c and a → c, the last).</text>\n";
  }

  static std::string marker(const std::string& id, const std::string& color) {
    return "<marker id=\"" + id +
           "\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" " +
           "markerHeight=\"7\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"" + color +
           "\"/></marker>\n";
  }

  void print_frame(const Frame& frame) {
    if (is_alone(frame)) return;
    out_ << "<rect x=\"" << frame.x << "\" y=\"" << frame.y << "\" width=\"" << frame.width
         << "\" height=\"" << frame.height
         << "\" rx=\"8\" fill=\"#f4f6f8\" stroke=\"#d5dbe1\"/>\n<text x=\"" << frame.x + padding
         << "\" y=\"" << frame.y + 15 << "\" font-size=\"12\" fill=\"#777777\">" << frame.folder
         << "/</text>\n";
  }

  void print_box(const Box& box) {
    out_ << "<rect x=\"" << box.x << "\" y=\"" << box.y << "\" width=\"" << box.width
         << "\" height=\"" << box_height << "\" rx=\"5\" fill=\"#e3ecf5\" stroke=\"#46627f\"/>"
         << "<text x=\"" << box.middle() << "\" y=\"" << box.y + 20
         << "\" font-size=\"13\" text-anchor=\"middle\" fill=\"#1c2b3a\">" << box.label
         << "</text>\n";
  }

  // Arrows leave and reach a box side by side, in the order of their other ends.
  void arrows() {
    std::map<std::string, std::vector<std::string>> in, out;
    for (const auto& [room, targets] : graph_)
      for (const auto& to : targets)
        if (boxes_.contains(room) && boxes_.contains(to)) {
          out[room].push_back(to);
          in[to].push_back(room);
        }
    const auto by_place = [&](const std::string& a, const std::string& b) {
      return std::pair(middles_[a], a) < std::pair(middles_[b], b);
    };
    for (auto* ends : {&in, &out})
      for (auto& [_, list] : *ends) std::sort(list.begin(), list.end(), by_place);
    for (const auto& [room, targets] : out)
      for (const auto& to : targets) {
        const auto &from = *boxes_[room], &target = *boxes_[to];
        const int x1 = slot(from, targets, to), y1 = from.y + box_height;
        const int x2 = slot(target, in[to], room), y2 = target.y - 1;
        const int bend = std::max(18, (y2 - y1) / 2);
        const bool down = y2 > y1;
        out_ << "<path d=\"M" << x1 << "," << y1 << " C" << x1 << "," << y1 + bend << " " << x2
             << "," << y2 - bend << " " << x2 << "," << y2 << "\" fill=\"none\" stroke=\""
             << (down ? "#46627f" : "#c62828") << "\" stroke-opacity=\"0.75\" marker-end=\"url(#"
             << (down ? "down" : "up") << ")\"><title>" << room << " includes " << to
             << "</title></path>\n";
      }
  }

  static int slot(const Box& box, const std::vector<std::string>& ends, const std::string& end) {
    const auto at = std::find(ends.begin(), ends.end(), end) - ends.begin() + 1;
    return box.x + box.width * static_cast<int>(at) / (static_cast<int>(ends.size()) + 1);
  }

  Graph graph_;
  std::vector<std::vector<Frame>> floors_;
  std::vector<int> heights_, widths_;
  std::map<std::string, int> middles_;
  std::map<std::string, const Box*> boxes_;
  int width_ = 0, height_ = 0;
  std::ostringstream out_;
};

}  // namespace

const std::vector<std::vector<std::string>>& floors() {
  static const std::vector<std::vector<std::string>> all{{"app"},
                                                         {"http"},
                                                         {"cases", "adapters"},
                                                         {"ports"},
                                                         {"runtime"},
                                                         {"pure"},
                                                         {"base", "extract", "kernels"}};
  return all;
}

int floor_of(const std::string& room) {
  for (std::size_t i = 0; i < floors().size(); ++i)
    for (const auto& folder : floors()[i])
      if (top_folder(room) == folder) return static_cast<int>(i);
  return -1;
}

std::string draw(const Graph& graph) { return Drawing(graph).text(); }

}  // namespace memseal::tidy
