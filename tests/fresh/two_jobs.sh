#!/bin/sh
# Starts a standalone attuned with the commands README gives and runs two jobs with curl.
set -eu
data=$(mktemp -d)
chmod 711 "$data"
images=/usr/share/datasets/fashion-mnist
ATTUNE_DATA_DIR=$data ATTUNE_BUILD_DIR=/srv/attune/build
export ATTUNE_DATA_DIR ATTUNE_BUILD_DIR
/srv/attune/quickstart --listen 127.0.0.1:18080 >"$data/log" 2>&1 &
attuned=$!
trap 'kill $attuned 2>/dev/null; wait $attuned 2>/dev/null; rm -rf "$data"' EXIT
URL=http://127.0.0.1:18080
for _ in $(seq 300); do
  curl -fs $URL/readyz >/dev/null && break
  kill -0 $attuned || { cat "$data/log"; exit 1; }
  sleep 0.2
done
KEY=$(cat "$data/admin.key")
curl -fsS -H "Authorization: Bearer $KEY" -F file=@/srv/attune/tests/data/iris.csv -F target=species \
  -F seconds=20 -F name=iris "$URL/api/v1/train?wait=60"
echo
curl -fsS -H "Authorization: Bearer $KEY" \
  -d '{"rows":[{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}]}' \
  "$URL/api/v1/models/iris/predict" | tee "$data/answer"
echo
grep -q '"label": *"setosa"' "$data/answer"
curl -fsS -H "Authorization: Bearer $KEY" -F images=@$images/train-images-idx3-ubyte.gz \
  -F labels=@$images/train-labels-idx1-ubyte.gz -F seconds="${ATTUNE_FRESH_SECONDS:-60}" -F name=fashion \
  "$URL/api/v1/train?wait=300"
echo
gzip -dc $images/t10k-images-idx3-ubyte.gz | tail -c +17 | head -c 784 >"$data/image"
curl -fsS -H "Authorization: Bearer $KEY" -H 'Content-Type: application/octet-stream' \
  --data-binary @"$data/image" "$URL/api/v1/models/fashion/predict" | tee "$data/answer"
echo
grep -q '"label"' "$data/answer"
