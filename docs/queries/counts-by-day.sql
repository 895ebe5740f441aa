-- How many entries there are of each stream and day, and the sum of their idSum: to be held against the table of
-- `verify`. Of several events with one UID the first counts, and parts do not.
-- Events whose time is derived have the row 'derived'. Those of Kong's Lambda have no idSum.
SELECT
    stream,
    day,
    count(*) AS entries,
    sum(id_sum) AS id_sum
FROM (
    SELECT
        CASE
            WHEN element_at(eventdata.additionaleventdata, 'method') IS NULL THEN 'objects'
            ELSE 'requests'
        END AS stream,
        CASE
            WHEN element_at(eventdata.additionaleventdata, 'derivedTime') IS NULL
                THEN substr(cast(eventdata.eventtime AS varchar), 1, 10)
            ELSE 'derived'
        END AS day,
        cast(element_at(eventdata.additionaleventdata, 'idSum') AS bigint) AS id_sum,
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
    -- Parts have none.
    AND konghostname IS NOT NULL
GROUP BY stream, day
ORDER BY stream, day
