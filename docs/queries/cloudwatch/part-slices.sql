-- The slices of one event's parts in their order, one row for each.
SELECT
    field,
    encoding,
    number,
    slice
FROM (
    SELECT
        id AS event_id,
        `requestParameters.part.of` AS of_event,
        `requestParameters.part.field` AS field,
        `requestParameters.part.encoding` AS encoding,
        `requestParameters.part.number` AS number,
        `requestParameters.part.slice` AS slice,
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime`) AS place
    FROM `<log_group>`
    WHERE eventSource = 'kong-gateway'
        AND eventTime >= '<from>'
        AND eventTime < '<to>'
) AS numbered
-- The first that came in of each part, whatever was sent later under its id.
WHERE place = 1
    AND of_event = '<event_id>'
    -- A part's id follows from its event's; one of more than 120 characters is replaced by its hash.
    AND (event_id = concat('<event_id>-p', number) OR length('<event_id>') > 120)
ORDER BY number
