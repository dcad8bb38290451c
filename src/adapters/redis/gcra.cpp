#include "adapters/redis/limiter.hpp"

namespace memseal::redis {

// Lua's numbers are doubles. They are exact here, because every value stays below 2^53.
// The key's value is the time at which the bucket will be full. A value that is no number counts
// as a bucket full of tokens.
std::string_view gcra_script() noexcept {
  return R"lua(local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local token = tonumber(ARGV[2])
local full = tonumber(ARGV[1]) * token
local full_at = tonumber(redis.call('GET', KEYS[1]) or now) or now
local known = math.min(math.max(full_at - now, 0), full)
local debt = math.min(math.max(known, tonumber(ARGV[3])), full)
local spare = full - debt - token
local allowed = 0
if spare >= 0 then
  allowed = 1
  debt = debt + token
end
if debt > known then
  redis.call('SET', KEYS[1], string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000) + 1)
end
return {allowed, math.max(math.floor(spare / token), 0), math.ceil(debt / 1000000),
        math.max(math.ceil(-spare / 1000000), 0), debt}
)lua";
}

}  // namespace memseal::redis
