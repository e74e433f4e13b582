-- SPDX-License-Identifier: GPL-3.0-or-later
-- Several releases of the ephemeral system at once: one image of each is current, and a machine may name its release.

ALTER TABLE machine ADD COLUMN commissioning_suite text NOT NULL DEFAULT ''
    CONSTRAINT machine_commissioning_suite_form CHECK (commissioning_suite ~ '^([a-z][a-z0-9.-]{0,31})?$');

ALTER TABLE image ADD COLUMN is_current boolean NOT NULL DEFAULT false;
UPDATE image SET is_current = true
WHERE id IN (SELECT DISTINCT ON (arch, suite) id FROM image ORDER BY arch, suite, is_default DESC, id DESC);
CREATE UNIQUE INDEX image_current_per_suite ON image (arch, suite) WHERE is_current;
