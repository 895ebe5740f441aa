-- The slices of one event's parts in their order, one row for each.
SELECT
    field,
    encoding,
    number,
    slice
FROM (
    SELECT
        `requestParameters.part.field` AS field,
        `requestParameters.part.encoding` AS encoding,
        `requestParameters.part.number` AS number,
        `requestParameters.part.slice` AS slice,
        -- An entry that was shipped twice has all its parts twice.
        row_number() OVER (PARTITION BY id ORDER BY `@ingestionTime` DESC) AS place
    FROM `<log_group>`
    WHERE eventTime >= '<from>'
        AND eventTime < '<to>'
        AND `requestParameters.part.of` = '<event_id>'
) AS numbered
WHERE place = 1
ORDER BY number
