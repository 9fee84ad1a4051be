-- mode_single: one server holds every key, so nothing can be half way between two.
local PUBLISH = 'PUBLISH'
local function guard() end
