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
            array_join(array_agg(slice ORDER BY CAST(number AS bigint)), '') AS text
        FROM (
            SELECT
                uid,
                json_extract_scalar(part, '$.of') AS event_id,
                json_extract_scalar(part, '$.field') AS field,
                json_extract_scalar(part, '$.encoding') AS encoding,
                json_extract_scalar(part, '$.number') AS number,
                json_extract_scalar(part, '$.slice') AS slice
            FROM (
                SELECT
                    eventdata.uid AS uid,
                    element_at(eventdata.requestparameters, 'part') AS part,
                    row_number() OVER (
                        PARTITION BY eventdata.uid ORDER BY metadata.ingestiontime, eventid
                    ) AS place
                FROM <event_data_store_id>
                WHERE eventcategory = 'ActivityAuditLog'
                    AND eventdata.eventsource = 'kong-gateway'
                    AND eventtime >= '<from>'
                    AND eventtime < '<to>'
            )
            -- The first that came in of each part, whatever was sent later under its UID.
            WHERE place = 1
        )
        WHERE event_id = '<event_id>'
            -- A part's UID follows from its event's; one of more than 120 characters is replaced by its hash.
            AND (uid = '<event_id>' || '-p' || number OR length('<event_id>') > 120)
        GROUP BY event_id, field, encoding
    ) AS assembled
    LEFT JOIN (
        SELECT *
        FROM (
            SELECT
                eventdata.uid AS uid,
                eventdata.requestparameters AS requestparameters,
                eventdata.responseelements AS responseelements,
                eventdata.additionaleventdata AS additionaleventdata,
                row_number() OVER (
                    PARTITION BY eventdata.uid ORDER BY metadata.ingestiontime, eventid
                ) AS place
            FROM <event_data_store_id>
            WHERE eventcategory = 'ActivityAuditLog'
                AND eventdata.eventsource = 'kong-gateway'
                AND eventtime >= '<from>'
                AND eventtime < '<to>'
        )
        WHERE place = 1
            AND uid = '<event_id>'
    ) AS event ON event.uid = assembled.event_id
)
ORDER BY field
