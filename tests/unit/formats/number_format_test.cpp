// Numbers as the cells of spreadsheets show them.
#include "extract/number_format.hpp"

#include <gtest/gtest.h>

namespace memseal::extract {
namespace {

TEST(NumberFormats, ShowWhatAPersonReads) {
  const struct {
    const char *value, *code, *shown;
  } rows[] = {
      {"36", "General", "36"},
      {"0.30000000000000004", "General", "0.3"},
      {"1.0000000000000001E-2", "General", "0.01"},
      {"12345678901234567890", "General", "12345678901234567890"},
      {"Ada", "d/m/yy", "Ada"},
      {"", "d/m/yy", ""},
      {"45990", "dd.mm.yyyy", "2025-11-29"},
      {"45990.75", "m/d/yy", "2025-11-29"},
      {"45990", "mmm", "2025-11-29"},
      {"45990.604166666664", "d/m/yy h:mm", "2025-11-29 14:30"},
      {"45990.604166666664", "yyyy\\-mm\\-dd\\ hh:mm:ss", "2025-11-29 14:30:00"},
      {"45990.999999", "yyyy-mm-dd hh:mm", "2025-11-30 00:00"},
      {"45990.99999996528", "yyyy-mm-dd", "2025-11-29"},
      {"0.604224537037037", "h:mm:ss AM/PM", "14:30:05"},
      {"0.5", "mm:ss", "12:00:00"},
      {"1.1041666666666667", "[h]:mm", "26:30"},
      {"0.5", "[$-409]h:mm\\ AM/PM;@", "12:00"},
      {"1", "d.m.yyyy", "1900-01-01"},
      {"59", "d.m.yyyy", "1900-02-28"},
      {"60", "d.m.yyyy", "1900-02-29"},
      {"61", "d.m.yyyy", "1900-03-01"},
      {"2958465", "d.m.yyyy", "9999-12-31"},
      {"2958466", "d.m.yyyy", "2958466"},
      {"0", "d.m.yyyy", "0"},
      {"-3", "d.m.yyyy", "-3"},
      {"1e300", "d.m.yyyy", "1e300"},
      {"nan", "d.m.yyyy", "nan"},
      {"0.125", "0%", "13%"},
      {"0.125", "0.0%", "12.5%"},
      {"0.145", "0%", "15%"},
      {"0.285", "0%", "29%"},
      {"0.14499", "0%", "14%"},
      {"-0.565", "0%", "-57%"},
      {"-0.5", "0.00%;[Red]-0.00%", "-50.00%"},
      {"1e20", "0%", "1e20"},
      {"1234.5", "#,##0.00\\ \"days\"", "1234.5"},
      {"7", "[Red]#,##0", "7"},
      {"7", "0_d", "7"},
      {"7", "\"day\" 0", "7"},
      {"45990", "\"day", "45990"},
      {"45990", "[", "45990"},
      {"45990", "\\", "45990"},
      {"45990", "", "45990"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(shown_number(row.value, format_of_code(row.code), false), row.shown)
        << row.value << " as " << row.code;
}

TEST(NumberFormats, CountFrom1904WhereTheWorkbookDoes) {
  EXPECT_EQ(shown_number("0", built_in_format(14), true), "1904-01-01");
  EXPECT_EQ(shown_number("44528", built_in_format(14), true), "2025-11-29");
  EXPECT_EQ(shown_number("2957003", built_in_format(14), true), "9999-12-31");
  EXPECT_EQ(shown_number("2957004", built_in_format(14), true), "2957004");
}

TEST(NumberFormats, ThatDependOnALanguageAreToldByTheValue) {
  for (const int id : {34, 35, 52, 53, 55, 56}) {
    EXPECT_EQ(shown_number("45292", built_in_format(id), false), "2024-01-01") << id;
    EXPECT_EQ(shown_number("0.6041666666666666", built_in_format(id), false), "14:30") << id;
  }
}

TEST(NumberFormats, OfBuiltInIdsAreThoseOfTheirCodes) {
  const std::pair<int, const char*> rows[] = {
      {0, "General"},  {1, "0"},          {4, "#,##0.00"},     {9, "0%"},
      {10, "0.00%"},   {14, "mm-dd-yy"},  {17, "mmm-yy"},      {18, "h:mm AM/PM"},
      {20, "h:mm"},    {21, "h:mm:ss"},   {22, "m/d/yy h:mm"}, {45, "mm:ss"},
      {46, "[h]:mm:ss"}, {49, "@"}};
  for (const auto& [id, code] : rows)
    EXPECT_EQ(built_in_format(id), format_of_code(code)) << id << " " << code;
}

}  // namespace
}  // namespace memseal::extract
