-- What is there more than once: one row for each UID, with the times at which S3 took it.
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
        *,
        count(*) OVER (PARTITION BY uid) AS times,
        min(taken) OVER (PARTITION BY uid) AS first_ingested,
        max(taken) OVER (PARTITION BY uid) AS last_ingested,
        -- How many different events have this UID: without ttl and a derived time, which age.
        dense_rank() OVER (PARTITION BY uid ORDER BY content)
            + dense_rank() OVER (PARTITION BY uid ORDER BY content DESC) - 1 AS different,
        -- The first that S3 took, as a whole, whatever was sent later under its UID.
        row_number() OVER (PARTITION BY uid ORDER BY taken, object) AS place
    FROM (
        SELECT
            json_extract_scalar(line, '$.UID') AS uid,
            json_extract_scalar(line, '$.eventTime') AS event_time,
            json_extract_scalar(line, '$.eventName') AS event_name,
            "$file_modified_time" AS taken,
            "$path" AS object,
            sha256(to_utf8(replace(
                CASE
                    WHEN json_extract_scalar(line, '$.additionalEventData.derivedTime.source') IS NULL THEN line
                    ELSE regexp_replace(
                        line,
                        '(?s)^(.*?)"eventTime":"[^"]*"(.*?"additionalEventData":.*?)"derivedTime":[{][^{}]*[}]',
                        '$1$2'
                    )
                END,
                coalesce('"ttl":' || json_extract_scalar(line, '$.additionalEventData.ttl'), ''),
                ''
            ))) AS content
        FROM <trail>
        WHERE json_extract_scalar(line, '$.eventSource') = 'kong-gateway'
            AND "date" >= '<from>'
            AND "date" < '<to>'
    )
) AS numbered
WHERE place = 1
    AND times > 1
ORDER BY uid
