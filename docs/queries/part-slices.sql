-- The slices of one event's parts, one row for each and none larger than 100 kB: for values so
-- large that parts.sql fails with "Query response is too large".
SELECT
    field,
    encoding,
    CAST(number AS bigint) AS number,
    slice
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
ORDER BY number
