-- Counts the messages that no worker has fetched, and returns a few of them from each list.
-- KEYS: the queues, as the lists of priority step 0. ARGV: separator; bytes of messages to return
-- from each list and from all of them; list nodes to measure; then the priority steps.
-- Returns for each queue {length over all steps, then for each list that is not empty its length
-- and the messages that were read}.
--
-- Redis copies a list element as a whole, and has no command that tells the size of one. MEMORY
-- USAGE tells the size of a list without a copy, in a time that grows with its nodes. A list is
-- read only if that size rules out an element that would take milliseconds to copy.

local separator = ARGV[1]
local list_bytes, bytes_left, nodes_left = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local FIRST_STEP = 5

local SAMPLE = 16
local SMALL_LIST_BYTES = 1048576
local LARGEST_TYPICAL_BYTES = 1048576
-- An element this much larger than the others may go unnoticed in a long list.
local UNNOTICED_BYTES = 4194304
-- A node holds between 4 and 8 KB, unless its only element is larger.
local NODE_BYTES = 6144
-- Sampling across a longer list costs time: its nodes are chained.
local SHORT = 2000

local function usage(list, samples)
  local bytes = redis.pcall('MEMORY', 'USAGE', list, 'SAMPLES', samples)
  return type(bytes) == 'number' and bytes or nil
end

-- The mean size of the messages of a list; nothing where one may be too large to be copied.
local function message_bytes(list, count)
  -- Fewer nodes than the list has: extrapolated from the newest messages to all of them.
  local extrapolated = usage(list, math.max(1, math.min(64, math.floor(count / 32))))
  if not extrapolated then return nil end
  local nodes = math.min(count, math.ceil(extrapolated / NODE_BYTES))
  if nodes > nodes_left then return nil end
  nodes_left = nodes_left - nodes
  local total = usage(list, 0)
  if not total then return nil end
  if total > SMALL_LIST_BYTES then
    if total / count > LARGEST_TYPICAL_BYTES then return nil end
    -- A giant among small messages makes the two differ by its size.
    if math.abs(total - extrapolated) > UNNOTICED_BYTES then return nil end
  end
  return total / count
end

-- Messages of a list, beginning with the one that is next in line.
local function sample(list, count)
  local messages = {}
  if bytes_left <= 0 then return messages end
  local size = message_bytes(list, count)
  if not size then return messages end
  local wanted = math.min(count, SAMPLE, 1 + math.floor(list_bytes / size))
  local stride = count <= SHORT and math.floor(count / wanted) or 1
  for number = 0, wanted - 1 do
    local message = redis.call('LINDEX', list, -1 - number * stride)
    messages[#messages + 1] = message
    bytes_left = bytes_left - #message
  end
  return messages
end

-- Messages of ours that wait for their owner's turn (`fair_queues.lua`).
local waiting = redis.pcall('HMGET', 'celeriac:fair:waiting', unpack(KEYS))

local found = {}
for number, queue in ipairs(KEYS) do
  local answer = {tonumber(not waiting.err and waiting[number]) or 0}
  for step = FIRST_STEP, #ARGV do
    local list = ARGV[step] == '0' and queue or queue .. separator .. ARGV[step]
    local count = redis.pcall('LLEN', list)
    -- A key that is not a list holds no message: kombu could not have put one there.
    if type(count) == 'number' and count > 0 then
      answer[1] = answer[1] + count
      answer[#answer + 1] = count
      answer[#answer + 1] = sample(list, count)
    end
  end
  found[#found + 1] = answer
end
return found
