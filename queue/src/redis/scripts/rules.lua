#!lua flags=no-writes
-- rules: a scope as it stands.
-- KEYS 1 meta · ARGV 1 letter · 2 who, as `rule` takes them · Returns what `view` says.
-- @include base
-- @include meta
-- @include counts
-- @include signals
-- @include record
-- @include lanes
-- @include law
-- @include leaving
-- @include view
return view(ARGV[1], ARGV[2])
