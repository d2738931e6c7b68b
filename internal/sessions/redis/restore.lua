-- ARGV[10]: the action to undo. ARGV[11]: how many may be given back.
return run(false, function()
  local limit = tonumber(ARGV[11])
  local undo = prefix .. 'a:' .. ARGV[10]
  local list = redis.call('HGET', undo, 'took')
  if not list then return 'unknown_action' end
  local given = 0

  local function give_back(t)
    local live = prefix .. 's:' .. t.key
    if t.left then
      local f = redis.pcall('HMGET', live, 'owner', 'epoch', 'version', 'lease_until')
      if f.err then return 'taken' end
      for i = 1, 4 do
        if f[i] ~= t.left[i] then return 'taken' end
      end
      later(function()
        redis.call('HSET', live, 'owner', t.was[1], 'epoch', t.was[2], 'version', t.was[3], 'lease_until', t.was[4])
      end)
      return 'done'
    end
    local away = prefix .. 'q:' .. ARGV[10] .. '@' .. t.key
    if redis.call('EXISTS', live) == 1 then return 'taken' end
    if redis.call('EXISTS', away) == 0 then return 'expired' end
    local expires = tonumber(t.expires)
    if expires > 0 and expires <= now then return 'expired' end
    later(function()
      redis.call('RENAME', away, live)
      if expires > 0 then redis.call('PEXPIREAT', live, t.expires) else redis.call('PERSIST', live) end
    end)
    return 'done'
  end

  for _, t in ipairs(cjson.decode(list)) do
    local back = 'back:' .. t.key
    if redis.call('HEXISTS', undo, back) == 1 then
      say(t.key, 'kept')
    elseif given >= limit then
      say(t.key, 'over_bound')
    else
      local outcome = give_back(t)
      if outcome == 'done' then
        given = given + 1
        later(function() redis.call('HSET', undo, back, action) end)
      end
      say(t.key, outcome)
    end
  end
end)
