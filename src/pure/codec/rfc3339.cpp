#include "pure/codec/rfc3339.hpp"

#include "base/assert.hpp"

#include <chrono>
#include <cstdio>

namespace memseal::codec {

namespace {

using namespace std::chrono;

/// Reads from the front of a text; any mismatch sticks.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  int digits(int count) {
    int value = 0;
    for (int i = 0; i < count; ++i) {
      const char c = next();
      if (c < '0' || c > '9') ok_ = false;
      value = value * 10 + (c - '0');
    }
    return value;
  }

  void expect(char wanted) { ok_ = next() == wanted && ok_; }
  void expect_either(char one, char other) {
    const char c = next();
    ok_ = (c == one || c == other) && ok_;
  }

  bool skip(char wanted) {
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  bool at_digit() const { return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; }
  bool ok() const { return ok_; }
  bool ended() const { return at_ == text_.size(); }

  char next() {
    if (at_ < text_.size()) return text_[at_++];
    ok_ = false;
    return '\0';
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// The unit is 0 from the fourth digit on. Such digits are read, because the format allows any
// number of them, and add nothing.
std::int64_t read_fraction_ms(Cursor& in) {
  if (!in.skip('.')) return 0;
  std::int64_t fraction_ms = in.digits(1) * 100;
  for (int unit_ms = 10; in.at_digit(); unit_ms /= 10) fraction_ms += unit_ms * in.digits(1);
  return fraction_ms;
}

/// Minutes east of UTC; nothing when malformed.
std::optional<int> read_offset(Cursor& in) {
  const char sign = in.next();
  if (sign == 'Z' || sign == 'z') return 0;
  if (sign != '+' && sign != '-') return std::nullopt;
  const int hours = in.digits(2);
  in.expect(':');
  const int minutes = in.digits(2);
  // `-00:00` is allowed. It means that the local offset is unknown (RFC 3339, section 4.3), and the
  // time is UTC all the same.
  if (!in.ok() || hours > 23 || minutes > 59) return std::nullopt;
  const int total = hours * 60 + minutes;
  return sign == '-' ? -total : total;
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view text) noexcept {
  Cursor in(text);
  const int y = in.digits(4);
  in.expect('-');
  const int m = in.digits(2);
  in.expect('-');
  const int d = in.digits(2);
  in.expect_either('T', 't');
  const int hour = in.digits(2);
  in.expect(':');
  const int minute = in.digits(2);
  in.expect(':');
  const int second = in.digits(2);
  if (!in.ok()) return std::nullopt;
  const auto fraction_ms = read_fraction_ms(in);
  const auto offset = read_offset(in);
  if (!offset || !in.ok() || !in.ended()) return std::nullopt;

  const year_month_day date{year{y}, month{static_cast<unsigned>(m)},
                            day{static_cast<unsigned>(d)}};
  // date.ok() knows the lengths of months and leap years, so 30 February is refused.
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const auto minutes_of_day = hour * 60 + minute;
  const bool leap = second == 60;
  // A leap second exists at 23:59:60 UTC only, which is another minute at any other offset. The
  // second `% 1440` makes a negative remainder positive.
  const auto utc_minute = ((minutes_of_day - *offset) % 1440 + 1440) % 1440;
  if (leap && utc_minute != 1439) return std::nullopt;
  const std::int64_t days = sys_days(date).time_since_epoch().count();
  const std::int64_t seconds = days * 86'400 + (minutes_of_day - *offset) * 60 + second;
  // A leap second counts as the second after it. Its fraction is dropped: with it, 23:59:60.9 would
  // come after the 00:00:00.5 that follows.
  const auto time_ms = seconds * 1'000 + (leap ? 0 : fraction_ms);
  if (time_ms < rfc3339_ms_min || time_ms > rfc3339_ms_max) return std::nullopt;
  return time_ms;
}

std::string format_rfc3339(std::int64_t time_ms) {
  MEMSEAL_ASSERT(time_ms >= rfc3339_ms_min && time_ms <= rfc3339_ms_max);
  const auto point = sys_time<milliseconds>(milliseconds(time_ms));
  const auto midnight = floor<days>(point);
  const year_month_day date(midnight);
  const hh_mm_ss clock(point - midnight);
  char text[40];
  std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

}  // namespace memseal::codec
