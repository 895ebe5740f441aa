-- One event and its parts as they are stored, one row for each: what the rebuild function takes.
SELECT message
FROM (
    SELECT
        id AS event_id,
        `@message` AS message,
        `requestParameters.part.of` AS of_event,
        `requestParameters.part.number` AS number,
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime`) AS place
    FROM `<log_group>`
    WHERE eventSource = 'kong-gateway'
        AND eventTime >= '<from>'
        AND eventTime < '<to>'
) AS numbered
-- The first that came in of each, whatever was sent later under its id.
WHERE place = 1
    AND (
        event_id = '<event_id>'
        -- A part's id follows from its event's; one of more than 120 characters is replaced by its hash.
        OR of_event = '<event_id>'
            AND (event_id = concat('<event_id>-p', number) OR length('<event_id>') > 120)
    )
