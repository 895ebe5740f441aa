-- The events that have parts: one row for each, the newest first.
-- parts and parts_expected differ when some of them are not in the log group, or not in this span.
SELECT
    event_id,
    max(part_time) AS event_time,
    max(part_name) AS event_name,
    count(*) AS parts,
    max(total) AS parts_expected
FROM (
    SELECT
        `requestParameters.part.of` AS event_id,
        `requestParameters.part.total` AS total,
        eventTime AS part_time,
        eventName AS part_name,
        -- An entry that was shipped twice has all its parts twice.
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime` DESC) AS place
    FROM `<log_group>`
    WHERE eventTime >= '<from>'
        AND eventTime < '<to>'
        AND `requestParameters.part.of` IS NOT NULL
) AS numbered
WHERE place = 1
GROUP BY event_id
ORDER BY event_time DESC, event_id
