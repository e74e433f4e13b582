-- SPDX-License-Identifier: GPL-3.0-or-later
-- Before what pg_restore prints: one transaction that takes everything away that was there.
BEGIN;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = 0;
SET LOCAL client_min_messages = warning;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
