-- Who changed one entity, such as a route: one row for each change, the newest first.
-- A consumer is found by its username, other entities by their name.
-- principal_id is Kong's word; user_name is what the caller said.
-- What the call was, and from where, is empty when the call is not in this span.
SELECT
    event_id,
    event_time,
    operation,
    entity_key,
    entity_name,
    principal_id,
    user_name,
    event_name,
    status,
    source_ip,
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
            json_extract_scalar(line, '$.userIdentity.principalId') AS principal_id,
            json_extract_scalar(line, '$.additionalEventData.operation') AS operation,
            json_extract_scalar(line, '$.additionalEventData.dao_name') AS entity_table,
            json_extract_scalar(line, '$.additionalEventData.entity_key') AS entity_key,
            coalesce(
                json_extract_scalar(line, '$.responseElements.name'),
                json_extract_scalar(line, '$.responseElements.username')
            ) AS entity_name,
            json_extract_scalar(line, '$.additionalEventData.request_id') AS request_id,
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
) AS changes
LEFT JOIN (
    SELECT
        call_id,
        event_name,
        source_ip,
        user_name,
        status
    FROM (
        SELECT
            json_extract_scalar(line, '$.UID') AS call_id,
            json_extract_scalar(line, '$.eventName') AS event_name,
            json_extract_scalar(line, '$.sourceIPAddress') AS source_ip,
            json_extract_scalar(line, '$.userIdentity.details.userName') AS user_name,
            json_extract_scalar(line, '$.additionalEventData.status') AS status,
            json_extract_scalar(line, '$.additionalEventData.method') AS method,
            row_number() OVER (
                PARTITION BY json_extract_scalar(line, '$.UID') ORDER BY "$file_modified_time", "$path"
            ) AS place
        FROM <trail>
        WHERE json_extract_scalar(line, '$.eventSource') = 'kong-gateway'
            AND "date" >= '<from>'
            AND "date" < '<to>'
    )
    WHERE place = 1
        AND method IS NOT NULL
) AS calls ON calls.call_id = changes.request_id
WHERE place = 1
    AND entity_table = '<table>'
    AND (entity_key = '<entity>' OR entity_name = '<entity>')
ORDER BY event_time DESC, event_id
