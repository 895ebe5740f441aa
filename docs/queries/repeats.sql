-- What is in the store more than once: one row for each UID, with the times at which it came in.
-- Repeats may differ in ttl and in a derived time. So one of them may lie outside of a short span.
SELECT
    eventdata.uid AS uid,
    count(*) AS times,
    max(eventdata.eventtime) AS event_time,
    max(eventdata.eventname) AS event_name,
    min(metadata.ingestiontime) AS first_ingested,
    max(metadata.ingestiontime) AS last_ingested
FROM <event_data_store_id>
WHERE eventcategory = 'ActivityAuditLog'
    AND eventtime >= '<from>'
    AND eventtime < '<to>'
GROUP BY eventdata.uid
HAVING count(*) > 1
ORDER BY uid
