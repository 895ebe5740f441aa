-- The JSON of one event and of its parts, one row for each: what the rebuild function takes.
SELECT DISTINCT eventjson
FROM <event_data_store_id>
WHERE eventcategory = 'ActivityAuditLog'
    AND eventtime >= '<from>'
    AND eventtime < '<to>'
    AND (
        eventdata.uid = '<event_id>'
        OR json_extract_scalar(element_at(eventdata.requestparameters, 'part'), '$.of') = '<event_id>'
    )
