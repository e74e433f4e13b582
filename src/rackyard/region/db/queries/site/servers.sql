-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.servers.state
-- What a server of PostgreSQL says of itself: whether it follows another one, since when it runs, how far it is (bytes of
-- the log), and how old the last change is that it has repeated.
SELECT pg_is_in_recovery() AS follows, pg_postmaster_start_time() AS started_at,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
        - '0/0'::pg_lsn)::bigint AS position_bytes,
       extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float AS repeated_s;

-- name: site.servers.writable_since
-- When the server that takes writes was first seen to do so.
SELECT max(since) AS since FROM database_timeline;

-- name: site.servers.note_timeline
-- Note when another server has begun to take writes: the first eight digits of a log file's name are its timeline.
INSERT INTO database_timeline (timeline, since)
SELECT timeline, now()
FROM (SELECT ('x' || lpad(left(pg_walfile_name(pg_current_wal_lsn()), 8), 16, '0'))::bit(64)::bigint) AS current (timeline)
ON CONFLICT DO NOTHING;
