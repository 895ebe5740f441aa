-- What is there more than once: one row for each UID, with the times at which it came in.
-- Repeats may differ in ttl and in a derived time. So one of them may lie outside of a short span.
SELECT
    uid,
    times,
    different,
    event_time,
    event_name,
    first_ingested,
    last_ingested
FROM (
    SELECT
        *,
        count(*) OVER (PARTITION BY uid) AS times,
        min(ingestiontime) OVER (PARTITION BY uid) AS first_ingested,
        max(ingestiontime) OVER (PARTITION BY uid) AS last_ingested,
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
    AND times > 1
ORDER BY uid
