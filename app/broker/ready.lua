-- What waits in queues that no worker has fetched.
-- KEYS: the queues, as the lists of priority step 0. ARGV: separator, then the priority steps.
-- Returns for each queue its length over all steps, and when the oldest of the messages that are
-- next in line was published (seconds since the epoch, as text), or ''.

-- Either stamp is a JSON number. Quotes inside of JSON strings are escaped, so that no argument
-- of a task can pass for a stamp.
local function published_at(message)
  return message:match('"celeriac_published_at": *([%d.]+)')
    or message:match('"timestamp": *([%d.]+)')
end

local function is_earlier(stamp, than)
  return stamp and (than == '' or tonumber(stamp) < tonumber(than))
end

local found = {}
for _, queue in ipairs(KEYS) do
  local length, oldest = 0, ''
  for step = 2, #ARGV do
    local list = ARGV[step] == '0' and queue or queue .. ARGV[1] .. ARGV[step]
    local count = redis.pcall('LLEN', list)
    -- A key that is no list holds no message: kombu could not have put one there.
    if type(count) == 'number' and count > 0 then
      length = length + count
      local stamp = published_at(redis.call('LINDEX', list, -1))
      if is_earlier(stamp, oldest) then oldest = stamp end
    end
  end
  found[#found + 1] = length
  found[#found + 1] = oldest
end
return found
