-- SPDX-License-Identifier: GPL-3.0-or-later
-- What racks and regions say of their hosts, and tags of both.

ALTER TABLE rack ADD COLUMN host jsonb;
ALTER TABLE region ADD COLUMN host jsonb;

CREATE TABLE rack_tag (
    tag_id  bigint NOT NULL CONSTRAINT rack_tag_tag_fkey REFERENCES tag ON DELETE CASCADE,
    rack_id bigint NOT NULL CONSTRAINT rack_tag_rack_fkey REFERENCES rack ON DELETE CASCADE,
    PRIMARY KEY (rack_id, tag_id)
);
CREATE INDEX rack_tag_tag ON rack_tag (tag_id);

CREATE TABLE region_tag (
    tag_id    bigint NOT NULL CONSTRAINT region_tag_tag_fkey REFERENCES tag ON DELETE CASCADE,
    region_id bigint NOT NULL CONSTRAINT region_tag_region_fkey REFERENCES region ON DELETE CASCADE,
    PRIMARY KEY (region_id, tag_id)
);
CREATE INDEX region_tag_tag ON region_tag (tag_id);

SELECT audit_table('rack_tag', key => '$.tag_id || ''/'' || $.rack_id',
    name => 'coalesce((SELECT name FROM tag WHERE id = $.tag_id), ''#'' || $.tag_id) || '' of '' || '
            'coalesce((SELECT hostname FROM rack WHERE id = $.rack_id), ''#'' || $.rack_id)',
    node => '(SELECT system_id FROM rack WHERE id = $.rack_id)',
    shown => ARRAY['tag_id=(SELECT name FROM tag WHERE id = $.tag_id)',
        'rack_id=(SELECT hostname FROM rack WHERE id = $.rack_id)']);

SELECT audit_table('region_tag', key => '$.tag_id || ''/'' || $.region_id',
    name => 'coalesce((SELECT name FROM tag WHERE id = $.tag_id), ''#'' || $.tag_id) || '' of '' || '
            'coalesce((SELECT name FROM region WHERE id = $.region_id), ''#'' || $.region_id)',
    node => '(SELECT system_id FROM region WHERE id = $.region_id)',
    shown => ARRAY['tag_id=(SELECT name FROM tag WHERE id = $.tag_id)',
        'region_id=(SELECT name FROM region WHERE id = $.region_id)']);
