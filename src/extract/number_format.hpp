#pragma once
// How the cells of spreadsheets and charts show their numbers.
#include <string>
#include <string_view>

namespace memseal::extract {

/// What a number means. Source: ECMA-376 part 1, 18.8.30 (numFmt).
struct NumberFormat {
  enum class Kind {
    general, date, time, date_time, elapsed, percent,
    date_or_time,  ///< by the language of who wrote it: below one day it is a time
  };
  Kind kind = Kind::general;
  int decimals = 0;         ///< of a percentage
  bool has_seconds = false;  ///< of a time

  bool operator==(const NumberFormat&) const = default;
};

/// The format that an id below 164 stands for, also those of Chinese, Japanese, Korean and Thai;
/// general where it stands for none of the kinds.
NumberFormat built_in_format(int id);

/// Of a format code, as "[$-409]d/m/yy h:mm;@": its first section decides, which is that of
/// positive numbers.
NumberFormat format_of_code(std::string_view code);

/// `value`, the number as the file holds it, as a person reads it: dates as 2026-11-29, times as
/// 14:30 or 14:30:05, both parted by a blank, elapsed times as 26:30, percentages as 12.5% with a
/// half rounded away from zero, other fractions with 15 digits. Days count from 1900-01-00, or from
/// 1904-01-01 where `since_1904`. `value` itself where it is no number, or no date that there is.
std::string shown_number(std::string_view value, const NumberFormat& format, bool since_1904);

}  // namespace memseal::extract
