-- The JSON of one event and of its parts, one row for each: what the rebuild function takes.
SELECT eventjson
FROM (
    SELECT
        eventjson,
        -- An entry that was shipped twice has all of them twice, and they may differ: the latest.
        row_number() OVER (
            PARTITION BY eventdata.uid ORDER BY metadata.ingestiontime DESC, eventid
        ) AS place
    FROM <event_data_store_id>
    WHERE eventcategory = 'ActivityAuditLog'
        AND eventtime >= '<from>'
        AND eventtime < '<to>'
        AND (
            eventdata.uid = '<event_id>'
            OR json_extract_scalar(element_at(eventdata.requestparameters, 'part'), '$.of') = '<event_id>'
        )
) AS numbered
WHERE place = 1
