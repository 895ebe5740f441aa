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
    workspace,
    different
FROM (
    SELECT
        *,
        -- How many different events have this UID: without ttl and a derived time, which age.
        dense_rank() OVER (PARTITION BY event_id ORDER BY content)
            + dense_rank() OVER (PARTITION BY event_id ORDER BY content DESC) - 1 AS different,
        -- The first that S3 took, as a whole, whatever was sent later under its UID.
        row_number() OVER (PARTITION BY event_id ORDER BY taken, object) AS place
    FROM (
        SELECT
            json_extract_scalar(line, '$.UID') AS event_id,
            json_extract_scalar(line, '$.eventTime') AS event_time,
            json_extract_scalar(line, '$.eventName') AS event_name,
            json_extract_scalar(line, '$.additionalEventData.status') AS status,
            json_extract_scalar(line, '$.errorCode') AS error_code,
            json_extract_scalar(line, '$.userIdentity.principalId') AS principal_id,
            json_extract_scalar(line, '$.userIdentity.details.userName') AS user_name,
            json_extract_scalar(line, '$.sourceIPAddress') AS source_ip,
            json_extract_scalar(line, '$.additionalEventData.workspace') AS workspace,
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
    AND error_code IS NOT NULL
ORDER BY event_time DESC, event_id
