-- Who changed one entity, such as a route: one row for each change, the newest first.
-- principal_id is Kong's word; user_name is what the caller said.
-- What the call was, and from where, is empty when the call is not in this span.
SELECT
    event_id,
    event_time,
    operation,
    entity_key,
    entity_name,
    principal_id,
    user_name,
    event_name,
    status,
    source_ip
FROM (
    -- Grouped, since an entry may have been shipped twice.
    SELECT
        eventdata.uid AS event_id,
        max(eventdata.eventtime) AS event_time,
        max(eventdata.useridentity.principalid) AS principal_id,
        max(element_at(eventdata.additionaleventdata, 'operation')) AS operation,
        max(element_at(eventdata.additionaleventdata, 'entity_key')) AS entity_key,
        max(element_at(eventdata.responseelements, 'name')) AS entity_name,
        max(element_at(eventdata.additionaleventdata, 'request_id')) AS request_id
    FROM <event_data_store_id>
    WHERE eventcategory = 'ActivityAuditLog'
        AND eventtime >= '<from>'
        AND eventtime < '<to>'
        AND element_at(eventdata.additionaleventdata, 'dao_name') = '<table>'
        AND (
            element_at(eventdata.additionaleventdata, 'entity_key') = '<entity>'
            OR element_at(eventdata.responseelements, 'name') = '<entity>'
        )
    GROUP BY eventdata.uid
) AS changes
LEFT JOIN (
    SELECT
        eventdata.uid AS call_id,
        max(eventdata.eventname) AS event_name,
        max(eventdata.sourceipaddress) AS source_ip,
        max(element_at(eventdata.useridentity.details, 'userName')) AS user_name,
        max(element_at(eventdata.additionaleventdata, 'status')) AS status
    FROM <event_data_store_id>
    WHERE eventcategory = 'ActivityAuditLog'
        AND eventtime >= '<from>'
        AND eventtime < '<to>'
        AND element_at(eventdata.additionaleventdata, 'method') IS NOT NULL
    GROUP BY eventdata.uid
) AS calls ON calls.call_id = changes.request_id
ORDER BY event_time DESC, event_id
