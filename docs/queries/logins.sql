-- Logins, failed ones too, and logouts: one row for each, the newest first.
-- Kong Manager logs in by these calls; any other client can make them too, and then it has logged in.
-- principal_id is Kong's word; user_name and request_source, kong-manager say, are the caller's.
SELECT
    event_id,
    event_time,
    what,
    principal_id,
    user_name,
    request_source,
    source_ip,
    status,
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
            CASE
                WHEN eventdata.eventname = 'DELETEauth' THEN 'logout'
                WHEN element_at(eventdata.additionaleventdata, 'status') >= '400' THEN 'failed login'
                ELSE 'login'
            END AS what,
            eventdata.useridentity.principalid AS principal_id,
            element_at(eventdata.useridentity.details, 'userName') AS user_name,
            element_at(eventdata.additionaleventdata, 'request_source') AS request_source,
            eventdata.sourceipaddress AS source_ip,
            element_at(eventdata.additionaleventdata, 'status') AS status,
            element_at(eventdata.requestparameters, 'queryParameters') AS query_parameters,
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
    AND (
        event_name = 'GETauth'
        OR event_name = 'DELETEauth' AND query_parameters LIKE '%session_logout=true%'
    )
ORDER BY event_time DESC, event_id
