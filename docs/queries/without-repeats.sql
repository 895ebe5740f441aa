-- Every event once, the first that came in of those that have its UID: one row for each, the newest first.
-- times says how often it is there, and different how many of these are not alike, within the span.
-- Repeats may differ in ttl and in a derived time. So one of them may lie outside of a short span.
SELECT
    uid,
    times,
    different,
    eventid,
    event_time,
    event_name,
    principal_id,
    ingestiontime
FROM (
    SELECT
        *,
        count(*) OVER (PARTITION BY uid) AS times,
        -- How many different events have this UID: without ttl and a derived time, which age.
        dense_rank() OVER (PARTITION BY uid ORDER BY content)
            + dense_rank() OVER (PARTITION BY uid ORDER BY content DESC) - 1 AS different,
        -- The first that came in, as a whole, whatever was sent later under its UID.
        row_number() OVER (PARTITION BY uid ORDER BY ingestiontime, eventid) AS place
    FROM (
        SELECT
            eventdata.uid AS uid,
            eventdata.eventtime AS event_time,
            eventdata.eventname AS event_name,
            eventdata.useridentity.principalid AS principal_id,
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
ORDER BY event_time DESC, uid
