-- Admin API calls that failed: one row for each, the newest first.
-- principal_id is Kong's word; user_name is what the caller said.
SELECT
    event_id,
    event_time,
    event_name,
    status,
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
        `userIdentity.principalId` AS principal_id,
        `userIdentity.details.userName` AS user_name,
        sourceIPAddress AS source_ip,
        `additionalEventData.workspace` AS workspace,
        -- An entry may have been shipped twice: the latest delivery.
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime` DESC) AS place
    FROM `<log_group>`
    WHERE eventTime >= '<from>'
        AND eventTime < '<to>'
        AND errorCode IS NOT NULL
) AS numbered
WHERE place = 1
ORDER BY event_time DESC, event_id
