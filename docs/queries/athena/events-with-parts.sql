-- The events that have parts: one row for each, the newest first.
-- parts and parts_expected differ when some of them are not in the bucket, or not in this span.
SELECT
    event_id,
    -- Of the first part: all parts have their event's.
    min(CASE WHEN number = '1' THEN part_time END) AS event_time,
    min(CASE WHEN number = '1' THEN part_name END) AS event_name,
    array_join(array_agg(DISTINCT field ORDER BY field), ', ') AS fields,
    count(*) AS parts,
    max(CAST(total AS bigint)) AS parts_expected
FROM (
    SELECT
        json_extract_scalar(line, '$.id') AS part_id,
        json_extract_scalar(line, '$.requestParameters.part.of') AS event_id,
        json_extract_scalar(line, '$.requestParameters.part.field') AS field,
        json_extract_scalar(line, '$.requestParameters.part.number') AS number,
        json_extract_scalar(line, '$.requestParameters.part.total') AS total,
        json_extract_scalar(line, '$.eventTime') AS part_time,
        json_extract_scalar(line, '$.eventName') AS part_name,
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
    AND event_id IS NOT NULL
    -- A part's id follows from its event's; one of more than 120 characters is replaced by its hash.
    AND (part_id = event_id || '-p' || number OR length(event_id) > 120)
GROUP BY event_id
ORDER BY event_time DESC, event_id
