-- Everything by one user, calls and what they wrote: one row for each, the newest first.
-- By the id, which is Kong's word: a name is what callers said.
SELECT
    event_id,
    event_time,
    event_name,
    status,
    entity_key,
    principal_id,
    user_name,
    source_ip,
    workspace
FROM (
    SELECT
        id AS event_id,
        eventTime AS event_time,
        eventName AS event_name,
        `additionalEventData.status` AS status,
        `additionalEventData.entity_key` AS entity_key,
        `userIdentity.principalId` AS principal_id,
        `userIdentity.details.userName` AS user_name,
        sourceIPAddress AS source_ip,
        `additionalEventData.workspace` AS workspace,
        -- An entry may have been shipped twice: the latest delivery.
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime` DESC) AS place
    FROM `<log_group>`
    WHERE eventTime >= '<from>'
        AND eventTime < '<to>'
        AND `userIdentity.principalId` = '<user>'
        -- An event's parts say nothing of their own.
        AND `requestParameters.part.of` IS NULL
) AS numbered
WHERE place = 1
ORDER BY event_time DESC, event_id
