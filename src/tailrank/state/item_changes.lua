-- Reads a page of changes: the version, then a version and a change in turn; no change for one that was lost.
-- KEYS: the version; each item's latest change; the items by the version of that change.
-- ARGV: the version after which to read; how many changes at most.
local version, last = redis.call('GET', KEYS[1]), redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')[2]
if last and not version then -- it was evicted
  version = last
  redis.call('SET', KEYS[1], version)
end
version = tonumber(version or 0)
-- A version from before all was evicted: what came since counts anew.
local since = tonumber(ARGV[1]) > version and '0' or ARGV[1]
local found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local page = {version}
for i = 1, #found, 2 do
  table.insert(page, tonumber(found[i + 1]))
  table.insert(page, redis.call('HGET', KEYS[2], found[i]))
end
return page
