#!/usr/bin/env bash
# Search on a slurm cluster: tools/slurm_search.sh PARTITION JOB_NAME CONFIG [arguments of tools/search.py]
# example: GPUS=16 tools/slurm_search.sh gpu ppnas configs/search/ppnas_imagenet.py --resume
# GPUS: processes in all (8); GPUS_PER_NODE (8); CPUS_PER_TASK (5); SRUN_ARGS: further ones of srun
set -euo pipefail
if [ $# -lt 3 ]; then
  sed -n '2,4s/^# //p' "$0" >&2
  exit 2
fi
partition=$1
job=$2
config=$3
shift 3
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-8}
if [ "$gpus" -lt "$per_node" ]; then
  per_node=$gpus
fi
# shellcheck disable=SC2086  # SRUN_ARGS holds several words
exec srun --partition="$partition" --job-name="$job" --gres=gpu:"$per_node" --ntasks="$gpus" \
  --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
  ${SRUN_ARGS:-} \
  "${PYTHON:-python}" -u "$(dirname "$0")/search.py" "$config" --launcher slurm "$@"
