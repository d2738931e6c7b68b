-- ARGV[10] and on: ids of sessions. Each is written over itself, with all copies of it.
return run(false, function(m)
  for i = 10, #ARGV do
    local id, sent = ARGV[i], 0
    local keys = {id}
    for _, name in ipairs(m.names) do keys[#keys + 1] = id .. '@' .. name end
    for _, key in ipairs(keys) do
      local name = prefix .. 's:' .. key
      local dump = redis.call('DUMP', name)
      if dump then
        local expires = redis.call('PEXPIRETIME', name)
        if expires < 0 then expires = 0 end
        later(function() redis.call('RESTORE', name, digits(expires), dump, 'REPLACE', 'ABSTTL') end)
        sent = sent + 1
      end
    end
    if sent > 0 then say(id, 'done') else say(id, 'missing') end
  end
end)
