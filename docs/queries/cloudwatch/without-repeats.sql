-- Every event once, the latest of those that have its id: one row for each, the newest first.
-- times says how often it is in the log group, within the span.
-- Repeats may differ in ttl and in a derived time. So one of them may lie outside of a short span.
SELECT
    uid,
    times,
    event_time,
    event_name,
    principal_id,
    ingestiontime
FROM (
    SELECT
        id AS uid,
        eventTime AS event_time,
        eventName AS event_name,
        `userIdentity.principalId` AS principal_id,
        `@ingestionTime` AS ingestiontime,
        count(*) OVER (PARTITION BY id) AS times,
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime` DESC) AS place
    FROM `<log_group>`
    WHERE eventTime >= '<from>'
        AND eventTime < '<to>'
) AS numbered
WHERE place = 1
ORDER BY event_time DESC, uid
