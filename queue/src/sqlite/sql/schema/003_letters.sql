-- 003: what an edit changed, and by the hour how many letters a group got.

-- What was there before an edit: a line for each thing that changed.
ALTER TABLE events ADD COLUMN before TEXT;

-- (hour, letters) of the newest hours in which letters came (group.rs), in an envelope.
ALTER TABLE groups ADD COLUMN hours BLOB;

-- How often this file was opened: a place in a feed, which is memory, names it (feed.rs).
INSERT INTO meta (name, value) VALUES ('starts', 0);
