#!/usr/bin/env bash
# Four clients begin a transaction, ask for one row, and then do nothing for ten minutes. The pool has four connections, so everybody else waits.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for _ in 1 2 3 4; do
  docker compose exec -d -T pg1 bash -c \
    '{ echo "BEGIN; SELECT id FROM orders LIMIT 1;"; sleep 600; } | PGPASSWORD=$DEMO_SHOP_PASSWORD psql -q -h pgbouncer -p 6432 -U shop -d shop'
done
# And four that wait.
for _ in 1 2 3 4; do
  docker compose exec -d -T pg1 bash -c 'PGPASSWORD=$DEMO_SHOP_PASSWORD psql -q -h pgbouncer -p 6432 -U shop -d shop -c "SELECT count(*) FROM orders"'
done
