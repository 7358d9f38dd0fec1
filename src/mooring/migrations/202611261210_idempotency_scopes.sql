-- A scope is kept as its SHA-256, in hexadecimal: a path may be longer than an index takes. Keys of the last day go on
-- counting.
UPDATE idempotency_keys SET scope = encode(sha256(convert_to(scope, 'UTF8')), 'hex');
