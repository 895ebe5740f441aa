-- Logins, failed ones too, and logouts: one row for each, the newest first.
-- Kong Manager logs in by these calls; any other client can make them too, and then it has logged in.
-- principal_id is Kong's word; user_name and request_source, kong-manager say, are the caller's.
SELECT
    event_id,
    event_time,
    CASE
        WHEN event_name = 'DELETEauth' THEN 'logout'
        WHEN error_code IS NOT NULL THEN 'failed login'
        ELSE 'login'
    END AS what,
    principal_id,
    user_name,
    request_source,
    source_ip,
    status,
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
            json_extract_scalar(line, '$.errorCode') AS error_code,
            json_extract_scalar(line, '$.userIdentity.principalId') AS principal_id,
            json_extract_scalar(line, '$.userIdentity.details.userName') AS user_name,
            json_extract_scalar(line, '$.additionalEventData.request_source') AS request_source,
            json_extract_scalar(line, '$.sourceIPAddress') AS source_ip,
            json_extract_scalar(line, '$.additionalEventData.status') AS status,
            json_extract_scalar(line, '$.requestParameters.queryParameters') AS query_parameters,
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
    AND (
        event_name = 'GETauth'
        OR event_name = 'DELETEauth' AND query_parameters LIKE '%session_logout=true%'
    )
ORDER BY event_time DESC, event_id
