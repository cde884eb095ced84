-- Of the collections a home set out: those of which what the crew recorded tells whether they were rightly separated, and those that were.
-- On the day of one stream nobody knows so of a bag whose stream was not recorded: it is in neither. What was counted before is counted
-- again from the rows.
ALTER TABLE home_week ADD COLUMN separation_seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE home_week ADD COLUMN separated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segment_week ADD COLUMN separation_seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segment_week ADD COLUMN separated INTEGER NOT NULL DEFAULT 0;

UPDATE home_week SET separation_seen = s.seen, separated = s.separated
  FROM (SELECT o.municipality_id, o.iso_week, o.household_id, o.segment_id, o.neighbourhood_id, COUNT(*) AS seen,
               SUM(CASE WHEN o.separated = 'yes' AND (d.stream = 'mixed' OR o.stream = d.stream) THEN 1 ELSE 0 END) AS separated
          FROM observation o JOIN round d ON d.municipality_id = o.municipality_id AND d.round_id = o.round_id
         WHERE o.counted AND o.complied IS NOT NULL AND o.set_out = 'yes' AND (d.stream = 'mixed' OR o.stream IS NOT NULL)
           AND o.segment_id IS NOT NULL AND o.neighbourhood_id IS NOT NULL
         GROUP BY o.municipality_id, o.iso_week, o.household_id, o.segment_id, o.neighbourhood_id) s
 WHERE home_week.municipality_id = s.municipality_id AND home_week.iso_week = s.iso_week AND home_week.household_id = s.household_id
   AND home_week.segment_id = s.segment_id AND home_week.neighbourhood_id = s.neighbourhood_id;

UPDATE segment_week SET separation_seen = s.seen, separated = s.separated
  FROM (SELECT h.municipality_id, h.segment_id, h.iso_week, SUM(h.separation_seen) AS seen, SUM(h.separated) AS separated
          FROM home_week h GROUP BY h.municipality_id, h.segment_id, h.iso_week) s
 WHERE segment_week.municipality_id = s.municipality_id AND segment_week.segment_id = s.segment_id AND segment_week.iso_week = s.iso_week;

-- Why a cell is hidden: few_homes, or one_arm where nothing but a running trial forbids it, which ends with its last look.
ALTER TABLE publication_cell ADD COLUMN why TEXT CHECK (why IN ('few_homes', 'one_arm'));
UPDATE publication_cell SET why = 'few_homes' WHERE hidden;
-- Whether a cell of the week is hidden so.
ALTER TABLE published_week ADD COLUMN blinded BOOLEAN NOT NULL DEFAULT FALSE;
