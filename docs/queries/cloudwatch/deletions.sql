-- What was deleted, by whom: one row for each row of Kong's database, the newest first.
-- principal_id is Kong's word; user_name is what the caller said.
-- What the call was, and from where, is empty when the call is not in this span.
SELECT
    event_id,
    event_time,
    entity_table,
    entity_key,
    entity_name,
    principal_id,
    user_name,
    event_name,
    source_ip
FROM (
    SELECT
        id AS event_id,
        eventTime AS event_time,
        `userIdentity.principalId` AS principal_id,
        `additionalEventData.dao_name` AS entity_table,
        `additionalEventData.entity_key` AS entity_key,
        -- Most have a name; a consumer has a username.
        coalesce(`responseElements.name`, `responseElements.username`) AS entity_name,
        `additionalEventData.request_id` AS request_id,
        -- An entry may have been shipped twice: the latest delivery.
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime` DESC) AS place
    FROM `<log_group>`
    WHERE eventTime >= '<from>'
        AND eventTime < '<to>'
        AND `additionalEventData.operation` = 'delete'
) AS deletions
LEFT OUTER JOIN (
    SELECT
        UID AS call_id,
        eventName AS event_name,
        sourceIPAddress AS source_ip,
        `userIdentity.details.userName` AS user_name,
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime` DESC) AS call_place
    FROM `<log_group>`
    WHERE eventTime >= '<from>'
        AND eventTime < '<to>'
        AND `additionalEventData.method` IS NOT NULL
) AS calls ON calls.call_id = deletions.request_id AND calls.call_place = 1
WHERE place = 1
ORDER BY event_time DESC, event_id
