-- The events that have parts: one row for each, the newest first.
-- parts and parts_expected differ when some of them are not in the log group, or not in this span.
SELECT
    event_id,
    -- Of the first part: all parts have their event's.
    min(CASE WHEN number = 1 THEN part_time END) AS event_time,
    min(CASE WHEN number = 1 THEN part_name END) AS event_name,
    count(*) AS parts,
    max(total) AS parts_expected
FROM (
    SELECT
        id AS part_id,
        `requestParameters.part.of` AS event_id,
        `requestParameters.part.number` AS number,
        `requestParameters.part.total` AS total,
        eventTime AS part_time,
        eventName AS part_name,
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime`) AS place
    FROM `<log_group>`
    WHERE eventSource = 'kong-gateway'
        AND eventTime >= '<from>'
        AND eventTime < '<to>'
) AS numbered
-- The first that came in of each part, whatever was sent later under its id.
WHERE place = 1
    AND event_id IS NOT NULL
    -- A part's id follows from its event's; one of more than 120 characters is replaced by its hash.
    AND (part_id = concat(event_id, '-p', number) OR length(event_id) > 120)
GROUP BY event_id
ORDER BY event_time DESC, event_id
