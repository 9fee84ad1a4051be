-- 004: since when a queue's jobs are ready is read from the index alone: whoever looks at a long queue every second, as a dashboard and
-- a scraper do, shall not fetch ten thousand rows each time.
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (lane, suspect, rank, seq, ready_at) WHERE state = 1;
