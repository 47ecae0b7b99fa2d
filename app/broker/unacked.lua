-- What workers have fetched and not acknowledged, by the exchange and routing key it came through.
-- KEYS: the hash of unacknowledged messages. ARGV: now and the horizon of "due soon" (seconds since
-- the epoch), how many messages to look at, the prefix of the keys that hold bindings.
-- Returns {all messages, looked at, groups, bindings}. A group is {exchange, routing key (both as
-- JSON text without quotes), messages, with an ETA ahead, of these due soon}; a binding is
-- {exchange, members of its set}.
-- A value is what kombu's QoS.append writes: [message, exchange, routing key] as Python's JSON.

local now, horizon, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local function days_since_epoch(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    + math.floor((153 * (month - 3) + 2) / 5) + day - 1 - 719468
end

local function parse_moment(text)
  local year, month, day, hour, minute, second, zone =
    text:match('^(%d+)-(%d+)-(%d+)[T ](%d+):(%d+):([%d.]+)(.*)$')
  if not year then return nil end
  local moment = days_since_epoch(tonumber(year), tonumber(month), tonumber(day)) * 86400
    + hour * 3600 + minute * 60 + second
  local sign, zone_hours, zone_minutes = zone:match('^([+-])(%d%d):?(%d%d)')
  if not sign then return moment end
  local offset = zone_hours * 3600 + zone_minutes * 60
  return sign == '+' and moment - offset or moment + offset
end

-- The end of the entry is enough in nearly every case; a pattern over all of it is 10 times slower.
local TAIL = 300

local function route(entry)
  local exchange, key = entry:sub(-TAIL):match(', *"([^"\\]*)", *"([^"\\]*)"%]$')
  if key then return exchange, key end
  local is_json, parts = pcall(cjson.decode, entry)
  if not is_json or type(parts) ~= 'table' then return '', '' end
  local function text(part) return type(part) == 'string' and cjson.encode(part):sub(2, -2) or '' end
  return text(parts[2]), text(parts[3])
end

local function eta_of(entry)
  local _, before = entry:find('"eta": "', 1, true)
  return before and parse_moment(entry:match('^[^"]+', before + 1))
end

local total = redis.call('HLEN', KEYS[1])
local entries, first, step
if total <= limit then
  entries, first, step = redis.call('HVALS', KEYS[1]), 1, 1
else
  entries, first, step = redis.call('HRANDFIELD', KEYS[1], limit, 'WITHVALUES'), 2, 2
end

local groups, by_route, bindings, has_exchange, looked_at = {}, {}, {}, {}, 0
for index = first, #entries, step do
  looked_at = looked_at + 1
  local exchange, key = route(entries[index])
  local name = exchange .. '\n' .. key
  local group = by_route[name]
  if not group then
    group = {exchange, key, 0, 0, 0}
    by_route[name] = group
    groups[#groups + 1] = group
    if exchange ~= '' and not has_exchange[exchange] then
      has_exchange[exchange] = true
      bindings[#bindings + 1] = {exchange, redis.call('SMEMBERS', ARGV[4] .. exchange)}
    end
  end
  group[3] = group[3] + 1
  local eta = eta_of(entries[index])
  if eta and eta > now then
    group[4] = group[4] + 1
    if eta <= horizon then group[5] = group[5] + 1 end
  end
end
return {total, looked_at, groups, bindings}
