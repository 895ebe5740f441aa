-- Events that have their UID in common and are not alike: every one of them, in the order in which S3 took them.
-- An entry that was shipped twice is alike, but for ttl and a derived time, which age. So the second one is
-- from another version of Kong or of the mapping, or from somebody else. place 1 is what the other queries show.
SELECT
    uid,
    place,
    different,
    event_time,
    event_name,
    principal_id,
    user_name,
    source_ip,
    status,
    taken AS ingestiontime,
    object
FROM (
    SELECT
        *,
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
            json_extract_scalar(line, '$.userIdentity.principalId') AS principal_id,
            json_extract_scalar(line, '$.userIdentity.details.userName') AS user_name,
            json_extract_scalar(line, '$.sourceIPAddress') AS source_ip,
            json_extract_scalar(line, '$.additionalEventData.status') AS status,
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
WHERE different > 1
ORDER BY uid, place
