-- Admin API calls that failed: one row for each, the newest first.
-- By the status and not by errorCode, which events of Kong's Lambda lack.
-- principal_id is Kong's word; user_name is what the caller said.
SELECT
    event_id,
    event_time,
    event_name,
    status,
    principal_id,
    user_name,
    source_ip,
    workspace,
    different
FROM (
    SELECT
        UID AS event_id,
        eventTime AS event_time,
        eventName AS event_name,
        `additionalEventData.status` AS status,
        errorCode AS error_code,
        `userIdentity.principalId` AS principal_id,
        `userIdentity.details.userName` AS user_name,
        sourceIPAddress AS source_ip,
        `additionalEventData.workspace` AS workspace,
        -- How many different events have this UID: without ttl and a derived time, which age.
        dense_rank() OVER (PARTITION BY UID ORDER BY
            regexp_replace(
                regexp_replace(`@message`, '^(.*?"additionalEventData":.*?)"ttl":[0-9]+', '$1'),
                '^(.*?)"eventTime":"[^"]*"(.*?"additionalEventData":.*?)"derivedTime":[{][^{}]*[}]',
                '$1$2'
            )
        ) + dense_rank() OVER (PARTITION BY UID ORDER BY
            regexp_replace(
                regexp_replace(`@message`, '^(.*?"additionalEventData":.*?)"ttl":[0-9]+', '$1'),
                '^(.*?)"eventTime":"[^"]*"(.*?"additionalEventData":.*?)"derivedTime":[{][^{}]*[}]',
                '$1$2'
            ) DESC
        ) - 1 AS different,
        -- The first that came in, as a whole, whatever was sent later under its UID.
        row_number() OVER (PARTITION BY UID ORDER BY `@ingestionTime`) AS place
    FROM `<log_group>`
    WHERE eventSource = 'kong-gateway'
        AND eventTime >= '<from>'
        AND eventTime < '<to>'
) AS numbered
WHERE place = 1
    AND error_code IS NOT NULL
ORDER BY event_time DESC, event_id
