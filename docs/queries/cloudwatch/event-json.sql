-- One event and its parts as they are stored, one row for each: what the rebuild function takes.
SELECT message
FROM (
    SELECT
        `@message` AS message,
        -- An entry that was shipped twice has all of them twice, and they may differ: the latest.
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime` DESC) AS place
    FROM `<log_group>`
    WHERE eventTime >= '<from>'
        AND eventTime < '<to>'
        AND (id = '<event_id>' OR `requestParameters.part.of` = '<event_id>')
) AS numbered
WHERE place = 1
