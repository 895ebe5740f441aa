-- Events that have their UID in common and are not alike: every one of them, in the order in which they came in.
-- An entry that was shipped twice is alike, but for ttl and a derived time, which age. So the second one is
-- from Kong's Lambda, from another version of the mapping, or from somebody else. place 1 is what the other
-- queries show.
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
    ingestiontime
FROM (
    SELECT
        UID AS uid,
        eventTime AS event_time,
        eventName AS event_name,
        `userIdentity.principalId` AS principal_id,
        `userIdentity.details.userName` AS user_name,
        sourceIPAddress AS source_ip,
        `additionalEventData.status` AS status,
        `@ingestionTime` AS ingestiontime,
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
WHERE different > 1
ORDER BY uid, place
