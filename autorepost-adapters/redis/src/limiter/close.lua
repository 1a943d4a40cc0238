-- Closes an allowance until a time, or longer when it is already. KEYS: closed until. ARGV: the time in microseconds (zero
-- only asks), how long a closing is kept beyond its end and at most, in ms. Answers with the time that holds.
local stored = tonumber(redis.call('GET', KEYS[1]) or '0')
local closed = tonumber(ARGV[1])
if closed <= stored then return stored end

local now = redis.call('TIME')
local left_ms = closed / 1000 - (tonumber(now[1]) * 1000 + tonumber(now[2]) / 1000)
local keep_ms = math.min(math.max(left_ms, 0) + tonumber(ARGV[2]), tonumber(ARGV[3]))
redis.call('SET', KEYS[1], string.format('%.0f', closed), 'PX', string.format('%.0f', keep_ms))
return closed
