-- What is in the log group more than once: one row for each id, with the times at which it came in.
-- Repeats may differ in ttl and in a derived time. So one of them may lie outside of a short span.
SELECT
    id AS uid,
    count(*) AS times,
    max(eventTime) AS event_time,
    max(eventName) AS event_name,
    min(`@ingestionTime`) AS first_ingested,
    max(`@ingestionTime`) AS last_ingested
FROM `<log_group>`
WHERE eventTime >= '<from>'
    AND eventTime < '<to>'
GROUP BY id
HAVING count(*) > 1
ORDER BY uid
