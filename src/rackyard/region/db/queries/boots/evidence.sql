-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: boots.evidence.take_receipt
-- Remember a delivery; zero rows when it was taken before.
INSERT INTO receipt (rack_id, key, received_at) VALUES (%(rack_id)s, %(key)s, %(now)s)
ON CONFLICT DO NOTHING;

-- name: boots.evidence.delete_receipts
-- Receipts of deliveries before a moment.
DELETE FROM receipt WHERE received_at < %(before)s;
