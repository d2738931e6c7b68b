-- What all orders have in common. ARGV: prefix, action, print, deadline, epoch, kind, ttl, quarantine and remember in milliseconds.
-- What follows begins at ARGV[10].
local prefix, action, print, kind = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
local deadline, epoch, ttl = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[7])
local quarantine_for, remember_for = tonumber(ARGV[8]), tonumber(ARGV[9])
local max_nodes = 256

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local record = prefix .. 'a:' .. action

-- Whole numbers as digits: Lua would write large ones in another way.
local function digits(n) return string.format('%.0f', n) end

-- membership judges the registered nodes as sessions.Judge does. It is nil if one of them cannot be read.
local function membership()
  local raw = redis.call('HGETALL', prefix .. 'nodes')
  if #raw > 2 * max_nodes then return nil end
  local nodes, m = {}, {epoch = 0, state = {}, names = {}, voters = 0}
  for i = 1, #raw, 2 do
    local ok, n = pcall(cjson.decode, raw[i + 1])
    if not ok or type(n) ~= 'table' or type(n.epoch) ~= 'number' or type(n.lease_until) ~= 'number' or type(n.sees) ~= 'table' then
      return nil
    end
    n.name = raw[i]
    nodes[#nodes + 1] = n
    m.names[#m.names + 1] = n.name
    m.epoch = math.max(m.epoch, n.epoch)
  end
  local vouched = {}
  for _, n in ipairs(nodes) do
    if n.lease_until > now and n.epoch == m.epoch then
      m.voters = m.voters + 1
      for _, name in ipairs(n.sees) do
        if name ~= n.name then vouched[name] = true end
      end
    end
  end
  m.quorum = 2 * m.voters > #nodes
  for _, n in ipairs(nodes) do
    if n.lease_until > now then
      m.state[n.name] = 'alive'
    elseif m.quorum and not vouched[n.name] and now - n.lease_until > 2 * ttl then
      m.state[n.name] = 'gone'
    else
      m.state[n.name] = 'silent'
    end
  end
  return m
end

-- seen reads a session of the order: six words from ARGV[i].
local function seen(i)
  return {key = ARGV[i], owner = ARGV[i + 1], epoch = ARGV[i + 2], version = ARGV[i + 3], lease = ARGV[i + 4], priority = ARGV[i + 5]}
end

-- compare says why a session may not be touched, nil if it is as it was seen.
local function compare(s)
  local fields = redis.pcall('HMGET', prefix .. 's:' .. s.key, 'owner', 'epoch', 'version', 'lease_until', 'priority')
  if fields.err then return 'unreadable' end
  if redis.call('EXISTS', prefix .. 's:' .. s.key) == 0 then return 'missing' end
  local priority = fields[5]
  if not priority or priority == '' then priority = 'normal' end
  if fields[1] ~= s.owner or fields[2] ~= s.epoch or fields[3] ~= s.version or fields[4] ~= s.lease or priority ~= s.priority then
    return 'changed'
  end
  return nil
end

-- orphan is sessions.Orphan, for a session that was compared.
local function orphan(s, m)
  return m.quorum and tonumber(s.epoch) <= m.epoch and now - tonumber(s.lease) > 2 * ttl and (m.state[s.owner] or 'gone') == 'gone'
end

-- The answer while it is made, what is to be taken, and the writes. Redis does not take back what a script wrote before an error, so
-- everything is read and judged first, then the record is written, and the sessions last.
local lines, took, writes = {}, {}, {}
local function later(write) writes[#writes + 1] = write end
local function say(key, outcome) lines[#lines + 1] = outcome .. ' ' .. key end

-- take_away moves a session into quarantine.
local function take_away(key)
  local from, to = prefix .. 's:' .. key, prefix .. 'q:' .. action .. '@' .. key
  took[#took + 1] = {key = key, expires = digits(redis.call('PEXPIRETIME', from))}
  later(function()
    redis.call('RENAME', from, to)
    redis.call('PEXPIRE', to, digits(quarantine_for))
  end)
  say(key, 'done')
end

local function answer()
  local r = redis.call('HMGET', record, 'print', 'at', 'until', 'items', 'state')
  if r[1] ~= print then return {'refused', 'action'} end
  if r[5] ~= 'done' then return redis.error_reply('HALF the action began and did not end: see what it took, and restore it') end
  return {'done', r[2], r[3], r[4]}
end

-- run carries the order out once. act gives a refusal, or nothing, and leaves its writes for later.
local function run(needs_quorum, act)
  if redis.call('EXISTS', record) == 1 then return answer() end
  if now >= deadline then return {'refused', 'deadline'} end
  local m = membership()
  if not m then return {'refused', 'busy'} end
  if m.epoch ~= epoch then return {'refused', 'epoch'} end
  if needs_quorum and not m.quorum then return {'refused', 'quorum'} end
  local refusal = act(m)
  if refusal then return {'refused', refusal} end
  local until_time = ''
  if #took > 0 then until_time = digits(now + quarantine_for) end
  redis.call('HSET', record, 'print', print, 'kind', kind, 'at', digits(now), 'until', until_time, 'items', table.concat(lines, '\n'))
  redis.call('PEXPIRE', record, digits(remember_for))
  if #took > 0 then redis.call('HSET', record, 'took', cjson.encode(took)) end
  for _, write in ipairs(writes) do write() end
  redis.call('HSET', record, 'state', 'done')
  return answer()
end
