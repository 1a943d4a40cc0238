-- Takes one unit. KEYS: units taken (their times in order), closed until. ARGV: now rounded down, now rounded up, window,
-- limit, and the time in ms for which the units are kept; times in microseconds, below 2^53 so that a double holds them.
-- Answers {0, the unit's time}, {1, free again at}, or {2, closed until}.
local now, per, limit = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local closed = tonumber(redis.call('GET', KEYS[2]) or '0')
if closed > now then return {2, closed} end

local taken_at = tonumber(ARGV[2])
local last = tonumber(redis.call('LINDEX', KEYS[1], -1) or '0')
if last > now then now = last end
if last > taken_at then taken_at = last end

while true do
  local first = redis.call('LINDEX', KEYS[1], 0)
  if not first or tonumber(first) + per > now then break end
  redis.call('LPOP', KEYS[1])
end

local over = redis.call('LLEN', KEYS[1]) - limit
if over >= 0 then
  return {1, tonumber(redis.call('LINDEX', KEYS[1], over) or now) + per}
end
redis.call('RPUSH', KEYS[1], string.format('%.0f', taken_at))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (taken_at - tonumber(ARGV[1])) / 1000 + tonumber(ARGV[5])))
return {0, taken_at}
