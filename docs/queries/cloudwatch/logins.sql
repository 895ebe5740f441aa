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
    status
FROM (
    SELECT
        id AS event_id,
        eventTime AS event_time,
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
        -- An entry may have been shipped twice: the latest delivery.
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime` DESC) AS place
    FROM `<log_group>`
    WHERE eventTime >= '<from>'
        AND eventTime < '<to>'
        AND (
            eventName = 'GETauth'
            OR eventName = 'DELETEauth'
                AND `requestParameters.queryParameters` LIKE '%session_logout=true%'
        )
) AS numbered
WHERE place = 1
ORDER BY event_time DESC, event_id
