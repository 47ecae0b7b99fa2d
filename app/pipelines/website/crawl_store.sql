-- The state of one crawl. It survives the worker; a page and its chunks are one transaction, so that
-- a crawl that goes on has no page twice.
CREATE TABLE page (
  number INTEGER PRIMARY KEY,
  url TEXT NOT NULL UNIQUE,         -- the form to compare it by
  address TEXT NOT NULL,            -- as it was linked
  family TEXT NOT NULL,             -- what it shares with other addresses of its kind
  suffix TEXT,                      -- of an address that looks like a file
  depth INTEGER NOT NULL,
  state TEXT NOT NULL,              -- waiting, kept, skipped, failed
  tries INTEGER NOT NULL DEFAULT 0,
  requested INTEGER NOT NULL DEFAULT 0,
  reason TEXT,                      -- why it was skipped, or the error's type
  message TEXT,
  is_unchanged INTEGER NOT NULL DEFAULT 0,
  etag TEXT,
  modified TEXT,
  body_digest TEXT,
  text_sha256 TEXT,
  shape TEXT,                       -- digest of the text without its numbers
  links BLOB,
  canonical TEXT,                   -- the address that the page says it should have
  chunks INTEGER NOT NULL DEFAULT 0,
  characters INTEGER NOT NULL DEFAULT 0,
  tokens INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX page_order ON page (state, tries, suffix IS NOT NULL, depth, number);
CREATE INDEX page_suffix ON page (suffix);
CREATE INDEX page_canonical ON page (canonical);
CREATE INDEX page_family ON page (family);
CREATE INDEX page_text ON page (text_sha256);
CREATE INDEX page_shape ON page (shape);

CREATE TABLE chunk (
  page INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (page, ordinal)
) WITHOUT ROWID;

-- Addresses that were not noted.
CREATE TABLE left_out (url TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;

-- What the crawl before has seen.
CREATE TABLE known (
  url TEXT PRIMARY KEY,
  etag TEXT,
  modified TEXT,
  body_digest TEXT NOT NULL,
  text_sha256 TEXT NOT NULL,
  shape TEXT NOT NULL,
  links BLOB NOT NULL,
  first_ordinal INTEGER NOT NULL,
  chunks INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
