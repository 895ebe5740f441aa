-- The slices of one event's parts in their order, one row for each and none larger than 100 kB.
SELECT
    field,
    encoding,
    CAST(number AS bigint) AS number,
    slice
FROM (
    SELECT
        json_extract_scalar(line, '$.id') AS part_id,
        json_extract_scalar(line, '$.requestParameters.part.of') AS event_id,
        json_extract_scalar(line, '$.requestParameters.part.field') AS field,
        json_extract_scalar(line, '$.requestParameters.part.encoding') AS encoding,
        json_extract_scalar(line, '$.requestParameters.part.number') AS number,
        json_extract_scalar(line, '$.requestParameters.part.slice') AS slice,
        row_number() OVER (
            PARTITION BY json_extract_scalar(line, '$.id') ORDER BY "$file_modified_time", "$path"
        ) AS place
    FROM <trail>
    WHERE json_extract_scalar(line, '$.eventSource') = 'kong-gateway'
        AND "date" >= '<from>'
        AND "date" < '<to>'
) AS numbered
-- The first that S3 took of each part, whatever was sent later under its id.
WHERE place = 1
    AND event_id = '<event_id>'
    -- A part's id follows from its event's; one of more than 120 characters is replaced by its hash.
    AND (part_id = '<event_id>' || '-p' || number OR length('<event_id>') > 120)
ORDER BY CAST(number AS bigint)
