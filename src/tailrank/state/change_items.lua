-- Stores the latest change of each item.
-- KEYS: the version; each item's latest change; the items by the version of that change.
-- ARGV: an item and its change, and so on.
local last = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2]
-- The greater one: either key may have been evicted.
local version = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(last or 0))
for i = 1, #ARGV, 2 do
  version = version + 1
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[3], version, ARGV[i])
end
redis.call('SET', KEYS[1], version)
return version
