-- SPDX-License-Identifier: GPL-3.0-or-later
-- When a region last saw the connection of a rack break, or end without a new one: whoever is not heard again is dead.

ALTER TABLE rack ADD COLUMN hung_up_at timestamptz;
