#!/bin/sh
# How long a list of 30,000 invented people takes to come in, how much memory, and how long a phone waits meanwhile.
# Needs target/release/vecino (or VECINO), curl, awk and GNU time. `benches/registry.sh 10000` takes another size.
set -eu
rows=${1:-30000}
vecino=$(realpath "${VECINO:-target/release/vecino}")
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
"$vecino" --data-dir town demo --no-serve >/dev/null
"$vecino" --data-dir town geo export households --municipality 1202 --format csv --out homes.csv

# Names of syllables, so that hardly anybody is like anybody; every third has a CUI of department 99, which nobody has.
awk -F, -v rows="$rows" '
function syllables(n,   text, i) { text = ""; for (i = 0; i < n; i++) text = text part[int(rand() * 40) + 1]; return toupper(substr(text, 1, 1)) substr(text, 2) }
function cui(   serial, i, sum) {
  do { serial = sprintf("%08d", int(rand() * 100000000)); sum = 0; for (i = 1; i <= 8; i++) sum += (i + 1) * substr(serial, i, 1) } while (sum % 11 == 10)
  return serial sum % 11 "9902"
}
BEGIN { srand(20260630); split("ba be bi bo bu ca co cu da de di do fa fe fi ga go ja jo la le li lo ma me mi mo na ne ni no pa pe po ra re ri ro sa so", part, " ")
  split("advice savings digital_wallet entrepreneurship", service, " "); split("Airpak;Banrural;Banco Industrial;Micoope", partner, ";") }
NR == 1 { for (i = 1; i <= NF; i++) if ($i == "code") column = i; next }
{ home[++homes] = $column }
END {
  print "given_names,surnames,cui,sex,birth_date,language,household,relation,since,phone,consent_messages,consents,consent_on,guardian,waste,finance,finance_partner"
  for (n = 1; n <= rows; n++)
    printf "%s %s,%s %s,%s,%s,%02d/%02d/%d,es,%s,head,01/02/2024,0%07d,yes,finance,01/02/2024,no,collection,%s,%s\n", syllables(3), syllables(2), syllables(3), syllables(3), n % 3 ? "" : cui(), n % 2 ? "female" : "male", 1 + n % 28, 1 + n % 12, 1950 + n % 50, home[1 + n % homes], n, service[1 + n % 4], partner[1 + n % 4]
}' homes.csv >people.csv

cp -r town quiet
for name in first again; do
  /usr/bin/time -f "%e s, %M kB at most" -o "$name.time" "$vecino" --data-dir quiet registry import people.csv --municipality 1202 >"$name.out" 2>"$name.err"
  echo "$name import: $(cat "$name.time"); $(tail -n 1 "$name.out"); $(wc -l <"$name.err") lines to look at"
done

# A phone that sends an empty batch every 20 ms while the list comes in.
operator=$("$vecino" --data-dir town geo export households --municipality 1202 --format csv | awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "operator") c = i; next } $c != "" { print $c; exit }')
token=$("$vecino" --data-dir town token create --role crew --municipality 1202 --operator "$operator" --device bench)
"$vecino" --data-dir town serve --listen 127.0.0.1:18099 >serve.out 2>&1 &
server=$!
until curl -s -o /dev/null http://127.0.0.1:18099/healthz; do sleep 0.1; done
( while :; do
    curl -s -o /dev/null -w '%{http_code} %{time_total}\n' -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
      --data "{\"sent_at\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\",\"ops\":[]}" http://127.0.0.1:18099/api/v1/sync >>sync.log
    sleep 0.02
  done ) &
phone=$!
sleep 1
"$vecino" --data-dir town registry import people.csv --municipality 1202 >/dev/null 2>&1
sleep 1
kill "$phone"
sort -k2 -n sync.log | awk '{ codes[$1]++; last = $2; all[NR] = $2 } END { printf "phone meanwhile: %d batches, median %.0f ms, longest %.0f ms;", NR, 1000 * all[int((NR + 1) / 2)], 1000 * last; for (code in codes) printf " %s: %d", code, codes[code]; print "" }'
