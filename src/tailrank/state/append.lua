-- Stores events in one user's list, oldest first.
-- KEYS[1]: the list. ARGV: how many to keep; the time before which events have expired; for how long events
-- are kept, 0 for ever; the time after which no event can have happened; then the events. Times are in
-- milliseconds.
-- An event is: time (6 bytes), length of its type (2 bytes), type, then its identity: digest (4 bytes) and
-- item. What else is in the list, somebody else wrote: it is dropped.
local key, kept, oldest, ttl = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local latest, first_new = tonumber(ARGV[4]), 5

local function time(event)
  return (struct.unpack('>I6', event))
end

local function type_size(event)
  return (struct.unpack('>H', event, 7))
end

local function identity(event)
  return string.sub(event, 9 + type_size(event))
end

local found = redis.call('LRANGE', key, 0, -1)
local events, known, fresh = {}, {}, {}
for _, event in ipairs(found) do
  if #event > 8 and type_size(event) > 0 and #identity(event) > 4 then
    table.insert(events, event)
    known[identity(event)] = true
  end
end
local held = #events
local at_the_end = held == #found
if held > 0 and time(events[held]) > latest then
  -- Older versions stored them: they count as no later than the one before, or than all that is new.
  local before = ARGV[first_new]
  for i = first_new, #ARGV do
    before = time(ARGV[i]) < time(before) and ARGV[i] or before
  end
  for at, event in ipairs(events) do
    if time(event) > latest then
      events[at] = string.sub(before, 1, 6) .. string.sub(event, 7)
    end
    before = events[at]
  end
  at_the_end = false
end
for i = first_new, #ARGV do
  local event = ARGV[i]
  if not known[identity(event)] then
    known[identity(event)] = true
    fresh[event] = true
    local at = #events + 1
    while at > 1 and time(events[at - 1]) > time(event) do
      at = at - 1
    end
    at_the_end = at_the_end and at > held
    table.insert(events, at, event)
  end
end

local first = math.max(1, #events - kept + 1)
while first <= #events and time(events[first]) < oldest do
  first = first + 1
end
local new = 0
for at = first, #events do
  new = new + (fresh[events[at]] and 1 or 0)
end
if new == 0 then
  return 0
end
if at_the_end then
  redis.call('RPUSH', key, unpack(events, math.max(first, held + 1)))
  redis.call('LTRIM', key, first - #events - 1, -1)
else
  redis.call('DEL', key)
  redis.call('RPUSH', key, unpack(events, first))
end
if ttl > 0 then
  redis.call('PEXPIREAT', key, time(events[#events]) + ttl)
else
  redis.call('PERSIST', key)
end
return new
