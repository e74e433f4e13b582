-- SPDX-License-Identifier: GPL-3.0-or-later
-- By PostgreSQL's clock, which all regions share.

-- name: site.regions.told
-- A region's worker says how it is.
UPDATE region
SET version = %(version)s, seen_at = now(), cert_not_after = %(cert_not_after)s, names = %(names)s,
    names_trouble = %(names_trouble)s, dns_serial = coalesce(%(dns_serial)s, dns_serial)
WHERE name = %(name)s RETURNING id;

-- name: site.regions.put_host
-- What the region says of its host; what is as it was is not written.
UPDATE region SET host = %(host)s WHERE id = %(region_id)s AND host IS DISTINCT FROM %(host)s::jsonb;

-- name: site.regions.add
-- A region that was not known. Two processes may say so at once.
INSERT INTO region (system_id, name, seen_at) VALUES (%(system_id)s, %(name)s, now()) ON CONFLICT (name) DO NOTHING;

-- name: site.regions.put_services
-- Its services; what is as it was is not written. Why one died, and since when it was dead, stays known when it runs again.
INSERT INTO region_service AS known (region_id, name, state, info, updated_at, failure, failed_at)
SELECT %(region_id)s, said.name, said.state, said.info, now(),
       CASE WHEN said.failed THEN said.info ELSE '' END, CASE WHEN said.failed THEN now() END
FROM jsonb_to_recordset(%(said)s::jsonb -> 'services') AS said (name text, state text, info text, failed boolean)
ON CONFLICT (region_id, name) DO UPDATE
SET state = excluded.state, info = excluded.info, updated_at = excluded.updated_at,
    failure = coalesce(nullif(excluded.failure, ''), known.failure),
    failed_at = CASE WHEN known.state = 'dead' AND known.info = nullif(known.failure, '') THEN known.failed_at
                     ELSE coalesce(excluded.failed_at, known.failed_at) END
WHERE (known.state, known.info) IS DISTINCT FROM (excluded.state, excluded.info);

-- name: site.regions.drop_other_services
-- Forget services that it no longer has.
DELETE FROM region_service WHERE region_id = %(region_id)s AND NOT (name = ANY (%(names)s));

-- name: site.regions.all
-- Every region that has ever told about itself.
SELECT region.id, system_id, region.name, version, seen_at, cert_not_after, names, names_trouble,
       extract(epoch FROM now() - seen_at)::float AS last_word_s,
       zone.id AS zone_id, zone.name AS zone_name, zone.description AS zone_description, region.host,
       ARRAY (SELECT tag.name FROM region_tag JOIN tag ON tag.id = region_tag.tag_id WHERE region_tag.region_id = region.id
              ORDER BY tag.name COLLATE "C") AS tag_names
FROM region JOIN zone ON zone.id = region.zone_id ORDER BY region.name;

-- name: site.regions.services
-- Their services.
SELECT region_id, name, state, info, failure, failed_at FROM region_service ORDER BY region_id, name;

-- name: site.regions.processes
-- Where racks reach each region, also one that has fallen silent within a day.
SELECT name, host(address) AS address, port, extract(epoch FROM now() - heartbeat_at)::float AS last_word_s
FROM region_process ORDER BY name, port;

-- name: site.regions.forget
-- A region that does not come back.
DELETE FROM region WHERE name = %(name)s;

-- name: site.regions.forget_processes
-- Where racks reached it.
DELETE FROM region_process WHERE name = %(name)s;
