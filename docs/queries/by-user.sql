-- Everything by one user, calls and what they wrote: one row for each, the newest first.
-- By the id, which is Kong's word: a name is what callers said.
SELECT
    eventdata.uid AS event_id,
    max(eventdata.eventtime) AS event_time,
    max(eventdata.eventname) AS event_name,
    max(element_at(eventdata.additionaleventdata, 'status')) AS status,
    max(element_at(eventdata.additionaleventdata, 'entity_key')) AS entity_key,
    max(eventdata.useridentity.principalid) AS principal_id,
    max(element_at(eventdata.useridentity.details, 'userName')) AS user_name,
    max(eventdata.sourceipaddress) AS source_ip,
    max(element_at(eventdata.additionaleventdata, 'workspace')) AS workspace
FROM <event_data_store_id>
WHERE eventcategory = 'ActivityAuditLog'
    AND eventtime >= '<from>'
    AND eventtime < '<to>'
    AND eventdata.useridentity.principalid = '<user>'
    -- An event's parts say nothing of their own.
    AND element_at(eventdata.requestparameters, 'part') IS NULL
-- Grouped, since an entry may have been shipped twice.
GROUP BY eventdata.uid
ORDER BY event_time DESC, event_id
