-- Everything by one user, calls and what they wrote: one row for each, the newest first.
-- By the id, which is Kong's word: a name is what callers said.
SELECT
    event_id,
    event_time,
    event_name,
    status,
    entity_key,
    principal_id,
    user_name,
    source_ip,
    workspace,
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
            eventdata.eventname AS event_name,
            element_at(eventdata.additionaleventdata, 'status') AS status,
            element_at(eventdata.additionaleventdata, 'entity_key') AS entity_key,
            eventdata.useridentity.principalid AS principal_id,
            element_at(eventdata.useridentity.details, 'userName') AS user_name,
            eventdata.sourceipaddress AS source_ip,
            element_at(eventdata.additionaleventdata, 'workspace') AS workspace,
            element_at(eventdata.requestparameters, 'part') AS part,
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
) AS numbered
WHERE place = 1
    AND principal_id = '<user>'
    -- An event's parts say nothing of their own.
    AND part IS NULL
ORDER BY event_time DESC, event_id
