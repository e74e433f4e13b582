-- SPDX-License-Identifier: GPL-3.0-or-later
-- Rights beside those of administrators: groups of users, and roles that they and single accounts have.

CREATE TABLE user_group (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT user_group_name_key UNIQUE,
    description text NOT NULL DEFAULT ''
);

CREATE TABLE user_group_member (
    group_id   bigint NOT NULL CONSTRAINT user_group_member_group_fkey REFERENCES user_group ON DELETE CASCADE,
    account_id bigint NOT NULL CONSTRAINT user_group_member_account_fkey REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (group_id, account_id)
);
CREATE INDEX user_group_member_account ON user_group_member (account_id);

CREATE TABLE role_grant (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint CONSTRAINT role_grant_account_fkey REFERENCES account ON DELETE CASCADE,
    group_id   bigint CONSTRAINT role_grant_group_fkey REFERENCES user_group ON DELETE CASCADE,
    role       text NOT NULL CONSTRAINT role_grant_role CHECK (role IN ('operator')),
    pool_id    bigint CONSTRAINT role_grant_pool_fkey REFERENCES resource_pool ON DELETE CASCADE,
    CONSTRAINT role_grant_holder CHECK (num_nonnulls(account_id, group_id) = 1),
    CONSTRAINT role_grant_once UNIQUE NULLS NOT DISTINCT (account_id, group_id, role, pool_id)
);
CREATE INDEX role_grant_group ON role_grant (group_id);
