-- Events that have their UID in common and are not alike: every one of them, in the order in which they came in.
-- An entry that was shipped twice is alike, but for ttl and a derived time, which age. So the second one is
-- from Kong's Lambda, from another version of the mapping, or from somebody else. place 1 is what the other
-- queries show.
SELECT
    uid,
    place,
    different,
    event_time,
    event_name,
    principal_id,
    user_name,
    source_ip,
    status,
    ingestiontime
FROM (
    SELECT
        *,
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
            element_at(eventdata.useridentity.details, 'userName') AS user_name,
            eventdata.sourceipaddress AS source_ip,
            element_at(eventdata.additionaleventdata, 'status') AS status,
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
WHERE different > 1
ORDER BY uid, place
