-- The events that have parts: one row for each, the newest first.
-- parts and parts_expected differ when some of them are not in the store, or not in this span.
SELECT
    event_id,
    -- Of the first part: all parts have their event's.
    min(CASE WHEN number = '1' THEN event_time END) AS event_time,
    min(CASE WHEN number = '1' THEN event_name END) AS event_name,
    array_join(array_agg(DISTINCT field ORDER BY field), ', ') AS fields,
    count(*) AS parts,
    max(total) AS parts_expected
FROM (
    SELECT
        uid,
        event_time,
        event_name,
        json_extract_scalar(part, '$.of') AS event_id,
        json_extract_scalar(part, '$.field') AS field,
        json_extract_scalar(part, '$.number') AS number,
        CAST(json_extract_scalar(part, '$.total') AS bigint) AS total
    FROM (
        SELECT
            eventdata.uid AS uid,
            eventdata.eventtime AS event_time,
            eventdata.eventname AS event_name,
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
WHERE event_id IS NOT NULL
    -- A part's UID follows from its event's; one of more than 120 characters is replaced by its hash.
    AND (uid = event_id || '-p' || number OR length(event_id) > 120)
GROUP BY event_id
ORDER BY event_time DESC, event_id
