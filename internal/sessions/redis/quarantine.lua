-- ARGV[10]: how many may be taken. Then the sessions.
return run(true, function(m)
  local limit, take = tonumber(ARGV[10]), {}
  local plan = {}
  for i = 11, #ARGV, 6 do
    local s = seen(i)
    local why = compare(s)
    if not why and not orphan(s, m) then why = 'not_orphan' end
    if not why and #take >= limit then why = 'over_bound' end
    if not why then take[#take + 1] = s end
    plan[#plan + 1] = {s.key, why}
  end
  for _, p in ipairs(plan) do
    if p[2] then say(p[1], p[2]) else take_away(p[1]) end
  end
end)
