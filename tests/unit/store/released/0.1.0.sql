BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
) STRICT;
INSERT INTO "_sqlite_migrations" VALUES(1,'beistand','m0001_settings_and_audit','2026-11-23 20:04:52.403497+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'beistand','m0002_people','2026-11-23 20:04:52.405959+00:00');
CREATE TABLE audit (
            seq INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            kind TEXT NOT NULL,
            actor TEXT NOT NULL,
            subject TEXT NOT NULL,
            address TEXT NOT NULL,
            details TEXT NOT NULL,
            hash BLOB NOT NULL
        ) STRICT;
INSERT INTO "audit" VALUES(1,1700000000.0,'identity.set_up','anna','anna','','{}',X'75A69FB8B28B4D0B6E5535222604F323C89D7D4C4EF286D9845228E44564913C');
INSERT INTO "audit" VALUES(2,1700000000.0,'identity.user_created','anna','bob','','{"permissions":"clipboard console control recordings_own screen session_keys"}',X'119F2494D16674852D44205523CC429415FB304894CA1511FBAD6A5FCDDA1869');
INSERT INTO "audit" VALUES(3,1700000000.0,'identity.team_saved','anna','Second line','','{"members":1}',X'8039EA2980CE34688F1579EC20ED9A697F660346CDAB79FC5D7AD513EFEEFEB7');
CREATE TABLE audit_head (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            seq INTEGER NOT NULL,
            hash BLOB NOT NULL,
            signature BLOB NOT NULL
        ) STRICT;
INSERT INTO "audit_head" VALUES(1,3,X'8039EA2980CE34688F1579EC20ED9A697F660346CDAB79FC5D7AD513EFEEFEB7',X'1C6AC839C93E565AFAB16E305E301DD75BDFEACC7E8548C86CC9FAF78806ACFA3E5C20313EBFFF1B52DDB3C02F6C24F0499BEBBCCB372702D51910C887B60A0B');
CREATE TABLE recovery_codes (
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            code_mac BLOB NOT NULL,
            PRIMARY KEY (user_id, code_mac)
        ) STRICT, WITHOUT ROWID;
CREATE TABLE settings (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            value TEXT NOT NULL,
            set_up_at REAL
        ) STRICT;
INSERT INTO "settings" VALUES(1,'{"site_name":"Released","host_names":["localhost"],"time_zone":"UTC","language":"en","key_length":7,"key_minutes":10,"consent_once":false,"record_sessions":true,"resume_seconds":300.0,"idle_minutes":60,"absolute_hours":12,"fallback_team_id":null}',1700000000.0);
CREATE TABLE sign_in_links (
            token_hash BLOB PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            expires_at REAL NOT NULL
        ) STRICT, WITHOUT ROWID;
INSERT INTO "sign_in_links" VALUES(X'3C7E4BD993E489037ACF63EE58BDD806A4C9469D14897A49BA3E7EEE7FFBC5F5','ZeeSY8UQAVUUlTwR',1700086400.0);
CREATE TABLE team_members (
            team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            PRIMARY KEY (team_id, user_id)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "team_members" VALUES('svvb53XCE1IbelwD','NPU8UmVe_eyNby4Z');
CREATE TABLE teams (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL UNIQUE
        ) STRICT;
INSERT INTO "teams" VALUES('svvb53XCE1IbelwD','Second line','second line');
CREATE TABLE users (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL UNIQUE,
            display_name TEXT NOT NULL,
            language TEXT NOT NULL,
            permissions TEXT NOT NULL,
            password_hash TEXT,
            disabled INTEGER NOT NULL DEFAULT 0,
            totp_secret BLOB,
            totp_pending BLOB,
            totp_step INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL,
            signed_in_at REAL
        ) STRICT;
INSERT INTO "users" VALUES('NPU8UmVe_eyNby4Z','anna','anna','Anna','en','["clipboard","console","control","observe","recordings_all","recordings_own","screen","session_keys","site_admin"]','$argon2id$v=19$m=8,t=1,p=1$HtJbJ/ek6Nos6N3/jBeGoQ$LPW+C6kVxiRFBhH+BpRTtn7AKlmzhsdXw/Jgkhq1h8Q',0,NULL,X'010FE9CBC797AB3A8CC37317DA1A15B3E5E7A1500BE582431BDF6EF75F0DBE4892203F29231B630F6E7A1403A5EA4D1DA8533299CE12E9DE0EA1F67A61',0,1700000000.0,1700000000.0);
INSERT INTO "users" VALUES('ZeeSY8UQAVUUlTwR','bob','bob','bob','en','["clipboard","console","control","recordings_own","screen","session_keys"]',NULL,0,NULL,NULL,0,1700000000.0,NULL);
CREATE TABLE web_sessions (
            id TEXT PRIMARY KEY,
            cookie_hash BLOB NOT NULL UNIQUE,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            address TEXT NOT NULL,
            browser TEXT NOT NULL,
            created_at REAL NOT NULL,
            seen_at REAL NOT NULL
        ) STRICT;
INSERT INTO "web_sessions" VALUES('MTizcUyPa5-1rFis',X'2CCB2FC1EFCB8C8E76AE6C6A233A551C2349363A35698DF71AB80F09F4657982','NPU8UmVe_eyNby4Z','','',1700000000.0,1700000000.0);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX team_members_by_user ON team_members (user_id);
CREATE INDEX web_sessions_by_user ON web_sessions (user_id);
CREATE INDEX sign_in_links_by_user ON sign_in_links (user_id);
COMMIT;
PRAGMA user_version = 1;
