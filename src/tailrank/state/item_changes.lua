-- Reads a page of changes: the version, then a version and a change in turn.
-- KEYS: the version; each item's latest change; the items by the version of that change.
-- ARGV: the version after which to read; how many changes at most.
local found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local page = {tonumber(redis.call('GET', KEYS[1]) or 0)}
for i = 1, #found, 2 do
  table.insert(page, tonumber(found[i + 1]))
  table.insert(page, redis.call('HGET', KEYS[2], found[i]))
end
return page
