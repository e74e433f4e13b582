-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.notifications.lock
-- One change of notifications at a time; readers are not held up.
LOCK TABLE notification IN SHARE ROW EXCLUSIVE MODE;

-- name: site.notifications.all
-- All notifications by id, and whether an account has dismissed them.
SELECT notification.id, notification.ident, notification.account_id, account.username, notification.users,
       notification.admins, notification.message, notification.context, notification.category,
       notification.dismissable,
       EXISTS (SELECT FROM notification_dismissal WHERE notification_dismissal.notification_id = notification.id
               AND notification_dismissal.account_id = %(account_id)s::bigint) AS is_dismissed
FROM notification LEFT JOIN account ON account.id = notification.account_id
ORDER BY notification.id;

-- name: site.notifications.add
-- A new notification.
INSERT INTO notification (ident, account_id, users, admins, message, context, category, dismissable, created_at,
                          updated_at)
VALUES (%(ident)s, %(account_id)s, %(users)s, %(admins)s, %(message)s, %(context)s, %(category)s, %(dismissable)s,
        %(now)s, %(now)s)
RETURNING id;

-- name: site.notifications.update
-- What it says now, and to whom.
UPDATE notification
SET ident = %(ident)s, account_id = %(account_id)s, users = %(users)s, admins = %(admins)s, message = %(message)s,
    context = %(context)s, category = %(category)s, dismissable = %(dismissable)s, updated_at = %(now)s
WHERE id = %(id)s;

-- name: site.notifications.show_again
-- Nobody has dismissed it as it is now.
DELETE FROM notification_dismissal WHERE notification_id = %(id)s;

-- name: site.notifications.dismiss
-- Somebody wants to see it no more.
INSERT INTO notification_dismissal (notification_id, account_id) VALUES (%(id)s, %(account_id)s)
ON CONFLICT DO NOTHING;

-- name: site.notifications.delete
-- A notification is gone.
DELETE FROM notification WHERE id = %(id)s;
