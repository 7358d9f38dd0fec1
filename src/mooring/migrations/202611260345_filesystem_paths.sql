-- What a search of paths looks at: pages of paths as they follow one another, and which pages have which three
-- characters (src/mooring/files/paths.py). Like the entries, they are there before the version that they belong to.
CREATE TABLE filesystem_paths (
    version_id TEXT COLLATE "C" NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 0),
    first TEXT COLLATE "C" NOT NULL,
    lines TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (version_id, number)
);
CREATE TABLE filesystem_grams (
    version_id TEXT COLLATE "C" NOT NULL,
    gram TEXT COLLATE "C" NOT NULL,
    -- The first of the pages: a gram has several rows in a large version, each for further pages.
    first INTEGER NOT NULL,
    pages INTEGER[] NOT NULL,
    PRIMARY KEY (version_id, gram, first)
);

INSERT INTO filesystem_paths (version_id, number, first, lines)
SELECT version_id, at / 500, min(path), string_agg(path, E'\n' ORDER BY path)
FROM (
    SELECT version_id, path, row_number() OVER (PARTITION BY version_id ORDER BY path) - 1 AS at
    FROM (
        SELECT version_id, CASE parent WHEN '' THEN name ELSE parent || '/' || name END AS path
        FROM filesystem_entries
    ) AS whole
) AS numbered
GROUP BY version_id, at / 500;

INSERT INTO filesystem_grams (version_id, gram, first, pages)
SELECT version_id, gram, min(number), array_agg(number ORDER BY number)
FROM (
    SELECT DISTINCT p.version_id, p.number, substr(name, start, 3) AS gram
    FROM filesystem_paths AS p
    CROSS JOIN LATERAL (
        SELECT DISTINCT '/' || part || '/' AS name
        FROM regexp_split_to_table(lower(p.lines COLLATE "default"), E'[/\n]') AS part
    ) AS names
    CROSS JOIN LATERAL generate_series(1, length(name) - 2) AS start
) AS found
GROUP BY version_id, gram;
