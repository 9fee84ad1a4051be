-- lasterror: the newest error among a job's events, if there is one. Needs mutable.
local function last_error(m)
  local at, err = 1, nil
  while at <= #m.events do
    local n = unpick('>H', m.events, at)
    if n == 0 then break end
    local skip = 22 + byte(m.events, at + 23)
    -- An edit keeps something else there.
    if n > skip and byte(m.events, at + 2) ~= EVENT.edited then err = sub(m.events, at + 2 + skip, at + 1 + n) end
    at = at + 2 + n
  end
  return err
end
