-- The ids of all rows that were written and are in the store, to be compared with those that Kong holds.
SELECT id
FROM (
    SELECT
        eventdata.uid AS id,
        element_at(eventdata.additionaleventdata, 'method') AS method,
        element_at(eventdata.additionaleventdata, 'konghostname') AS konghostname,
        row_number() OVER (
            PARTITION BY eventdata.uid ORDER BY metadata.ingestiontime, eventid
        ) AS place
    FROM <event_data_store_id>
    WHERE eventcategory = 'ActivityAuditLog'
        AND eventdata.eventsource = 'kong-gateway'
        AND eventtime >= '<from>'
        AND eventtime < '<to>'
) AS numbered
WHERE place = 1
    AND method IS NULL
    -- Parts have none.
    AND konghostname IS NOT NULL
ORDER BY id
