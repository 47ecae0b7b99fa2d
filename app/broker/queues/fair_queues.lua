-- Adds messages that wait for their owner's turn, and moves those whose turn it is into their queue.
-- KEYS[1]: the queue, as the list of priority 0. ARGV: separator; messages that may be ahead of the
-- workers; credit; 1 if a worker has received a message of the queue; then, to add messages, their
-- owner, its weight, how many of its messages workers may have at once (0: any number), their
-- priority, and the messages.
--
-- Start-time fair queueing: an owner's tag grows by 1 / weight with each message, the smallest tag
-- is next, and the clock of the queue is the last tag that was served. An owner that comes back is
-- `credit` messages ahead at most.

local queue, separator = KEYS[1], ARGV[1]
local bound, credit, received = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local owner, weight, most, priority = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local FIRST_MESSAGE = 9
local LAST_PRIORITY = 9

local WAITING = 'celeriac:fair:waiting'
local AHEAD = 'celeriac:fair:ahead'
local CLOCK = 'celeriac:fair:clock'
local WEIGHTS = 'celeriac:fair:weights'
local MOST = 'celeriac:fair:most'
local RUNNING = 'celeriac:fair:running:'
local TURNS = 'celeriac:fair:turns:' .. queue
local TAGS = 'celeriac:fair:tags:' .. queue
local TAGS_EXPIRE_S = 86400

local function ready_list(number)
  return number == 0 and queue or queue .. separator .. number
end

local function held_list(who, number)
  return 'celeriac:fair:held:' .. queue .. separator .. who .. separator .. number
end

local function number_in(hash, field)
  return tonumber(redis.call('HGET', hash, field) or 0)
end

local function exact(number)
  return string.format('%.17g', number)
end

local function add()
  local list = held_list(owner, priority)
  for i = FIRST_MESSAGE, #ARGV do redis.call('LPUSH', list, ARGV[i]) end
  redis.call('HINCRBY', WAITING, queue, #ARGV - FIRST_MESSAGE + 1)
  redis.call('HSET', WEIGHTS, owner, weight)
  if most == '0' then redis.call('HDEL', MOST, owner) else redis.call('HSET', MOST, owner, most) end
  local earliest = number_in(CLOCK, queue) - credit / tonumber(weight)
  local tag = tonumber(redis.call('HGET', TAGS, owner) or earliest)
  redis.call('ZADD', TURNS, 'NX', exact(math.max(tag, earliest)), owner)
end

-- Moves the most urgent message of an owner; false when it has none.
local function move(who)
  for number = 0, LAST_PRIORITY do
    local message = redis.call('RPOPLPUSH', held_list(who, number), ready_list(number))
    if message then
      if redis.call('HEXISTS', MOST, who) == 1 then
        local id = string.match(message, '"correlation_id": ?"([^"]+)"')
        if id then redis.call('SADD', RUNNING .. who, id) end
      end
      if redis.call('HINCRBY', WAITING, queue, -1) <= 0 then redis.call('HDEL', WAITING, queue) end
      return true
    end
  end
  return false
end

local function has_more(who)
  local lists = {}
  for number = 0, LAST_PRIORITY do lists[number + 1] = held_list(who, number) end
  return redis.call('EXISTS', unpack(lists)) > 0
end

-- How many messages of owners are in the queue. It may have lost some that were counted: it is
-- never further ahead than it holds.
local function count_ahead()
  local ahead = number_in(AHEAD, queue)
  if received > 0 then return math.max(0, ahead - received) end
  local ready = 0
  for number = 0, LAST_PRIORITY do ready = ready + redis.call('LLEN', ready_list(number)) end
  return math.min(ahead, ready)
end

local function may_run(who)
  local limit = redis.call('HGET', MOST, who)
  return not limit or redis.call('SCARD', RUNNING .. who) < tonumber(limit)
end

-- The owner that is next, and its tag. Owners whose limit is reached wait.
local function next_owner()
  local first = redis.call('ZRANGE', TURNS, 0, 0, 'WITHSCORES')
  if not first[1] or may_run(first[1]) then return first[1], tonumber(first[2]) end
  local all = redis.call('ZRANGE', TURNS, 1, -1, 'WITHSCORES')
  for i = 1, #all, 2 do
    if may_run(all[i]) then return all[i], tonumber(all[i + 1]) end
  end
end

local function fill()
  local ahead = count_ahead()
  while ahead < bound do
    local who, tag = next_owner()
    if not who then break end
    if move(who) then
      redis.call('HSET', CLOCK, queue, exact(math.max(tag, number_in(CLOCK, queue))))
      tag = tag + 1 / tonumber(redis.call('HGET', WEIGHTS, who) or 1)
      ahead = ahead + 1
    end
    if has_more(who) then
      redis.call('ZADD', TURNS, exact(tag), who)
    else
      redis.call('ZREM', TURNS, who)
      redis.call('HSET', TAGS, who, exact(tag))
      redis.call('EXPIRE', TAGS, TAGS_EXPIRE_S)
    end
  end
  redis.call('HSET', AHEAD, queue, ahead)
end

if #ARGV >= FIRST_MESSAGE then add() end
if bound > 0 then fill() end
