BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
) STRICT;
INSERT INTO "_sqlite_migrations" VALUES(1,'beistand','m0001_settings_and_audit','2026-11-23 21:12:56.231201+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'beistand','m0002_people','2026-11-23 21:12:56.234864+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'beistand','m0010_sessions','2026-11-23 21:12:56.254549+00:00');
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
CREATE TABLE chat (
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            id TEXT NOT NULL,
            sender TEXT NOT NULL,
            name TEXT NOT NULL,
            text TEXT NOT NULL,
            at REAL NOT NULL,
            PRIMARY KEY (session_id, seq),
            UNIQUE (session_id, id)
        ) STRICT, WITHOUT ROWID;
CREATE TABLE recovery_codes (
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            code_mac BLOB NOT NULL,
            PRIMARY KEY (user_id, code_mac)
        ) STRICT, WITHOUT ROWID;
CREATE TABLE session_keys (
            id TEXT PRIMARY KEY,
            digest BLOB NOT NULL UNIQUE,
            issuer_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            created_at REAL NOT NULL,
            expires_at REAL NOT NULL,
            revoked INTEGER NOT NULL DEFAULT 0
        ) STRICT;
CREATE TABLE session_members (
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            user_id TEXT NOT NULL,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            present INTEGER NOT NULL DEFAULT 1,
            PRIMARY KEY (session_id, user_id)
        ) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            key_id TEXT NOT NULL,
            issuer_id TEXT NOT NULL,
            issuer_name TEXT NOT NULL,
            client_key BLOB NOT NULL,
            token BLOB NOT NULL,
            previous_token BLOB,
            secret BLOB NOT NULL,
            system TEXT NOT NULL,
            address TEXT NOT NULL,
            began_at REAL NOT NULL,
            owner_id TEXT,
            owner_name TEXT NOT NULL DEFAULT '',
            fallback INTEGER NOT NULL DEFAULT 0,
            answers TEXT NOT NULL DEFAULT '{}',
            controller_id TEXT,
            notes TEXT NOT NULL DEFAULT '',
            recorded INTEGER NOT NULL DEFAULT 0,
            ended_at REAL,
            reason TEXT NOT NULL DEFAULT ''
        ) STRICT;
CREATE TABLE settings (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            value TEXT NOT NULL,
            set_up_at REAL
        ) STRICT;
INSERT INTO "settings" VALUES(1,'{"site_name":"Released","host_names":["localhost"],"time_zone":"UTC","language":"en","key_length":7,"key_minutes":10,"consent_once":false,"record_sessions":true,"resume_seconds":300.0,"session_idle_minutes":60,"session_hours":12,"idle_minutes":60,"absolute_hours":12,"fallback_team_id":null}',1700000000.0);
CREATE TABLE sign_in_links (
            token_hash BLOB PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            expires_at REAL NOT NULL
        ) STRICT, WITHOUT ROWID;
INSERT INTO "sign_in_links" VALUES(X'558B1DB14695DD6B628C10BCAA773ED135478AB4F83053884727E0277B29905B','qerCCpJNMWlPztMk',1700086400.0);
CREATE TABLE start_tokens (
            hash BLOB PRIMARY KEY,
            start_id TEXT NOT NULL REFERENCES starts (id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
CREATE TABLE starts (
            id TEXT PRIMARY KEY,
            key_id TEXT NOT NULL UNIQUE REFERENCES session_keys (id) ON DELETE CASCADE,
            cookie_hash BLOB NOT NULL,
            opened_at REAL NOT NULL,
            expires_at REAL NOT NULL,
            downloaded INTEGER NOT NULL DEFAULT 0,
            client_key BLOB,
            bound_token BLOB,
            session_id TEXT
        ) STRICT;
CREATE TABLE team_members (
            team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            PRIMARY KEY (team_id, user_id)
        ) STRICT, WITHOUT ROWID;
INSERT INTO "team_members" VALUES('7dBpfZXorqXA-sSt','GXEdI-ll7_hN58fQ');
CREATE TABLE teams (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL UNIQUE
        ) STRICT;
INSERT INTO "teams" VALUES('7dBpfZXorqXA-sSt','Second line','second line');
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
INSERT INTO "users" VALUES('GXEdI-ll7_hN58fQ','anna','anna','Anna','en','["clipboard","console","control","observe","recordings_all","recordings_own","screen","session_keys","site_admin"]','$argon2id$v=19$m=8,t=1,p=1$dGrvIuEcPPidQ1Z7INnBrQ$98b6mtBpaQYAA0hrQ6kWejnKnZgOpgMkgOoaa4EDUDY',0,NULL,X'01AE8A74D2897F450CEDBAFCB82D6BD94C089823D23A46A3E141AD22F1ADA075891B22F301693423C0AED4199D90F2FB2CE8671BEAE62E009143E55802',0,1700000000.0,1700000000.0);
INSERT INTO "users" VALUES('qerCCpJNMWlPztMk','bob','bob','bob','en','["clipboard","console","control","recordings_own","screen","session_keys"]',NULL,0,NULL,NULL,0,1700000000.0,NULL);
CREATE TABLE web_sessions (
            id TEXT PRIMARY KEY,
            cookie_hash BLOB NOT NULL UNIQUE,
            user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            address TEXT NOT NULL,
            browser TEXT NOT NULL,
            created_at REAL NOT NULL,
            seen_at REAL NOT NULL
        ) STRICT;
INSERT INTO "web_sessions" VALUES('eQ0ipSx3ujPCjzZ0',X'6EF27C7508F9E95DD3EF2CA17F8A450501C54AC7DD64A68940333A0FE5132030','GXEdI-ll7_hN58fQ','','',1700000000.0,1700000000.0);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX team_members_by_user ON team_members (user_id);
CREATE INDEX web_sessions_by_user ON web_sessions (user_id);
CREATE INDEX sign_in_links_by_user ON sign_in_links (user_id);
CREATE INDEX session_keys_by_issuer ON session_keys (issuer_id);
CREATE INDEX starts_by_cookie ON starts (cookie_hash);
CREATE INDEX start_tokens_by_start ON start_tokens (start_id);
CREATE INDEX sessions_by_beginning ON sessions (began_at);
CREATE INDEX sessions_running ON sessions (id) WHERE ended_at IS NULL;
CREATE INDEX session_members_by_user ON session_members (user_id);
COMMIT;
PRAGMA user_version = 1;
