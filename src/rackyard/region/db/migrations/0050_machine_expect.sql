-- SPDX-License-Identifier: GPL-3.0-or-later
-- What machines are declared to be made of. A table of its own: lists of machines have nothing to do with it.

CREATE TABLE machine_expect (
    machine_id bigint PRIMARY KEY REFERENCES machine ON DELETE CASCADE,
    expect     jsonb NOT NULL
);

SELECT audit_table('machine_expect', key => '$.machine_id',
    name => 'coalesce((SELECT hostname FROM machine WHERE id = $.machine_id), ''#'' || $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)', shown => '{expect}');
