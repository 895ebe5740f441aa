-- Everything by one user, calls and what they wrote: one row for each, the newest first.
-- Rows written tell the user by id alone, so a name is looked up among the calls of this span.
SELECT
    eventdata.uid AS event_id,
    max(eventdata.eventtime) AS event_time,
    max(eventdata.eventname) AS event_name,
    max(element_at(eventdata.additionaleventdata, 'status')) AS status,
    max(element_at(eventdata.additionaleventdata, 'entity_key')) AS entity_key,
    max(eventdata.useridentity.principalid) AS principal_id,
    max(eventdata.sourceipaddress) AS source_ip,
    max(element_at(eventdata.additionaleventdata, 'workspace')) AS workspace
FROM <event_data_store_id>
WHERE eventcategory = 'ActivityAuditLog'
    AND eventtime >= '<from>'
    AND eventtime < '<to>'
    AND (
        eventdata.useridentity.principalid = '<user>'
        OR eventdata.useridentity.principalid IN (
            SELECT eventdata.useridentity.principalid
            FROM <event_data_store_id>
            WHERE eventcategory = 'ActivityAuditLog'
                AND eventtime >= '<from>'
                AND eventtime < '<to>'
                AND element_at(eventdata.useridentity.details, 'userName') = '<user>'
                AND eventdata.useridentity.principalid <> 'anonymous'
        )
    )
    -- An event's parts say nothing of their own.
    AND element_at(eventdata.requestparameters, 'part') IS NULL
-- Grouped, since an entry may have been shipped twice.
GROUP BY eventdata.uid
ORDER BY event_time DESC, event_id
