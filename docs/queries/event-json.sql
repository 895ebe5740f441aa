-- The JSON of one event and of its parts, one row for each: what the rebuild function takes.
SELECT eventjson
FROM (
    SELECT
        eventjson,
        uid,
        json_extract_scalar(part, '$.of') AS of_event,
        json_extract_scalar(part, '$.number') AS number,
        place
    FROM (
        SELECT
            eventjson,
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
    -- The first that came in of each, whatever was sent later under its UID.
    WHERE place = 1
)
WHERE uid = '<event_id>'
    -- A part's UID follows from its event's; one of more than 120 characters is replaced by its hash.
    OR of_event = '<event_id>' AND (uid = '<event_id>' || '-p' || number OR length('<event_id>') > 120)
