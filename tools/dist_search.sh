#!/usr/bin/env bash
# Search with several processes: tools/dist_search.sh CONFIG PROCESSES [arguments of tools/search.py]
# example: tools/dist_search.sh configs/search/ppnas_imagenet.py 8 --work-dir work_dirs/ppnas --resume
# several machines: NNODES=2 NODE_RANK=0 MASTER_ADDR=host0 PORT=29500, the same command on each
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,4s/^# //p' "$0" >&2
  exit 2
fi
config=$1
processes=$2
shift 2
exec "${PYTHON:-python}" -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node-rank="${NODE_RANK:-0}" --nproc-per-node="$processes" \
  --master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="${PORT:-29500}" \
  "$(dirname "$0")/search.py" "$config" --launcher pytorch "$@"
