#include "base/assert.hpp"
#include "base/ids.hpp"
#include "base/on_exit.hpp"
#include "base/result.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace memseal {
namespace {

TEST(UserId, Has1To256BytesAndKeepsThem) {
  EXPECT_EQ(UserId::parse("").error().code, Errc::event_without_user);
  EXPECT_EQ(UserId::parse(std::string(257, 'a')).error().code, Errc::event_without_user);
  EXPECT_TRUE(UserId::parse(std::string(256, 'a')));
  const std::string odd("a\0b \xc3\xa9", 6);
  EXPECT_EQ(UserId::parse(odd).value().value(), odd);
  EXPECT_NE(UserId::parse("Ann").value(), UserId::parse("ann").value());
}

TEST(Origin, EachNameReadsBackAndNothingElseDoes) {
  std::set<std::string_view> names;
  for (const auto origin : origins) {
    names.insert(origin_name(origin));
    EXPECT_EQ(parse_origin(origin_name(origin)), origin);
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"api", "chat", "upload"}))
      << "the database, the API and the metrics hold these texts";
  for (const std::string_view other : {"", "Chat", "uploads", "api "})
    EXPECT_EQ(parse_origin(other), std::nullopt) << other;
}

TEST(DocId, Has1To255BytesWithoutControlCharacters) {
  EXPECT_TRUE(DocId::parse(std::string(255, 'd')));
  EXPECT_TRUE(DocId::parse("notes/2024 \xc3\xa9.md"));
  for (const auto& bad : {std::string(), std::string(256, 'd'), std::string("a\nb"),
                          std::string("a\0b", 3), std::string("\x7f"), std::string("\x1f")})
    EXPECT_EQ(DocId::parse(bad).error().code, Errc::invalid_field) << bad.size();
}

TEST(Uuid, ReadsWhatItPrintsInEitherCase) {
  const std::string lower = "0a1b2c3d-4e5f-8a6b-9c7d-0123456789ab";
  const auto uuid = Uuid::parse(lower).value();
  EXPECT_EQ(uuid.to_string(), lower);
  EXPECT_EQ(Uuid::parse("0A1B2C3D-4E5F-8A6B-9C7D-0123456789AB").value(), uuid);
  EXPECT_EQ(uuid.bytes[0], 0x0a);
  EXPECT_EQ(uuid.bytes[15], 0xab);
  EXPECT_EQ(Uuid{}.to_string(), "00000000-0000-0000-0000-000000000000");
}

TEST(Uuid, RefusesEveryOtherForm) {
  for (const char* bad :
       {"", "0a1b2c3d", "0a1b2c3d4e5f8a6b9c7d0123456789ab",
        "{0a1b2c3d-4e5f-8a6b-9c7d-0123456789ab}", "0a1b2c3d-4e5f-8a6b-9c7d-0123456789a",
        "0a1b2c3d-4e5f-8a6b-9c7d-0123456789abc", "0a1b2c3d-4e5f-8a6b-9c7d-0123456789ag",
        "0a1b2c3d+4e5f-8a6b-9c7d-0123456789ab", "0a1b2c3-d4e5f-8a6b-9c7d-0123456789ab",
        "0a1b2c3d-4e5f-8a6b-9c7d-01234567 9ab", "-a1b2c3d-4e5f-8a6b-9c7d-0123456789ab"})
    EXPECT_EQ(Uuid::parse(bad).error().code, Errc::invalid_field) << bad;
}

TEST(UserHash, PrintsAs64LowerCaseDigitsAndShowsLogsOnly8) {
  UserHash hash;
  hash.bytes[0] = 0xAB;
  hash.bytes[31] = 0x01;
  EXPECT_EQ(hash.to_hex(), "ab" + std::string(60, '0') + "01");
  EXPECT_EQ(hash.prefix(), "ab000000");
  EXPECT_LT(UserHash{}, hash);
}

TEST(Hex, WritesTwoDigitsAByte) {
  const std::uint8_t bytes[] = {0x00, 0x0f, 0xf0, 0xff};
  EXPECT_EQ(to_hex(bytes, 4), "000ff0ff");
  EXPECT_EQ(to_hex(bytes, 0), "");
}

TEST(OnExit, RunsOnceAtTheEndUnlessCancelled) {
  int runs = 0;
  {
    const OnExit count([&] { ++runs; });
    EXPECT_EQ(runs, 0);
  }
  EXPECT_EQ(runs, 1);
  {
    OnExit count([&] { ++runs; });
    count.cancel();
  }
  EXPECT_EQ(runs, 1);
  try {
    const OnExit count([&] { ++runs; });
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(runs, 2);
}

TEST(Errc, HasANameOfItsOwnForEveryError) {
  std::set<std::string_view> names;
  for (const auto& row : errc_table) {
    const auto name = errc_name(row.code);
    EXPECT_TRUE(names.insert(name).second) << name << " stands for two errors";
    EXPECT_TRUE(std::all_of(name.begin(), name.end(), [](char c) {
      return c == '_' || (c >= 'a' && c <= 'z');
    })) << name;
  }
  EXPECT_EQ(names.size(), errc_count);
}

TEST(Errc, IsFoundByItsNameAndByNoOther) {
  for (const auto& row : errc_table) EXPECT_EQ(find_errc(row.name), &errc_row(row.code));
  for (const auto* none : {"", "TIMEOUT", "timeouts", "timeou", "a_code_of_a_newer_release"})
    EXPECT_EQ(find_errc(none), nullptr) << none;
}

TEST(Errc, OnlyWhatPassesByItselfIsTransient) {
  const std::set<Errc> transient{Errc::overloaded, Errc::timeout, Errc::cancelled,
                                 Errc::shutting_down, Errc::unavailable};
  for (const auto& row : errc_table) {
    EXPECT_EQ(row.transient(), transient.contains(row.code)) << row.name;
    EXPECT_TRUE(row.retryable || !row.transient()) << row.name;
  }
}

TEST(Errc, AFaultOfTheSetUpIsNotRetryableAndBlamesNoEvent) {
  // A key that is missing or damaged is one tenant's fault, not everybody's.
  const std::set<Errc> setup{Errc::no_model,   Errc::model_invalid, Errc::model_unsupported,
                             Errc::bad_config, Errc::not_migrated,  Errc::dimension_mismatch,
                             Errc::not_isolated};
  for (const auto& row : errc_table) {
    EXPECT_EQ(row.setup(), setup.contains(row.code)) << row.name;
    EXPECT_FALSE(row.setup() && row.retryable) << row.name;
  }
}

TEST(Result, ThrowsAnOutageWhenTheMissingValueMayComeLater) {
  const Result<int> failed = Error{Errc::timeout, "too slow"};
  try {
    (void)failed.value();
    FAIL() << "no exception";
  } catch (const Outage& outage) {
    EXPECT_EQ(outage.error().code, Errc::timeout);
    EXPECT_STREQ(outage.what(), "too slow");
  }
  EXPECT_EQ(Result<int>(4).value(), 4);
}

TEST(Result, ThrowsARefusedWhenTheMissingValueNeverComes) {
  for (const auto& row : errc_table) {
    const Result<int> failed = Error{row.code, "why"};
    if (row.transient())
      EXPECT_THROW((void)failed.value(), Outage) << row.name;
    else
      EXPECT_THROW((void)failed.value(), Refused) << row.name;
    try {
      (void)failed.value();
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.error(), failed.error()) << row.name;
    }
  }
}

TEST(FailureDeathTest, AnOutageIsTransientAndARefusedIsNot) {
  EXPECT_DEATH(throw Outage({Errc::tenant_erased, "erased"}), "transient");
  EXPECT_DEATH(throw Refused({Errc::timeout, "late"}), "transient");
}

TEST(AssertDeathTest, EndsTheProcessAndNamesThePlace) {
  EXPECT_DEATH(MEMSEAL_ASSERT(1 > 2), "assertion failed: 1 > 2 \\(.*base_test.cpp");
  MEMSEAL_ASSERT(2 > 1);
}

}  // namespace
}  // namespace memseal
