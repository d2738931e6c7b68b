#!/usr/bin/env bash
# The standby: a copy of the primary, made once, which then follows it.
set -euo pipefail
data=/var/lib/postgresql/data
if [[ ! -s $data/PG_VERSION ]]; then
  export PGPASSWORD=$DEMO_REPLICATOR_PASSWORD
  # A copy that was cut off is no copy.
  find "$data" -mindepth 1 -delete
  # -c fast: the primary would take minutes over the checkpoint that a copy begins with.
  pg_basebackup -c fast -h pg1 -U replicator -D "$data" -R -X stream -S pg2
  chmod 0700 "$data"
fi
exec postgres -D "$data" -c cluster_name=pg2 -c hot_standby=on -c listen_addresses='*'
