-- Every event once, the latest of those that have its UID: one row for each, the newest first.
-- times says how often it is in the store, within the span.
-- Repeats may differ in ttl and in a derived time. So one of them may lie outside of a short span.
SELECT
    uid,
    times,
    eventid,
    event_time,
    event_name,
    principal_id,
    ingestiontime
FROM (
    SELECT
        eventdata.uid AS uid,
        eventid,
        eventdata.eventtime AS event_time,
        eventdata.eventname AS event_name,
        eventdata.useridentity.principalid AS principal_id,
        metadata.ingestiontime AS ingestiontime,
        count(*) OVER (PARTITION BY eventdata.uid) AS times,
        row_number() OVER (
            PARTITION BY eventdata.uid ORDER BY metadata.ingestiontime DESC, eventid
        ) AS place
    FROM <event_data_store_id>
    WHERE eventcategory = 'ActivityAuditLog'
        AND eventtime >= '<from>'
        AND eventtime < '<to>'
) AS numbered
WHERE place = 1
ORDER BY event_time DESC, uid
