-- What is there more than once: one row for each UID, with the times at which it came in.
-- Repeats may differ in ttl and in a derived time. So one of them may lie outside of a short span.
SELECT
    uid,
    times,
    different,
    event_time,
    event_name,
    first_ingested,
    last_ingested
FROM (
    SELECT
        UID AS uid,
        eventTime AS event_time,
        eventName AS event_name,
        count(*) OVER (PARTITION BY UID) AS times,
        min(`@ingestionTime`) OVER (PARTITION BY UID) AS first_ingested,
        max(`@ingestionTime`) OVER (PARTITION BY UID) AS last_ingested,
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
    AND times > 1
ORDER BY uid
