-- Admin API calls that failed: one row for each, the newest first.
-- By the status and not by errorCode, which events of Kong's Lambda lack.
-- principal_id is Kong's word; user_name is what the caller said.
SELECT
    eventdata.uid AS event_id,
    max(eventdata.eventtime) AS event_time,
    max(eventdata.eventname) AS event_name,
    max(element_at(eventdata.additionaleventdata, 'status')) AS status,
    max(eventdata.useridentity.principalid) AS principal_id,
    max(element_at(eventdata.useridentity.details, 'userName')) AS user_name,
    max(eventdata.sourceipaddress) AS source_ip,
    max(element_at(eventdata.additionaleventdata, 'workspace')) AS workspace
FROM <event_data_store_id>
WHERE eventcategory = 'ActivityAuditLog'
    AND eventtime >= '<from>'
    AND eventtime < '<to>'
    -- Texts of three digits compare as numbers do.
    AND element_at(eventdata.additionaleventdata, 'status') >= '400'
-- Grouped, since an entry may have been shipped twice.
GROUP BY eventdata.uid
ORDER BY event_time DESC, event_id
