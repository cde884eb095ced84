#!/usr/bin/env bash
# What the release binary weighs: time to load the practice town, memory of an idle server, time from a fresh process to its first page.
# Usage: benches/footprint.sh [PATH_TO_VECINO]   (default target/release/vecino, built with `cargo build --release`; needs curl and Linux)
set -euo pipefail
export LC_ALL=C
vecino=${1:-target/release/vecino}
port=${PORT:-18973}
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi; rm -rf "$folder"' EXIT

now() { date +%s%N; }
milliseconds() { awk -v ns="$1" 'BEGIN { printf "%.1f", ns / 1e6 }'; }
median() { sort -n | awk '{ a[NR] = $1 } END { print (NR % 2) ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'; }
memory() { awk '/^VmRSS/ { printf "%.1f MB", $2 / 1024 }' "/proc/$server/status"; }
start() { "$vecino" serve --data-dir "$folder/town" --listen "127.0.0.1:$port" >"$folder/log" 2>&1 & server=$!; }
stop() { kill "$server"; wait "$server" 2>/dev/null || true; server=; }
page() { curl -sf -o /dev/null --compressed "$@"; }
# Asks again at once until somebody listens, so the answer's time is the process's own.
until_answered() { until page "$@" 2>/dev/null; do :; done; }

echo "$(uptime)"
loads=
for run in 1 2 3; do
  rm -rf "$folder/town"
  from=$(now)
  "$vecino" demo --no-serve --data-dir "$folder/town" >/dev/null
  took=$(milliseconds $(($(now) - from)))
  loads="$loads$took"$'\n'
done
echo "practice town, 3,000 homes × 26 weeks: $(printf %s "$loads" | median) ms (median of $(printf %s "$loads" | tr '\n' ' '))"

start
until_answered "http://127.0.0.1:$port/readyz"
sleep 2
echo "idle server, two seconds after /readyz: $(memory)"
form=$(curl -s -c "$folder/jar" "http://127.0.0.1:$port/sign-in")
csrf=$(printf %s "$form" | grep -o 'name="csrf" value="[^"]*"' | head -1 | cut -d'"' -f4)
curl -s -o /dev/null -b "$folder/jar" -c "$folder/jar" -H "Origin: http://127.0.0.1:$port" \
  --data-urlencode "csrf=$csrf" -d login=alcaldia -d password=practica "http://127.0.0.1:$port/sign-in"
echo "after a sign-in: $(memory)"
page -b "$folder/jar" "http://127.0.0.1:$port/map/1202"
echo "after the map page: $(memory)"
sleep 65
echo "a minute later, its duties done once: $(memory)"
stop

for path in /sign-in /map/1202; do
  times=
  for run in 1 2 3 4 5; do
    from=$(now)
    start
    until_answered -b "$folder/jar" "http://127.0.0.1:$port$path"
    times="$times$(milliseconds $(($(now) - from)))"$'\n'
    stop
  done
  echo "fresh process to its first page, $path: $(printf %s "$times" | median) ms (median of $(printf %s "$times" | tr '\n' ' '))"
done
