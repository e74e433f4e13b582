-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: racks.enrolment.add_token
-- A new enrolment token; only the hash of its secret is kept.
INSERT INTO enroll_token (name, secret_sha256, created_at, expires_at)
VALUES (%(name)s, %(secret_sha256)s, %(now)s, %(expires_at)s)
RETURNING id;

-- name: racks.enrolment.lock_token
-- The token with this secret, locked so that two racks cannot both use it.
SELECT id, name, expires_at, used_at,
       (SELECT hostname FROM rack WHERE rack.id = enroll_token.used_by_rack_id) AS used_by
FROM enroll_token WHERE secret_sha256 = %(secret_sha256)s FOR UPDATE;

-- name: racks.enrolment.use_token
-- The token is spent.
UPDATE enroll_token SET used_at = %(now)s, used_by_rack_id = %(rack_id)s WHERE id = %(id)s;

-- name: racks.enrolment.lock_by_hostname
-- The rack of that name, locked.
SELECT id, system_id, hostname, revoked_at FROM rack WHERE hostname = %(hostname)s FOR UPDATE;

-- name: racks.enrolment.lock
-- The rack of that system id, locked.
SELECT id, system_id, hostname, revoked_at FROM rack WHERE system_id = %(system_id)s FOR UPDATE;

-- name: racks.enrolment.create
-- A rack without a certificate yet.
INSERT INTO rack (system_id, hostname, version) VALUES (%(system_id)s, %(hostname)s, %(version)s)
RETURNING id, system_id, hostname, revoked_at;

-- name: racks.enrolment.set_certificate
-- Enrolment: this certificate and no other is the rack's; a revocation is forgiven by whoever made the token.
UPDATE rack SET cert_sha256 = decode(%(sha256)s, 'hex'), previous_cert_sha256 = NULL, cert_serial = %(serial)s,
       cert_not_after = %(not_after)s, revoked_at = NULL, version = %(version)s, registered_at = NULL
WHERE id = %(rack_id)s;

-- name: racks.enrolment.renew_certificate
-- Renewal: the certificate that asked stays good beside the new one.
UPDATE rack SET previous_cert_sha256 = decode(%(asking_sha256)s, 'hex'), cert_sha256 = decode(%(sha256)s, 'hex'),
       cert_serial = %(serial)s, cert_not_after = %(not_after)s
WHERE id = %(rack_id)s;

-- name: racks.enrolment.by_certificate
-- The rack that presents this certificate.
SELECT id, system_id, hostname, revoked_at
FROM rack
WHERE cert_sha256 = decode(%(sha256)s, 'hex') OR previous_cert_sha256 = decode(%(sha256)s, 'hex');

-- name: racks.enrolment.adopt
-- A rack renewed its certificate between the backup that this site was restored from and the restore; two seconds,
-- because certificates have whole ones.
UPDATE rack SET previous_cert_sha256 = cert_sha256, cert_sha256 = decode(%(sha256)s, 'hex'),
       cert_serial = %(serial)s, cert_not_after = %(not_after)s
WHERE system_id = %(system_id)s AND revoked_at IS NULL AND cert_not_after < %(not_after)s
  AND EXISTS (SELECT FROM restoration
              WHERE %(issued_at)s BETWEEN taken_at - interval '2 seconds' AND restored_at)
RETURNING id, system_id, hostname, revoked_at;

-- name: racks.enrolment.is_revoked
-- Whether a rack still counts.
SELECT revoked_at FROM rack WHERE id = %(rack_id)s;

-- name: racks.enrolment.wake
-- Make the rack's open polls look again (they ask for jobs; polls for the desired state hear of any change of a rack).
SELECT pg_notify('rackyard_jobs', system_id) FROM rack WHERE id = %(rack_id)s;

-- name: racks.enrolment.revoke
-- No certificate of that rack is accepted any more, and it no longer counts as alive.
UPDATE rack SET revoked_at = %(now)s, alive = false WHERE id = %(rack_id)s;
