#!/usr/bin/env bash
# Runs once, when the primary's folder is made: roles, the slot of the standby, and the shop's table.
set -euo pipefail
echo "host replication replicator all scram-sha-256" >>"$PGDATA/pg_hba.conf"
psql -v ON_ERROR_STOP=1 -U postgres -d shop \
  -v replicator="$DEMO_REPLICATOR_PASSWORD" -v shop="$DEMO_SHOP_PASSWORD" <<'SQL'
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replicator';
CREATE ROLE shop LOGIN PASSWORD :'shop';
SELECT pg_create_physical_replication_slot('pg2');
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state text NOT NULL DEFAULT 'new');
INSERT INTO orders (state) SELECT 'new' FROM generate_series(1, 1000);
GRANT SELECT, INSERT, UPDATE ON orders TO shop;
SQL
psql -v ON_ERROR_STOP=1 -U postgres -d postgres -v probe_password="$FIREBREAK_PG_PROBE_PASSWORD" -v act_password="$FIREBREAK_PG_ACT_PASSWORD" \
  -f /firebreak/roles.sql
