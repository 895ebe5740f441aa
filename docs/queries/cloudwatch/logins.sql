-- Logins, failed ones too, and logouts: one row for each, the newest first.
-- Kong Manager logs in by these calls; any other client can make them too, and then it has logged in.
-- principal_id is Kong's word; user_name and request_source, kong-manager say, are the caller's.
SELECT
    event_id,
    event_time,
    what,
    principal_id,
    user_name,
    request_source,
    source_ip,
    status,
    different
FROM (
    SELECT
        UID AS event_id,
        eventTime AS event_time,
        eventName AS event_name,
        CASE
            WHEN eventName = 'DELETEauth' THEN 'logout'
            WHEN errorCode IS NOT NULL THEN 'failed login'
            ELSE 'login'
        END AS what,
        `userIdentity.principalId` AS principal_id,
        `userIdentity.details.userName` AS user_name,
        `additionalEventData.request_source` AS request_source,
        sourceIPAddress AS source_ip,
        `additionalEventData.status` AS status,
        `requestParameters.queryParameters` AS query_parameters,
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
    AND (
        event_name = 'GETauth'
        OR event_name = 'DELETEauth' AND query_parameters LIKE '%session_logout=true%'
    )
ORDER BY event_time DESC, event_id
