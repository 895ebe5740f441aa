-- One event and its parts as they are stored, one row for each: what the rebuild function takes.
SELECT line
FROM (
    SELECT
        line,
        json_extract_scalar(line, '$.id') AS event_id,
        json_extract_scalar(line, '$.requestParameters.part.of') AS of_event,
        json_extract_scalar(line, '$.requestParameters.part.number') AS number,
        row_number() OVER (
            PARTITION BY json_extract_scalar(line, '$.id') ORDER BY "$file_modified_time", "$path"
        ) AS place
    FROM <trail>
    WHERE json_extract_scalar(line, '$.eventSource') = 'kong-gateway'
        AND "date" >= '<from>'
        AND "date" < '<to>'
) AS numbered
-- The first that S3 took of each, whatever was sent later under its id.
WHERE place = 1
    AND (
        event_id = '<event_id>'
        -- A part's id follows from its event's; one of more than 120 characters is replaced by its hash.
        OR of_event = '<event_id>'
            AND (event_id = '<event_id>' || '-p' || number OR length('<event_id>') > 120)
    )
