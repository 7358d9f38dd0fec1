-- An index holds no more than 2,704 bytes of a row, a path may have 4,096: the parent of a very long one stands for
-- itself by its begin and its checksum (src/mooring/files/store/entries.py), and here as it is.
ALTER TABLE filesystem_entries ADD COLUMN whole_parent TEXT COLLATE "C";
