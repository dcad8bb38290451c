#include "functions.hpp"

#include <cctype>
#include <regex>

namespace memseal::tidy {
namespace {

enum class Scope { outer, function, block, member_init };

class Reader {
 public:
  std::vector<Function> read(const std::vector<std::string>& lines) {
    bool directive = false;
    for (line_ = 0; line_ < lines.size(); ++line_) {
      const auto& line = lines[line_];
      const auto start = line.find_first_not_of(' ');
      directive =
          directive || (raw_end_.empty() && start != std::string::npos && line[start] == '#');
      if (!directive) read_line(line);
      directive = directive && line.ends_with('\\');
      add(' ');
    }
    return std::move(found_);
  }

 private:
  void read_line(const std::string& line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (!raw_end_.empty()) {  // inside R"(...)"
        const auto end = line.find(raw_end_, i);
        if (end == std::string::npos) return;
        i = end + raw_end_.size() - 1;
        raw_end_.clear();
      } else if (comment_) {
        const auto end = line.find("*/", i);
        if (end == std::string::npos) return;
        i = end + 1;
        comment_ = false;
      } else if (line.compare(i, 2, "//") == 0) {
        return;
      } else if (line.compare(i, 2, "/*") == 0) {
        comment_ = true;
        ++i;
      } else if (line.compare(i, 2, "R\"") == 0) {
        const auto open = line.find('(', i);
        raw_end_ = ")" + line.substr(i + 2, open - i - 2) + "\"";
        i = open;
      } else if (line[i] == '"' || (line[i] == '\'' && !digit_before(line, i))) {
        i = end_of_literal(line, i);
        add('"');
      } else {
        take(line[i]);
      }
    }
  }

  // 1'000: no character literal.
  static bool digit_before(const std::string& line, std::size_t i) {
    return i > 0 && std::isalnum(static_cast<unsigned char>(line[i - 1])) != 0;
  }

  static std::size_t end_of_literal(const std::string& line, std::size_t i) {
    const char quote = line[i];
    for (++i; i < line.size() && line[i] != quote; ++i)
      if (line[i] == '\\') ++i;
    return i;
  }

  void take(char c) {
    if (c == '{') {
      open();
    } else if (c == '}') {
      close();
    } else if (c == ';' && parentheses_ == 0) {
      forget();
    } else {
      parentheses_ += c == '(' ? 1 : c == ')' ? -1 : 0;
      add(c);
      if (c == ':' && std::regex_match(text_, access_)) forget();
    }
  }

  void add(char c) {
    if (text_.empty() && c != ' ') first_ = line_;
    if (!text_.empty() || c != ' ') text_ += c;
  }

  void forget() {
    text_.clear();
    parentheses_ = 0;
  }

  void open() {
    const auto scope = scope_of();
    scopes_.push_back({scope, first_, parentheses_});
    if (scope != Scope::member_init) forget();
  }

  Scope scope_of() const {
    const auto outside = scopes_.empty() ? Scope::outer : scopes_.back().scope;
    if (outside != Scope::outer) return outside == Scope::member_init ? outside : Scope::block;
    if (parentheses_ != 0) return Scope::block;
    if (std::regex_search(text_, initialises_) && ends_with_name()) return Scope::member_init;
    if (!std::regex_search(text_, type_) && text_.find(')') != std::string::npos)
      return Scope::function;
    return text_.find('=') == std::string::npos ? Scope::outer : Scope::block;
  }

  bool ends_with_name() const {
    const auto last = text_.find_last_not_of(' ');
    return last != std::string::npos &&
           (std::isalnum(static_cast<unsigned char>(text_[last])) != 0 || text_[last] == '_' ||
            text_[last] == '>');
  }

  void close() {
    if (scopes_.empty()) return;
    const auto scope = scopes_.back();
    scopes_.pop_back();
    if (scope.scope == Scope::member_init) return add('}');
    if (scope.scope == Scope::function) found_.push_back({scope.first, line_});
    forget();
    parentheses_ = scope.parentheses;
  }

  struct Open {
    Scope scope;
    std::size_t first;
    int parentheses;
  };

  const std::regex access_{R"(\s*(public|private|protected)\s*:)"};
  const std::regex initialises_{R"(\)[^:()]*[^:]:(?!:))"};
  const std::regex type_{R"(^[^()]*\b(namespace|class|struct|union|enum)\b[^()]*$)"};
  std::vector<Open> scopes_;
  std::vector<Function> found_;
  std::string text_, raw_end_;  // text_: since the last ; { or }
  std::size_t line_ = 0, first_ = 0;
  int parentheses_ = 0;
  bool comment_ = false;
};

}  // namespace

std::vector<Function> functions_of(const std::vector<std::string>& lines) {
  return Reader().read(lines);
}

}  // namespace memseal::tidy
