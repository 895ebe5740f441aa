-- The values that went out in parts, put together again: one row for each value of one event.
-- sha256 and bytes are what the event says of the value; intact tells whether the text has them.
SELECT
    field,
    encoding,
    CAST(json_extract_scalar(reference, '$.bytes') AS bigint) AS bytes,
    json_extract_scalar(reference, '$.sha256') AS sha256,
    json_extract_scalar(reference, '$.sha256') = lower(to_hex(sha256(to_utf8(text)))) AS intact,
    text
FROM (
    SELECT
        field,
        encoding,
        text,
        CASE
            WHEN field LIKE 'requestParameters.%' THEN
                element_at(
                    CAST(json_extract(line, '$.requestParameters') AS map(varchar, json)),
                    substr(field, length('requestParameters.') + 1)
                )
            WHEN field LIKE 'responseElements.%' THEN
                element_at(
                    CAST(json_extract(line, '$.responseElements') AS map(varchar, json)),
                    substr(field, length('responseElements.') + 1)
                )
            WHEN field LIKE 'additionalEventData.%' THEN
                element_at(
                    CAST(json_extract(line, '$.additionalEventData') AS map(varchar, json)),
                    substr(field, length('additionalEventData.') + 1)
                )
        END AS reference
    FROM (
        SELECT
            event_id,
            field,
            encoding,
            array_join(array_agg(slice ORDER BY CAST(number AS bigint)), '') AS text
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
        )
        -- The first that S3 took of each part, whatever was sent later under its id.
        WHERE place = 1
            AND event_id = '<event_id>'
            -- A part's id follows from its event's; one of more than 120 characters is replaced by its hash.
            AND (part_id = '<event_id>' || '-p' || number OR length('<event_id>') > 120)
        GROUP BY event_id, field, encoding
    ) AS assembled
    LEFT JOIN (
        SELECT *
        FROM (
            SELECT
                line,
                json_extract_scalar(line, '$.id') AS whole_id,
                row_number() OVER (
                    PARTITION BY json_extract_scalar(line, '$.id') ORDER BY "$file_modified_time", "$path"
                ) AS place
            FROM <trail>
            WHERE json_extract_scalar(line, '$.eventSource') = 'kong-gateway'
                AND "date" >= '<from>'
                AND "date" < '<to>'
        )
        WHERE place = 1
            AND whole_id = '<event_id>'
    ) AS event ON event.whole_id = assembled.event_id
)
ORDER BY field
