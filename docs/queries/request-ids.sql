-- The ids of all Admin API calls that are in the store, to be compared with those that Kong holds.
SELECT DISTINCT eventdata.uid AS request_id
FROM <event_data_store_id>
WHERE eventcategory = 'ActivityAuditLog'
    AND eventtime >= '<from>'
    AND eventtime < '<to>'
    AND element_at(eventdata.additionaleventdata, 'method') IS NOT NULL
ORDER BY request_id
