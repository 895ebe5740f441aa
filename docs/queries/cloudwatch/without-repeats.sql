-- Every event once, the first that came in of those that have its UID: one row for each, the newest first.
-- times says how often it is there, and different how many of these are not alike, within the span.
-- Repeats may differ in ttl and in a derived time. So one of them may lie outside of a short span.
SELECT
    uid,
    times,
    different,
    event_time,
    event_name,
    principal_id,
    ingestiontime
FROM (
    SELECT
        UID AS uid,
        eventTime AS event_time,
        eventName AS event_name,
        `userIdentity.principalId` AS principal_id,
        `@ingestionTime` AS ingestiontime,
        count(*) OVER (PARTITION BY UID) AS times,
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
ORDER BY event_time DESC, uid
