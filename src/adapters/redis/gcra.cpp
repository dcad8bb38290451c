#include "adapters/redis/limiter.hpp"

namespace memseal::redis {

// Lua's numbers are doubles. They are exact here, because every value stays below 2^53.
// A key's value is the time at which the bucket will be full. A value that is no number counts
// as a bucket full of tokens. All keys are of one user and have one hash tag, so that a cluster
// keeps them on one server.
std::string_view gcra_script() noexcept {
  return R"lua(local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local allowed = 1
local limits = {}
for i, key in ipairs(KEYS) do
  local at = 4 * i - 3
  local token = tonumber(ARGV[at + 1])
  local full = tonumber(ARGV[at]) * token
  local full_at = tonumber(redis.call('GET', key) or now) or now
  local known = math.min(math.max(full_at - now, 0), full)
  local debt = math.min(math.max(known, tonumber(ARGV[at + 2])), full)
  local cost = math.min(tonumber(ARGV[at + 3]) * token, full)
  local spare = full - debt - cost
  if spare < 0 then
    allowed = 0
  end
  limits[i] = {token = token, full = full, known = known, debt = debt, cost = cost, spare = spare}
end
local answer = {allowed}
for i, key in ipairs(KEYS) do
  local limit = limits[i]
  local debt = limit.debt
  if allowed == 1 then
    debt = debt + limit.cost
  end
  if debt > limit.known then
    redis.call('SET', key, string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000) + 1)
  end
  answer[#answer + 1] = math.floor((limit.full - debt) / limit.token)
  answer[#answer + 1] = math.ceil(debt / 1000000)
  answer[#answer + 1] = math.max(math.ceil(-limit.spare / 1000000), 0)
  answer[#answer + 1] = debt
end
return answer
)lua";
}

}  // namespace memseal::redis
