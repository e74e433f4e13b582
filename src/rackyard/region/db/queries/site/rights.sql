-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.rights.held
-- The roles that an account has, by itself and through its groups, each with its resource pool (null: all of them).
SELECT DISTINCT role_grant.role, role_grant.pool_id FROM role_grant
WHERE role_grant.account_id = %(account_id)s
   OR role_grant.group_id IN (SELECT group_id FROM user_group_member WHERE account_id = %(account_id)s);

-- name: site.rights.of_accounts
-- What some accounts have been given, by pools' names (null: all of them), and the groups that they are in.
SELECT account.id AS account_id,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(role_grant.role, resource_pool.name)
                                  ORDER BY role_grant.role, resource_pool.name NULLS FIRST), '[]')
        FROM role_grant LEFT JOIN resource_pool ON resource_pool.id = role_grant.pool_id
        WHERE role_grant.account_id = account.id) AS grants,
       ARRAY (SELECT user_group.name FROM user_group_member
              JOIN user_group ON user_group.id = user_group_member.group_id
              WHERE user_group_member.account_id = account.id ORDER BY user_group.name) AS groups,
       EXISTS (SELECT FROM role_grant JOIN user_group_member ON user_group_member.group_id = role_grant.group_id
               WHERE user_group_member.account_id = account.id) AS group_has_grants
FROM account WHERE account.id = ANY (%(account_ids)s::bigint[]);

-- name: site.rights.groups
-- Groups of users with their members and what they have been given: the one of a name, or all.
SELECT user_group.id, user_group.name, user_group.description,
       ARRAY (SELECT account.username FROM user_group_member JOIN account ON account.id = user_group_member.account_id
              WHERE user_group_member.group_id = user_group.id ORDER BY account.username) AS members,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(role_grant.role, resource_pool.name)
                                  ORDER BY role_grant.role, resource_pool.name NULLS FIRST), '[]')
        FROM role_grant LEFT JOIN resource_pool ON resource_pool.id = role_grant.pool_id
        WHERE role_grant.group_id = user_group.id) AS grants
FROM user_group WHERE %(name)s::text IS NULL OR user_group.name = %(name)s ORDER BY user_group.name;

-- name: site.rights.lock_group
-- The group of this name; nobody changes it, its members or its rights meanwhile.
SELECT id FROM user_group WHERE name = %(name)s FOR NO KEY UPDATE;

-- name: site.rights.add_group
-- A new group, which has no members.
INSERT INTO user_group (name, description) VALUES (%(name)s, %(description)s);

-- name: site.rights.update_group
-- What a group is called and says.
UPDATE user_group SET name = %(name)s, description = %(description)s WHERE id = %(id)s;

-- name: site.rights.delete_group
-- A group ends, and what its members had by it.
DELETE FROM user_group WHERE id = %(id)s;

-- name: site.rights.account_ids
-- The accounts of these names, which stay while the transaction lasts.
SELECT id, username FROM account WHERE username = ANY (%(usernames)s::text[]) ORDER BY id FOR KEY SHARE;

-- name: site.rights.add_member
-- An account is in a group from now on.
INSERT INTO user_group_member (group_id, account_id) VALUES (%(group_id)s, %(account_id)s) ON CONFLICT DO NOTHING;

-- name: site.rights.remove_member
-- An account is in a group no more.
DELETE FROM user_group_member WHERE group_id = %(group_id)s AND account_id = %(account_id)s;

-- name: site.rights.grant
-- An account or a group has a role from now on.
INSERT INTO role_grant (account_id, group_id, role, pool_id)
VALUES (%(account_id)s, %(group_id)s, %(role)s, %(pool_id)s) ON CONFLICT DO NOTHING;

-- name: site.rights.revoke
-- An account or a group has a role no more.
DELETE FROM role_grant
WHERE account_id IS NOT DISTINCT FROM %(account_id)s::bigint AND group_id IS NOT DISTINCT FROM %(group_id)s::bigint
  AND role = %(role)s AND pool_id IS NOT DISTINCT FROM %(pool_id)s::bigint;
