-- The values that went out in parts, put together again: one row for each value of one event.
-- sha256 and bytes are what the event says of the value; intact tells whether the text has them.
SELECT DISTINCT
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
                element_at(requestparameters, substr(field, length('requestParameters.') + 1))
            WHEN field LIKE 'responseElements.%' THEN
                element_at(responseelements, substr(field, length('responseElements.') + 1))
            WHEN field LIKE 'additionalEventData.%' THEN
                element_at(additionaleventdata, substr(field, length('additionalEventData.') + 1))
        END AS reference
    FROM (
        SELECT
            event_id,
            field,
            encoding,
            array_join(array_agg(slice ORDER BY number), '') AS text
        FROM (
            -- DISTINCT, since an entry that was shipped twice has all its parts twice.
            SELECT DISTINCT
                json_extract_scalar(part, '$.of') AS event_id,
                json_extract_scalar(part, '$.field') AS field,
                json_extract_scalar(part, '$.encoding') AS encoding,
                CAST(json_extract_scalar(part, '$.number') AS bigint) AS number,
                json_extract_scalar(part, '$.slice') AS slice
            FROM (
                SELECT element_at(eventdata.requestparameters, 'part') AS part
                FROM <event_data_store_id>
                WHERE eventcategory = 'ActivityAuditLog'
                    AND eventtime >= '<from>'
                    AND eventtime < '<to>'
            )
            WHERE json_extract_scalar(part, '$.of') = '<event_id>'
        )
        GROUP BY event_id, field, encoding
    ) AS assembled
    LEFT JOIN (
        SELECT
            eventdata.uid AS uid,
            eventdata.requestparameters AS requestparameters,
            eventdata.responseelements AS responseelements,
            eventdata.additionaleventdata AS additionaleventdata
        FROM <event_data_store_id>
        WHERE eventcategory = 'ActivityAuditLog'
            AND eventtime >= '<from>'
            AND eventtime < '<to>'
            AND eventdata.uid = '<event_id>'
    ) AS event ON event.uid = assembled.event_id
)
ORDER BY field
