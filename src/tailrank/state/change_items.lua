-- Stores the latest change of each item.
-- KEYS: the version; each item's latest change; the items by the version of that change.
-- ARGV: an item and its change, and so on.
for i = 1, #ARGV, 2 do
  local version = redis.call('INCR', KEYS[1])
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[3], version, ARGV[i])
end
return tonumber(redis.call('GET', KEYS[1]) or 0)
