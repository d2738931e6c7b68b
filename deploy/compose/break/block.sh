#!/usr/bin/env bash
# One client locks the orders and does nothing for ten minutes. Three that want to write wait behind it: a lock convoy.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
docker compose exec -d -T pg1 bash -c \
  '{ echo "BEGIN; UPDATE orders SET state = state;"; sleep 600; } | PGPASSWORD=$DEMO_SHOP_PASSWORD psql -q -h 127.0.0.1 -U shop -d shop'
sleep 2
for _ in 1 2 3 4; do
  docker compose exec -d -T pg1 bash -c 'PGPASSWORD=$DEMO_SHOP_PASSWORD psql -q -h 127.0.0.1 -U shop -d shop -c "UPDATE orders SET state = '"'paid'"' WHERE id = 1"'
done
