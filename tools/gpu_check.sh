#!/usr/bin/env bash
# Check on a machine with a GPU what only a GPU can show.
#   tools/gpu_check.sh --pack DIR [--limit MB] [--cifar DIR] [--with NAME ...]
#     on a machine with a net: put into DIR what the other machine lacks, at most MB (50) megabytes:
#     wheels for Python 3.12, and as many packs of CIFAR-10 as fit
#   tools/gpu_check.sh [--from DIR] [--out DIR] [--minutes 12] [--device cuda] [--tiny] [--parts NAME ...]
#     on the machine with the GPU, without a net: run the parts; DIR is gpu_pack, results go to gpu_check
# The machine has Python 3.12, torch, torchvision, numpy, scipy, scikit-learn, matplotlib, safetensors
# and OpenCV; for one without OpenCV: --limit 60 --with opencv-python-headless==4.11.0.86 (no CIFAR-10).
set -euo pipefail
since=$(date +%s)
root="$(cd "$(dirname "$0")/.." && pwd)"
python="${PYTHON:-python3}"
help() { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p'; }
fail() { echo "gpu_check.sh: $*" >&2; exit 2; }

pack() {
  local folder=$1 limit=50 cifar="$root/../shared/data/cifar10"
  local extra=()
  shift
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || fail "$1: a value is missing"
    case "$1" in
      --limit) limit=$2; shift 2 ;;
      --cifar) cifar=$2; shift 2 ;;
      --with) shift; while [ $# -gt 0 ] && [ "${1#--}" = "$1" ]; do extra+=("$1"); shift; done ;;
      *) fail "--pack: unknown argument $1; see --help" ;;
    esac
  done
  rm -rf "$folder/wheels" "$folder/cifar10"
  mkdir -p "$folder/wheels"
  # the forks come as sources; wheels of them are of no one Python
  "$python" -m pip wheel -q --no-deps -w "$folder/wheels" $(grep '^onedl' "$root/requirements/gpu.txt")
  "$python" -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
    --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 -d "$folder/wheels" \
    $(grep -v '^onedl\|^#' "$root/requirements/gpu.txt") ${extra[@]+"${extra[@]}"}
  local file size used
  for file in test_batch data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5; do
    file="$cifar/$file.npz"
    [ -f "$file" ] || continue
    size=$(stat -c %s "$file")
    used=$(du -sb --apparent-size "$folder" | cut -f1)
    [ $((used + size)) -lt $((limit * 1000000)) ] || continue
    mkdir -p "$folder/cifar10"
    cp "$file" "$folder/cifar10/"
  done
  used=$(du -sb --apparent-size "$folder" | cut -f1)
  [ "$used" -lt $((limit * 1000000)) ] || fail "$folder has $used bytes, more than $limit MB"
  echo "$folder: $(ls "$folder/wheels" | wc -l) wheels, CIFAR-10: $(ls "$folder/cifar10" 2>/dev/null \
    | tr '\n' ' '), $((used / 1000)) kB"
}

check() {
  local from="$root/gpu_pack" out="$root/gpu_check"
  local rest=()
  while [ $# -gt 0 ]; do
    case "$1" in
      --from | --out) [ $# -ge 2 ] || fail "$1: a folder is missing" ;;&
      --from) from=$2; shift 2 ;;
      --out) out=$2; shift 2 ;;
      --from=* | --out=*) fail "$1: write a space in place of =" ;;
      *) rest+=("$1"); shift ;;
    esac
  done
  ls "$from"/wheels/*.whl > /dev/null 2>&1 ||
    fail "$from: no wheels there; make it on a machine with a net: tools/gpu_check.sh --pack $from"
  "$python" -c 'import cv2' 2> /dev/null || ls "$from"/wheels/opencv* > /dev/null 2>&1 ||
    fail "no OpenCV (cv2) here; pack it, too: tools/gpu_check.sh --pack DIR --limit 60 --with opencv-python-headless==4.11.0.86"
  mkdir -p "$out"
  site=$(mktemp -d)
  trap 'rm -rf "$site"' EXIT
  "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir \
    --disable-pip-version-check --target "$site" "$from"/wheels/*.whl 2>&1 | tee "$out/gpu_check.log"
  if [ -d "$from/cifar10" ]; then rest+=(--data "$from/cifar10"); fi
  PYTHONPATH="$root:$site${PYTHONPATH:+:$PYTHONPATH}" "$python" "$root/tools/gpu_check.py" run \
    --since "$since" --out "$out" ${rest[@]+"${rest[@]}"}
}

case "${1:-}" in
  -h | --help) help ;;
  --pack) [ $# -ge 2 ] || fail '--pack: a folder is missing'; shift; pack "$@" ;;
  *) check "$@" ;;
esac
