#!/usr/bin/env bash
# Makes the accounts and users of a NATS cluster for Firebreak with nsc (github.com/nats-io/nsc), in the folder that is named:
#
#   users.sh FOLDER [SERVICE...]
#
#   FOLDER/accounts.conf    for the servers, beside cluster.conf
#   FOLDER/firebreak.creds  for Firebreak: bus.credentials_file in its policy
#   FOLDER/restore.creds    for "firebreak restore" alone: keep it where nothing runs
#   FOLDER/SERVICE.creds    for a service that imports the breaker client, one each
#   FOLDER/system.creds     for those who run NATS
#   FOLDER/keys, FOLDER/nsc what signs all of these: keep it offline
#
# Each name may do what is written here and nothing else; nobody is let in without one. Run it again with the same folder for one more service, and put the new
# file on the servers (a reload will do). firebreak deadman needs no name: it speaks to its PgBouncer and to Firebreak, and to no NATS.
set -euo pipefail
umask 077
if [[ $# == 0 ]]; then
  sed -n '2,/^set /{/^#/p}' "$0"
  exit 2
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
export NKEYS_PATH=$folder/keys NSC_HOME=$folder/nsc XDG_CONFIG_HOME=$folder/nsc XDG_DATA_HOME=$folder/nsc

# user makes a user with its rights if it is not there, and writes its credentials.
user() {
  local name=$1 publish=$2 subscribe=$3
  if ! nsc describe user --account FIREBREAK --name "$name" >/dev/null 2>&1; then
    nsc add user --account FIREBREAK --name "$name" --allow-pub "$publish" --allow-sub "$subscribe"
  fi
  nsc generate creds --account FIREBREAK --name "$name" >"$folder/$name.creds"
}

if ! nsc describe operator --name firebreak >/dev/null 2>&1; then
  nsc add operator --name firebreak --sys
  nsc add account --name FIREBREAK
  nsc edit account --name FIREBREAK --js-mem-storage -1 --js-disk-storage -1 --js-streams -1 --js-consumer -1
fi

# Firebreak itself: it keeps its streams, reads and writes them, and gives backups. It cannot delete a stream, put one in place of another, or speak to anybody
# outside of its streams. Only two documents are ever purged, which are one message each.
firebreak=(
  'alerts.>' 'incidents.>' '$KV.>'
  '$JS.API.INFO' '$JS.API.STREAM.CREATE.*' '$JS.API.STREAM.UPDATE.*' '$JS.API.STREAM.INFO.*' '$JS.API.STREAM.NAMES'
  '$JS.API.STREAM.MSG.GET.*' '$JS.API.DIRECT.GET.>'
  '$JS.API.STREAM.PURGE.KV_ledger' '$JS.API.STREAM.PURGE.KV_switch'
  '$JS.API.CONSUMER.CREATE.>' '$JS.API.CONSUMER.DURABLE.CREATE.>' '$JS.API.CONSUMER.INFO.>' '$JS.API.CONSUMER.MSG.NEXT.>'
  '$JS.API.CONSUMER.NAMES.*' '$JS.API.CONSUMER.LIST.*' '$JS.API.CONSUMER.DELETE.>' '$JS.ACK.>' '$JS.FC.>'
  '$JS.API.STREAM.SNAPSHOT.*' '$JS.SNAPSHOT.ACK.>'
)

# firebreak restore: it puts streams where there are none, and removes what a restore left behind that did not come to its end.
restore=('alerts.>' 'incidents.>' '$KV.>' 'firebreak.restore' '$JS.API.>' '$JS.ACK.>' '$JS.FC.>' '$JS.SNAPSHOT.RESTORE.>')

# A service that imports the breaker client connects with
#
#   nats.UserCredentials("SERVICE.creds"), nats.CustomInboxPrefix("_INBOX_SERVICE")
#
# so that nobody else reads its answers. It may watch its own edges, and say what its instances hold. It cannot write a lease, its own neither: the worst that it can
# do is to say something wrong about itself, which only people are shown. What it can also read are the names of services and edges. NATS does not hold
# the subject to which a reader delivers against the rights of who makes the reader, so give names only to services that you run.
service=(
  '$JS.API.STREAM.INFO.KV_breakers'
  '$JS.API.CONSUMER.CREATE.KV_breakers.*.$KV.breakers.SERVICE.*' '$JS.API.CONSUMER.DELETE.KV_breakers.*' '$JS.FC.KV_breakers.>'
  '$KV.breaker_instances.SERVICE.*'
)

list() { local IFS=,; printf '%s' "$*"; }

user firebreak "$(list "${firebreak[@]}")" '_INBOX.>'
user restore "$(list "${restore[@]}")" '_INBOX.>'
for name in "$@"; do
  if [[ ! $name =~ ^[A-Za-z0-9_-]+$ || $name == firebreak || $name == restore || $name == system ]]; then
    echo "users.sh: $name cannot be a service's name: letters, digits, \"_\" and \"-\"" >&2
    exit 1
  fi
  user "$name" "$(list "${service[@]//SERVICE/$name}")" "_INBOX_$name.>"
done
nsc generate creds --account SYS --name sys >"$folder/system.creds"
nsc generate config --mem-resolver --sys-account SYS --force --config-file "$folder/accounts.conf"
