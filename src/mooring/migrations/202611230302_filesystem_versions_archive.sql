-- Which versions have this archive: asked when its cached files turn out to be damaged.
CREATE INDEX filesystem_versions_archive ON filesystem_versions (archive_checksum) WHERE deleted_at IS NULL;
