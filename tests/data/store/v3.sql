-- A store of version 3, as it was written by the program of that version.
PRAGMA journal_mode=WAL;
CREATE TABLE entry (space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
CREATE INDEX entry_expires ON entry (expires);
CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL, value BLOB NOT NULL);
CREATE INDEX log_space ON log (space, id);
INSERT INTO entry VALUES ('tip', x'61', x'6F6E65', 9223372036854775807);
INSERT INTO entry VALUES ('jar', x'62', x'74776F', 9223372036854775807);
INSERT INTO log (space, value) VALUES ('usage', x'726F77');
PRAGMA application_id=0x456C3261;
PRAGMA user_version=3;
