-- SPDX-License-Identifier: GPL-3.0-or-later
-- Until when a rack is out of use while its host is upgraded: others come first, and nothing begins to boot from it.

ALTER TABLE rack ADD COLUMN drained_until timestamptz;
