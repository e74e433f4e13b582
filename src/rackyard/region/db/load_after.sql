
-- SPDX-License-Identifier: GPL-3.0-or-later
-- After what pg_restore prints: as long as this row is there, no process of a region starts. The schema may be an older one.
CREATE TABLE IF NOT EXISTS public.restoring (taken_at timestamptz NOT NULL, archive_sha256 text NOT NULL);
INSERT INTO public.restoring VALUES (:'taken_at', :'archive_sha256');
COMMIT;
