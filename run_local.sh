#!/usr/bin/env bash
# All the set-up there is:
#   ./run_local.sh                  the drawn sample: install, convert, train, report (minutes)
#   ./run_local.sh test [flags]     install with the test extra and run the tests (flags of pytest)
#   ./run_local.sh SOURCE [flags]   the same on 'caltech101' (downloaded), 'tfds:NAME', a folder of
#                                   class folders, a .zip or .tar.gz of one, a .csv or .jsonl list;
#                                   flags go to the trainer
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv
python=$venv/bin/python

say() { printf '==> %s\n' "$*"; }

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

# Installs once for each set of extras and each change of what is to be installed.
install() {
  local extras=$1 stamp=$venv/installed-$1 wanted
  wanted=$(cat "$here/setup.py" "$here/constraints.txt" | cksum)
  if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    return
  fi
  if [[ ! -x $python ]]; then
    local base=${PYTHON:-python3}
    "$base" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null || {
      echo "run_local.sh: received $base ($("$base" --version 2>&1)), expected Python 3.10 to 3.13;" \
        "set PYTHON=/path/to/python3.x." >&2
      exit 1
    }
    say "making a virtual environment with $("$base" --version)"
    "$base" -m venv "$venv" || {
      rm -rf "$venv"
      exit 1
    }
  fi
  say "installing the project and its packages (once; some minutes)"
  "$python" -m pip install --quiet --disable-pip-version-check \
    --constraint "$here/constraints.txt" --editable "$here${extras:+[$extras]}"
  printf '%s' "$wanted" >"$stamp"
}

# Answers a typo in the trainer's flags before any download or conversion; status 3 for a flag of the
# conversion.
check_flags() {
  "$python" - "$@" <<'EOF'
import shlex
import sys

from absl import flags

from pipelines.make_tfrecords import ConvertConfig
from pipelines.runtime.command import define_flags, parse_config
from pipelines.runtime.errors import InputError
from trainer.main import MainConfig

given = define_flags(MainConfig)
try:
    parse_config(MainConfig, given, ["trainer.main", *sys.argv[1:]])
    if given["data_dir"].present:
        raise InputError("received --data_dir, expected a source as the first argument instead.")
except (flags.Error, InputError) as error:
    name = getattr(error, "flagname", "")
    if name == "source":
        sys.exit("run_local.sh: received --source, expected it as the first argument, by itself.")
    if {name, name.removeprefix("no")} & set(define_flags(ConvertConfig)):
        print(f"run_local.sh: --{name} is a flag of the conversion.", file=sys.stderr)
        sys.exit(3)
    hint = f"`{shlex.quote(sys.executable)} -m trainer.main --help` lists the flags."
    print(f"run_local.sh: {error} ({hint})", file=sys.stderr)
    sys.exit(2)
EOF
}

# The name under which a source's shards are kept: its own, without folders and endings.
name_of() {
  local name=$1
  [[ ! -d $1 ]] || name=$(cd "$1" && pwd)
  [[ $name != *://* ]] || name=${name%%[?#]*}  # of an address its path alone
  name=$(basename "$name")
  name=${name%.gz} name=${name%.tgz} name=${name%.tar} name=${name%.zip}
  name=${name%.csv} name=${name%.jsonl}
  printf '%s' "${name//[^A-Za-z0-9_.-]/_}"
}

convert_and_train() {
  local source=$1 data run status=0
  data=$here/data/$(name_of "$1")
  run=$here/runs/$(basename "$data")-$(date +%Y%m%d-%H%M%S)
  shift
  check_flags --strategy=mirrored "$@" || {
    status=$?
    ((status != 3)) || say_how_to_convert "$source" "$data"
    exit 2
  }
  say "converting '$source' to shards in '$data'"
  "$python" -m pipelines.make_tfrecords --source="$source" --output_dir="$data" || {
    status=$?
    # Where there is nothing, no flag helps.
    if ((status == 1)) && [[ -e ${source/#\~/$HOME} || $source =~ ^(sample|caltech101|.*:.*)$ ]]; then
      say_how_to_convert "$source" "$data"
    fi
    exit "$status"
  }
  set -- "$python" -m trainer.main --strategy=mirrored --data_dir="$data" --run_dir="$run" "$@"
  say "training StridedNet; if it is stopped, it goes on with:$(printf ' %q' "$@")"
  say "watch the curves with:$(printf ' %q' "$venv/bin/tensorboard" --logdir "$here/runs")"
  exec "$@"  # so that signals reach the training itself, and its status is this script's
}

say_how_to_convert() {
  say "flags of the conversion go to it, as in$(printf ' %q' "$python" -m pipelines.make_tfrecords \
    --source="$1" --output_dir="$2") FLAGS, then$(printf ' %q' "$python" -m trainer.main \
    --data_dir="$2")"
}

case ${1:-sample} in
  -h | --help)
    usage
    ;;
  test)
    install test
    shift
    say "running the tests"
    cd "$here"
    # In two processes; -n 0 puts them into one.
    exec "$python" -m pytest --numprocesses=2 --dist=loadfile "$@"
    ;;
  -*)
    echo "run_local.sh: received '$1' first, expected nothing, 'test' or a SOURCE; flags follow it." >&2
    usage >&2
    exit 2
    ;;
  sample)
    install ""
    convert_and_train sample "${@:2}"
    ;;
  *)
    install ""
    convert_and_train "$@"
    ;;
esac
