-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.logins.count
-- One more try of a user name from an address; how many there were, and since when. What was before `until` is forgotten.
INSERT INTO login_attempt AS known (username, address, attempts, since)
VALUES (%(username)s, %(address)s, 1, %(now)s)
ON CONFLICT (username, address) DO UPDATE SET
    attempts = CASE WHEN known.since <= %(until)s THEN 1 ELSE least(known.attempts + 1, 1000000) END,
    since = CASE WHEN known.since <= %(until)s THEN excluded.since ELSE known.since END
RETURNING attempts, since;

-- name: site.logins.forget
-- The password was right.
DELETE FROM login_attempt WHERE username = %(username)s AND address = %(address)s;
