-- Logins, failed ones too, and logouts: one row for each, the newest first.
-- Kong Manager logs in by these calls; any other client can make them too, and then it has logged in.
-- principal_id is Kong's word; user_name and request_source, kong-manager say, are the caller's.
SELECT
    eventdata.uid AS event_id,
    max(eventdata.eventtime) AS event_time,
    max(CASE
        WHEN eventdata.eventname = 'DELETEauth' THEN 'logout'
        WHEN element_at(eventdata.additionaleventdata, 'status') >= '400' THEN 'failed login'
        ELSE 'login'
    END) AS what,
    max(eventdata.useridentity.principalid) AS principal_id,
    max(element_at(eventdata.useridentity.details, 'userName')) AS user_name,
    max(element_at(eventdata.additionaleventdata, 'request_source')) AS request_source,
    max(eventdata.sourceipaddress) AS source_ip,
    max(element_at(eventdata.additionaleventdata, 'status')) AS status
FROM <event_data_store_id>
WHERE eventcategory = 'ActivityAuditLog'
    AND eventtime >= '<from>'
    AND eventtime < '<to>'
    AND (
        eventdata.eventname = 'GETauth'
        OR eventdata.eventname = 'DELETEauth'
            AND element_at(eventdata.requestparameters, 'queryParameters') LIKE '%session_logout=true%'
    )
-- Grouped, since an entry may have been shipped twice.
GROUP BY eventdata.uid
ORDER BY event_time DESC, event_id
