#include "adapters/haproxy/internal/replies.hpp"
#include "adapters/haproxy/internal/runtime_socket.hpp"

#include <gtest/gtest.h>

namespace memseal::haproxy {
namespace {

TEST(HaproxyReplies, NameTheFilesOfMaps) {
  EXPECT_EQ(read_map_files("# id (file) description\n"
                           "1 (/etc/maps/slots.map) pattern loaded from file '/etc/maps/slots.map' "
                           "used by map at file 'h.cfg' line 49 (x). curr_ver=0\n"
                           "-1 () acl 'nbsrv' file 'h.cfg' line 77\n"
                           "2 (/etc/maps/dial.map) pattern\n\n"),
            (std::vector<std::string>{"/etc/maps/slots.map", "/etc/maps/dial.map"}));
  EXPECT_TRUE(read_map_files("Permission denied\n").empty());
  EXPECT_TRUE(read_map_files("1 (").empty());
  EXPECT_TRUE(read_map_files("1 ) (\n").empty());
}

const std::string entries =
    "0x559c limit 500\n0x559d lease 1700000000\n\n0x55aa stable a\n0x55ab canary b\n0x55ac salt "
    "rollout-1\n\n";

TEST(HaproxyReplies, HoldTheState) {
  const auto state = read_traffic_state(read_map_entries(entries));
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(*state, (ports::TrafficState{.users = 500,
                                         .lease_until_s = 1'700'000'000,
                                         .rollout = "rollout-1"}));
}

TEST(HaproxyReplies, RefuseAStateThatCannotBe) {
  const auto changed = [](const std::string& from, const std::string& to) {
    auto text = entries;
    text.replace(text.find(from), from.size(), to);
    return read_traffic_state(read_map_entries(text));
  };
  EXPECT_TRUE(changed("limit 500", "limit 10000"));
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"limit 500", "limit 10001"},
           {"limit 500", "limit -1"},
           {"limit 500", "limit 5x"},
           {"limit 500", "limit 99999999999999999999"},
           {"limit 500", "limit"},
           {"lease 1700000000", "lease soon"},
           {"stable a", "stable c"},
           {"canary b", "kanary b"},
           {"salt", "sugar"},
           {"0x559c", "559c"}}) {
    const auto state = changed(from, to);
    ASSERT_FALSE(state) << to;
    EXPECT_EQ(state.error().code, Errc::bad_config) << to;
  }
}

const std::string statistics =
    "# pxname,svname,scur,stot,hrsp_5xx,srv_abrt,\n"
    "slot_a,BACKEND,1,20,3,4,\n"
    "slot_b,b1,9,9,9,9,\n"
    "slot_b,BACKEND,5,60,,8,\n\n";

TEST(HaproxyReplies, HoldTheCountsOfABackend) {
  const auto a = read_backend_counts(statistics, "slot_a");
  ASSERT_TRUE(a) << a.error().message;
  EXPECT_EQ(a->requests, 20u);
  EXPECT_EQ(a->server_errors, 3u);
  EXPECT_EQ(a->cut, 4u);
  EXPECT_EQ(a->active, 1u);
  const auto b = read_backend_counts(statistics, "slot_b");
  ASSERT_TRUE(b) << b.error().message;
  EXPECT_EQ(b->requests, 60u) << "of the backend, not of one server";
  EXPECT_EQ(b->server_errors, 0u);
}

TEST(HaproxyReplies, RefuseCountsThatAreNotThere) {
  for (const std::string text :
       {"", "\n", "Permission denied\n", "# pxname,svname\n", "# pxname,svname,scur,stot\nslot_a,",
        "# pxname,svname,scur,stot,hrsp_5xx,srv_abrt\nslot_a,BACKEND,1,20,3",
        "# pxname,svname,scur,stot,hrsp_5xx,srv_abrt\nslot_a,BACKEND,1,20,3,many",
        "# pxname,svname,scur,stot,hrsp_5xx,srv_abrt\nslot_a,BACKEND,1,20,3,-4",
        "# svname\nBACKEND\n"})
    EXPECT_FALSE(read_backend_counts(text, "slot_a")) << text;
  EXPECT_FALSE(read_backend_counts(statistics, "slot_c"));
}

TEST(HaproxyAddress, IsASocketOrAHostAndAPort) {
  const auto text = [](std::string_view address) {
    const auto parsed = RuntimeAddress::parse(address);
    return parsed ? parsed->text() : "refused";
  };
  EXPECT_EQ(text("/run/haproxy.sock"), "/run/haproxy.sock");
  EXPECT_EQ(text("unix:/run/haproxy.sock"), "/run/haproxy.sock");
  EXPECT_EQ(text("127.0.0.1:9999"), "127.0.0.1:9999");
  for (const auto& bad : {std::string(), std::string("haproxy.sock"), std::string("host:"),
                                std::string(":99"), std::string("host:0"),
                                "/" + std::string(107, 'x')})
    EXPECT_EQ(text(bad), "refused") << bad;
}

TEST(HaproxyAddress, WithoutAListenerIsAnOutage) {
  const auto address = RuntimeAddress::parse("/nowhere/haproxy.sock").value();
  EXPECT_THROW(ask_runtime(address, "show map"), Outage);
}

TEST(Rollouts, HaveNamesThatAMapCanHold) {
  EXPECT_TRUE(is_rollout_name("rollout-1a"));
  for (const auto& bad : {std::string(), std::string("a b"), std::string("a;b"),
                          std::string("a\n"), std::string(65, 'a')})
    EXPECT_FALSE(is_rollout_name(bad)) << bad;
}

}  // namespace
}  // namespace memseal::haproxy
