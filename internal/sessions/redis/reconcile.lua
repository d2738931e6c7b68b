-- ARGV[10]: how many may be taken. Then copies, each with the id of its session and with what is to become of it while all are as seen.
return run(true, function(m)
  local limit, groups, order = tonumber(ARGV[10]), {}, {}
  for i = 11, #ARGV, 8 do
    local s = seen(i)
    s.id, s.plan = ARGV[i + 6], ARGV[i + 7]
    if not groups[s.id] then
      groups[s.id] = {known = {}, take = 0}
      order[#order + 1] = s.id
    end
    local g = groups[s.id]
    g[#g + 1] = s
    g.known[s.key] = true
    if compare(s) then g.changed = true end
    if s.plan == 'done' then g.take = g.take + 1 end
  end
  local taken = 0
  for _, id in ipairs(order) do
    local g = groups[id]
    local keys = {id}
    for _, name in ipairs(m.names) do keys[#keys + 1] = id .. '@' .. name end
    for _, key in ipairs(keys) do
      if not g.known[key] and redis.call('EXISTS', prefix .. 's:' .. key) == 1 then g.changed = true end
    end
    if not g.changed and g.take > 0 then
      g.over = taken + g.take > limit
      if not g.over then taken = taken + g.take end
    end
  end
  for _, id in ipairs(order) do
    for _, s in ipairs(groups[id]) do
      if groups[id].changed then
        say(s.key, 'changed')
      elseif s.plan ~= 'done' then
        say(s.key, s.plan)
      elseif groups[id].over then
        say(s.key, 'over_bound')
      else
        take_away(s.key)
      end
    end
  end
end)
