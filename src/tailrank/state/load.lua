-- Stores the whole history of a user who has none; else returns what there is, unless it is the same.
-- KEYS[1]: the list. ARGV: the time at which it expires, in milliseconds, 0 for never; the events, oldest first,
-- each after its length in 2 bytes.
local key, expires, packed = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local events, at = {}, 1
while at <= #packed do
  events[#events + 1], at = struct.unpack('>I2c0', packed, at)
end
local found = redis.call('LRANGE', key, 0, -1)
if #found == 0 then
  redis.call('RPUSH', key, unpack(events))
  if expires > 0 then
    redis.call('PEXPIREAT', key, expires)
  end
  return #events
end
for i = 1, math.max(#found, #events) do
  if found[i] ~= events[i] then
    return found
  end
end
return 0
