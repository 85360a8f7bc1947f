-- A store of version 4, as it was written by the program of that version.
PRAGMA journal_mode=WAL;
CREATE TABLE entry (space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
CREATE INDEX entry_expires ON entry (expires);
CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL, value BLOB NOT NULL);
CREATE INDEX log_space ON log (space, id);
CREATE TABLE share (owner BLOB PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX entry_answer ON entry (expires) WHERE space = 'answer';
CREATE INDEX entry_owner ON entry (substr(key, 1, 4), expires) WHERE space = 'answer';
CREATE TRIGGER answer_came AFTER INSERT ON entry WHEN new.space = 'answer' BEGIN INSERT OR IGNORE INTO share VALUES (X'', 0), (substr(new.key, 1, 4), 0); UPDATE share SET bytes = bytes + length(new.key) + length(new.value) WHERE owner IN (X'', substr(new.key, 1, 4)); END;
CREATE TRIGGER answer_went AFTER DELETE ON entry WHEN old.space = 'answer' BEGIN UPDATE share SET bytes = bytes - length(old.key) - length(old.value) WHERE owner IN (X'', substr(old.key, 1, 4)); DELETE FROM share WHERE owner = substr(old.key, 1, 4) AND bytes = 0; END;
INSERT INTO entry VALUES ('tip', x'61', x'6F6E65', 9223372036854775807);
INSERT INTO entry VALUES ('jar', x'62', x'74776F', 9223372036854775807);
INSERT INTO entry VALUES ('answer', x'6F776E3131', x'74776F', 9223372036854775807);
INSERT INTO log (space, value) VALUES ('usage', x'726F77');
PRAGMA application_id=0x456C3261;
PRAGMA user_version=4;
