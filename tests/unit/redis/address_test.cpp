#include "adapters/redis/link.hpp"

#include <gtest/gtest.h>

namespace memseal::redis {
namespace {

std::string text_of(const SecretBytes& secret) {
  return {secret.view().begin(), secret.view().end()};
}

TEST(Address, ReadsUrlsOfEveryShape) {
  const auto plain = Address::parse("redis://cache");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "cache");
  EXPECT_EQ(plain->port, 6379);
  EXPECT_EQ(plain->db, 0);
  EXPECT_TRUE(plain->user.empty());
  EXPECT_TRUE(plain->password.empty());

  const auto full = Address::parse("redis://me:p%40ss%3A%2f%25@10.0.0.7:7000/3");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->host, "10.0.0.7");
  EXPECT_EQ(full->port, 7000);
  EXPECT_EQ(full->db, 3);
  EXPECT_EQ(full->user, "me");
  EXPECT_EQ(text_of(full->password), "p@ss:/%");

  const auto six = Address::parse("redis://:pw@[::1]:7000/");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->port, 7000);
  EXPECT_EQ(text_of(six->password), "pw");
  EXPECT_EQ(Address::parse("redis://[fe80::2]")->host, "fe80::2");
  EXPECT_EQ(text_of(Address::parse("redis://:a@b@host")->password), "a@b");
}

TEST(Address, RefusesWhatIsMalformedWithoutRepeatingIt) {
  for (const std::string_view url : {"",
                                     "cache",
                                     "http://cache",
                                     "redis:/cache",
                                     "redis://",
                                     "redis://:pw@",
                                     "redis://secret@host",
                                     "redis://:secret%4@host",
                                     "redis://:secret%zz@host",
                                     "redis://host:",
                                     "redis://host:0",
                                     "redis://host:65536",
                                     "redis://host:-1",
                                     "redis://host:1x",
                                     "redis://host:1:2",
                                     "redis://host/x",
                                     "redis://host/-1",
                                     "redis://host/1/2",
                                     "redis://host/99999999999",
                                     "redis://[::1",
                                     "redis://[]",
                                     "redis://[::1]7000",
                                     "redis://a b",
                                     "redis://host?secret=1x:"}) {
    const auto address = Address::parse(url);
    ASSERT_FALSE(address) << url;
    EXPECT_EQ(address.error().code, Errc::bad_config);
    EXPECT_EQ(address.error().message.find("secret"), std::string::npos) << url;
  }
}

TEST(Address, RefusesTlsWithAMend) {
  const auto address = Address::parse("rediss://host");
  ASSERT_FALSE(address);
  EXPECT_NE(address.error().message.find("TLS tunnel"), std::string::npos);
}

}  // namespace
}  // namespace memseal::redis
