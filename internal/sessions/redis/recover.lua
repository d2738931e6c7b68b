-- ARGV[10]: who gets them. Then the sessions, each with the version that it is to have.
return run(true, function(m)
  local to = ARGV[10]
  if m.state[to] ~= 'alive' then return 'not_alive' end
  local plan = {}
  for i = 11, #ARGV, 7 do
    local s = seen(i)
    s.next = ARGV[i + 6]
    local why = compare(s)
    if not why and not orphan(s, m) then why = 'not_orphan' end
    plan[#plan + 1] = {s, why}
  end
  local lease, owner_epoch = digits(now + ttl), digits(m.epoch)
  for _, p in ipairs(plan) do
    local s = p[1]
    if p[2] then
      say(s.key, p[2])
    else
      later(function()
        redis.call('HSET', prefix .. 's:' .. s.key, 'owner', to, 'epoch', owner_epoch, 'version', s.next, 'lease_until', lease)
      end)
      took[#took + 1] = {key = s.key, was = {s.owner, s.epoch, s.version, s.lease}, left = {to, owner_epoch, s.next, lease}}
      say(s.key, 'done')
    end
  end
end)
