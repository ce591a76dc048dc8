PRAGMA application_id = 1096053874;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'todo' CHECK (state IN ('todo', 'out', 'done')),
    position INTEGER NOT NULL,
    downloader TEXT,
    claimed_at REAL,
    done_at REAL,
    report_id INTEGER REFERENCES reports (id),
    UNIQUE (project_id, name)
);
INSERT INTO "items" VALUES(1,1,'a','done',1,'ONE',1790004000.25,1790016000.25,1);
INSERT INTO "items" VALUES(2,1,'b','done',2,'ONE',1790004000.25,1790016000.25,1);
INSERT INTO "items" VALUES(3,1,'c','out',3,'ONE',1790004000.25,NULL,NULL);
INSERT INTO "items" VALUES(4,1,'https://site.example/é?x=1','done',4,'TWO',1790008000.25,1790020000.25,2);
INSERT INTO "items" VALUES(5,1,'waits','todo',2,NULL,NULL,NULL,NULL);
INSERT INTO "items" VALUES(6,1,'goes back','out',1,'ONE',1790024000.25,NULL,NULL);
CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    todo INTEGER NOT NULL DEFAULT 0,
    out INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "projects" VALUES(1,'p',1,2,3);
INSERT INTO "projects" VALUES(2,'empty',0,0,0);
CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    downloader TEXT,
    received_at REAL NOT NULL,
    stats TEXT NOT NULL
);
INSERT INTO "reports" VALUES(1,1,'ONE',1790016000.25,'{"item": "a\u0000b", "downloader": "ONE", "bytes": {"data": 100, "log": 7}}');
INSERT INTO "reports" VALUES(2,1,NULL,1790020000.25,'{"item": "x", "bytes": {"data": 5}}');
CREATE INDEX items_waiting ON items (project_id, position) WHERE state = 'todo';
CREATE TRIGGER item_added AFTER INSERT ON items BEGIN
    UPDATE projects SET todo = todo + (NEW.state = 'todo'), out = out + (NEW.state = 'out'),
        done = done + (NEW.state = 'done') WHERE id = NEW.project_id;
END;
CREATE TRIGGER item_moved AFTER UPDATE OF state ON items BEGIN
    UPDATE projects SET todo = todo + (NEW.state = 'todo') - (OLD.state = 'todo'),
        out = out + (NEW.state = 'out') - (OLD.state = 'out'),
        done = done + (NEW.state = 'done') - (OLD.state = 'done') WHERE id = NEW.project_id;
END;
COMMIT;
