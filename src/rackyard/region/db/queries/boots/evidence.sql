-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: boots.evidence.take_receipt
-- Remember a delivery; zero rows when it was taken before.
INSERT INTO receipt (rack_id, key, received_at) VALUES (%(rack_id)s, %(key)s, %(now)s)
ON CONFLICT DO NOTHING;
