-- extend: Running stays Running; leases of the worker that it does not list are given back.

-- name: leaser
SELECT worker FROM leasers WHERE queue = ?1 AND name = ?2

-- name: lengthen
UPDATE jobs SET lease_until = ?2, charged = ?3 WHERE seq = ?1

-- name: granted
SELECT {job.columns} FROM jobs j WHERE j.worker = ?1 AND j.call <= ?2

-- name: seen
UPDATE leasers SET seen_at = ?2 WHERE worker = ?1
