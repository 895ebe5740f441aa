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
        UID AS event_id,
        eventTime AS event_time,
        `userIdentity.principalId` AS principal_id,
        `additionalEventData.operation` AS operation,
        `additionalEventData.dao_name` AS entity_table,
        `additionalEventData.entity_key` AS entity_key,
        coalesce(`responseElements.name`, `responseElements.username`) AS entity_name,
        `additionalEventData.request_id` AS request_id,
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
) AS changes
LEFT OUTER JOIN (
    SELECT
        UID AS call_id,
        eventName AS event_name,
        sourceIPAddress AS source_ip,
        `userIdentity.details.userName` AS user_name,
        `additionalEventData.status` AS status,
        `additionalEventData.method` AS method,
        row_number() OVER (PARTITION BY UID ORDER BY `@ingestionTime`) AS call_place
    FROM `<log_group>`
    WHERE eventSource = 'kong-gateway'
        AND eventTime >= '<from>'
        AND eventTime < '<to>'
) AS calls ON calls.call_id = changes.request_id AND calls.call_place = 1 AND calls.method IS NOT NULL
WHERE place = 1
    AND entity_table = '<table>'
    AND (entity_key = '<entity>' OR entity_name = '<entity>')
ORDER BY event_time DESC, event_id
