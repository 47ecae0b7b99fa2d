-- The sizes of hash values. A server that tells a size copies no value.
-- KEYS: a hash. ARGV: its fields. Returns a size for each field, 0 for one that is gone.
local sizes = {}
for index, field in ipairs(ARGV) do
  sizes[index] = redis.call('HSTRLEN', KEYS[1], field)
end
return sizes
