-- SPDX-License-Identifier: GPL-3.0-or-later
-- no transaction
-- The audit trail of what came beside it.

SELECT audit_table('machine_interface',
    name => '$.name || '' ('' || coalesce($.mac, $.virtual_mac) || '') of '' || coalesce((SELECT hostname FROM machine WHERE id = $.machine_id), ''#'' || $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)',
    shown => ARRAY['name', 'mac', 'type', 'virtual_mac', 'params', 'tags', 'enabled', 'mtu',
        'vlan_id=(SELECT vid || '' of '' || fabric.name FROM vlan JOIN fabric ON fabric.id = fabric_id WHERE vlan.id = $.vlan_id)']);

SELECT audit_table('interface_link',
    name => 'coalesce(host($.ip), $.mode) || coalesce((SELECT '' of '' || machine_interface.name || '' of '' || machine.hostname '
            'FROM machine_interface JOIN machine ON machine.id = machine_id WHERE machine_interface.id = $.interface_id), '''')',
    node => '(SELECT system_id FROM machine_interface JOIN machine ON machine.id = machine_id WHERE machine_interface.id = $.interface_id)',
    shown => ARRAY['mode', 'ip', 'subnet_id=(SELECT name FROM subnet WHERE id = $.subnet_id)']);

SELECT audit_table('default_gateway', key => '$.machine_id || ''/'' || $.family',
    name => '''IPv'' || $.family || '' of '' || coalesce((SELECT hostname FROM machine WHERE id = $.machine_id), ''#'' || $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)',
    shown => ARRAY['link_id=(SELECT host(ip) FROM interface_link WHERE id = $.link_id)']);

SELECT audit_table('user_group', name => '$.name', shown => '{name, description}');

SELECT audit_table('user_group_member', key => '$.group_id || ''/'' || $.account_id',
    name => 'coalesce((SELECT username FROM account WHERE id = $.account_id), ''#'' || $.account_id) || '' of '' || '
            'coalesce((SELECT name FROM user_group WHERE id = $.group_id), ''#'' || $.group_id)',
    shown => ARRAY['group_id=(SELECT name FROM user_group WHERE id = $.group_id)',
        'account_id=(SELECT username FROM account WHERE id = $.account_id)']);

SELECT audit_table('role_grant',
    name => '$.role || '' of '' || CASE WHEN $.pool_id IS NULL THEN ''all resource pools'' ELSE ''resource pool '' || '
            'coalesce((SELECT name FROM resource_pool WHERE id = $.pool_id), ''#'' || $.pool_id) END || '' for '' || '
            'coalesce((SELECT username FROM account WHERE id = $.account_id), (SELECT ''group '' || name FROM user_group WHERE id = $.group_id), '
            '''somebody who is gone'')',
    shown => ARRAY['account_id=(SELECT username FROM account WHERE id = $.account_id)',
        'group_id=(SELECT name FROM user_group WHERE id = $.group_id)', 'role',
        'pool_id=(SELECT name FROM resource_pool WHERE id = $.pool_id)']);

SELECT audit_table('device', name => '$.hostname', node => '$.system_id',
    shown => ARRAY['system_id', 'hostname', 'description', 'domain_id=(SELECT name FROM domain WHERE id = $.domain_id)',
        'parent_id=(SELECT hostname FROM machine WHERE id = $.parent_id)', 'zone_id=(SELECT name FROM zone WHERE id = $.zone_id)',
        'owner_id=(SELECT username FROM account WHERE id = $.owner_id)', 'owner_data', 'workload_annotations']);

SELECT audit_table('device_interface',
    name => '$.name || '' ('' || $.mac || '') of '' || coalesce((SELECT hostname FROM device WHERE id = $.device_id), ''#'' || $.device_id)',
    node => '(SELECT system_id FROM device WHERE id = $.device_id)',
    shown => ARRAY['name', 'mac', 'tags',
        'vlan_id=(SELECT vid || '' of '' || fabric.name FROM vlan JOIN fabric ON fabric.id = fabric_id WHERE vlan.id = $.vlan_id)']);

SELECT audit_table('device_tag', key => '$.tag_id || ''/'' || $.device_id',
    name => 'coalesce((SELECT name FROM tag WHERE id = $.tag_id), ''#'' || $.tag_id) || '' of '' || '
            'coalesce((SELECT hostname FROM device WHERE id = $.device_id), ''#'' || $.device_id)',
    node => '(SELECT system_id FROM device WHERE id = $.device_id)',
    shown => ARRAY['tag_id=(SELECT name FROM tag WHERE id = $.tag_id)',
        'device_id=(SELECT hostname FROM device WHERE id = $.device_id)']);

SELECT audit_table('stored_file',
    name => '$.name || '' of '' || coalesce((SELECT username FROM account WHERE id = $.account_id), ''#'' || $.account_id)',
    shown => ARRAY['account_id=(SELECT username FROM account WHERE id = $.account_id)', 'name'], secret => '{key, content}');

SELECT audit_table('notification', name => 'coalesce($.ident, ''#'' || $.id)',
    shown => ARRAY['ident', 'account_id=(SELECT username FROM account WHERE id = $.account_id)', 'users', 'admins', 'message',
        'context', 'category', 'dismissable']);

SELECT audit_table('uploaded_image', name => '$.name || '' ('' || $.architecture || '')''',
    shown => '{name, architecture, title, base_image}');

SELECT audit_table('image_upload', events => 'INSERT OR DELETE',
    name => 'coalesce((SELECT name || '' ('' || architecture || '')'' FROM uploaded_image WHERE id = $.image_id), ''#'' || $.image_id)',
    shown => '{filetype, size_bytes}');
