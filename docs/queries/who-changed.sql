-- Who changed one entity, such as a route: one row for each change, the newest first.
-- A consumer is found by its username, other entities by their name.
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
    source_ip,
    different
FROM (
    SELECT
        *,
        -- How many different events have this UID: without ttl and a derived time, which age.
        dense_rank() OVER (PARTITION BY event_id ORDER BY content)
            + dense_rank() OVER (PARTITION BY event_id ORDER BY content DESC) - 1 AS different,
        -- The first that came in, as a whole, whatever was sent later under its UID.
        row_number() OVER (PARTITION BY event_id ORDER BY ingestiontime, eventid) AS place
    FROM (
        SELECT
            eventdata.uid AS event_id,
            eventdata.eventtime AS event_time,
            eventdata.useridentity.principalid AS principal_id,
            element_at(eventdata.additionaleventdata, 'operation') AS operation,
            element_at(eventdata.additionaleventdata, 'dao_name') AS entity_table,
            element_at(eventdata.additionaleventdata, 'entity_key') AS entity_key,
            coalesce(
                element_at(eventdata.responseelements, 'name'),
                element_at(eventdata.responseelements, 'username')
            ) AS entity_name,
            element_at(eventdata.additionaleventdata, 'request_id') AS request_id,
            metadata.ingestiontime AS ingestiontime,
            eventid,
            sha256(to_utf8(
                json_format(CAST(eventdata.eventname AS json))
                || json_format(CAST(eventdata.useridentity.principalid AS json))
                || coalesce(json_format(CAST(eventdata.useridentity.details AS json)), 'null')
                || coalesce(json_format(CAST(eventdata.sourceipaddress AS json)), 'null')
                || coalesce(json_format(CAST(eventdata.errorcode AS json)), 'null')
                || coalesce(json_format(CAST(eventdata.requestparameters AS json)), 'null')
                || coalesce(json_format(CAST(eventdata.responseelements AS json)), 'null')
                || coalesce(regexp_replace(
                    json_format(CAST(eventdata.additionaleventdata AS json)),
                    '"(ttl|derivedTime)":"[^"\\]*(\\.[^"\\]*)*"',
                    ''
                ), 'null')
                || CASE
                    WHEN element_at(eventdata.additionaleventdata, 'derivedTime') IS NULL
                        THEN CAST(eventdata.eventtime AS varchar)
                    ELSE ''
                END
            )) AS content
        FROM <event_data_store_id>
        WHERE eventcategory = 'ActivityAuditLog'
            AND eventdata.eventsource = 'kong-gateway'
            AND eventtime >= '<from>'
            AND eventtime < '<to>'
    )
) AS changes
LEFT JOIN (
    SELECT
        call_id,
        event_name,
        source_ip,
        user_name,
        status
    FROM (
        SELECT
            eventdata.uid AS call_id,
            eventdata.eventname AS event_name,
            eventdata.sourceipaddress AS source_ip,
            element_at(eventdata.useridentity.details, 'userName') AS user_name,
            element_at(eventdata.additionaleventdata, 'status') AS status,
            element_at(eventdata.additionaleventdata, 'method') AS method,
            row_number() OVER (
                PARTITION BY eventdata.uid ORDER BY metadata.ingestiontime, eventid
            ) AS place
        FROM <event_data_store_id>
        WHERE eventcategory = 'ActivityAuditLog'
            AND eventdata.eventsource = 'kong-gateway'
            AND eventtime >= '<from>'
            AND eventtime < '<to>'
    )
    WHERE place = 1
        AND method IS NOT NULL
) AS calls ON calls.call_id = changes.request_id
WHERE place = 1
    AND entity_table = '<table>'
    AND (entity_key = '<entity>' OR entity_name = '<entity>')
ORDER BY event_time DESC, event_id
